"""Every answer to a POST by status, code and mode: the outcome for row and token, and the message."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from videos import tasks
from videos.models import Generation, Health
from videos.provider import Sent

from ..support.factories import a_generation, a_token, an_error, failure, running

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = Path(__file__).resolve().parents[1] / "payloads"
PAGE = None  # a gateway's page
NO_WORDS: dict = {}

# outcome: the row's state, the token's health
REQUEST = ("failed", Health.OK)
TOKEN = ("queued", Health.INVALID)
BALANCE = ("queued", Health.USED_UP)
ADDRESS = LIMIT = ("queued", Health.LIMITED)
UNEXPLAINED = ("failed", Health.OK)
DOUBT = ("unconfirmed", Health.OK)
UNAVAILABLE = ("unconfirmed", Health.LIMITED)

BY_CODE = {
    (400, "bad_request"): REQUEST,
    (400, "invalid_request"): REQUEST,
    (400, "no_token"): TOKEN,
    (400, "token_mismatched"): TOKEN,
    (400, "api_not_implemented"): ADDRESS,
    (400, "no_api"): ADDRESS,
    (404, "api_not_implemented"): ADDRESS,
    (404, "no_api"): ADDRESS,
    (401, "no_token"): TOKEN,
    (401, "token_mismatched"): TOKEN,
    (401, "invalid_token"): TOKEN,
    (401, "token_expired"): TOKEN,
    (401, "unauthorized"): TOKEN,
    (402, "used_up"): BALANCE,
    (402, "insufficient_balance"): BALANCE,
    (403, "used_up"): BALANCE,
    (403, "insufficient_balance"): BALANCE,
    (403, "forbidden"): REQUEST,
    (403, "content_moderation"): REQUEST,
    (403, "disabled"): TOKEN,
    (403, "not_applied"): TOKEN,
    (404, "task_not_found"): REQUEST,
    (413, "request_too_large"): REQUEST,
    (413, "content_too_large"): REQUEST,
    (429, "too_many_requests"): LIMIT,
    (429, "rate_limited"): LIMIT,
    (429, "busy"): LIMIT,
    (500, "api_error"): DOUBT,
    (500, "upstream_error"): DOUBT,
    (502, "api_error"): DOUBT,
    (502, "upstream_error"): DOUBT,
    (503, "api_error"): UNAVAILABLE,
    (504, "timeout"): DOUBT,
    (504, "upstream_timeout"): DOUBT,
}
OTHERWISE = [
    # A known code decides within 4xx.
    (422, {"error": {"code": "forbidden", "message": "no"}}, REQUEST),
    (400, {"error": {"code": "used_up", "message": "no"}}, BALANCE),
    (403, {"error": {"code": "busy", "message": "no"}}, LIMIT),
    (403, {"error": "used_up"}, BALANCE),
    (400, {"error": {"code": "api_error", "message": "no"}}, DOUBT),
    (400, {"error": {"code": "upstream_timeout", "message": "no"}}, DOUBT),
    # An unknown one is judged by its status.
    (400, {"error": {"code": "new_word", "message": "no"}}, REQUEST),
    (400, NO_WORDS, REQUEST),
    (401, {"error": {"code": "new_word", "message": "no"}}, TOKEN),
    (401, {"message": "Unauthorized"}, TOKEN),
    (402, {"error": {"code": "new_word", "message": "no"}}, BALANCE),
    (403, {"error": {"code": "new_word", "message": "no"}}, UNEXPLAINED),
    (403, {"error": "not for you"}, UNEXPLAINED),
    (403, NO_WORDS, UNEXPLAINED),
    (404, {"error": {"code": "new_word", "message": "no"}}, ADDRESS),
    (404, {"detail": "Not Found"}, ADDRESS),
    (413, {"error": {"code": "new_word", "message": "no"}}, REQUEST),
    (422, {"detail": [{"loc": ["prompt"]}]}, REQUEST),
    (429, {"error": {"code": "new_word", "message": "no"}}, LIMIT),
    (451, {"error": {"code": "new_word", "message": "no"}}, UNEXPLAINED),
    (405, {"detail": "Method Not Allowed"}, ADDRESS),
    # A gateway's page.
    *((status, PAGE, ADDRESS) for status in (400, 401, 402, 403, 404, 405, 407, 413, 418, 421, 451)),
    (429, PAGE, LIMIT),
    # A wrong address.
    *((status, body, ADDRESS) for status in (301, 307, 308) for body in (PAGE, NO_WORDS)),
    # Everything that may follow an accepted POST.
    *((status, body, DOUBT) for status in (302, 303, 408, 409, 499, 500, 502, 504, 520) for body in (PAGE, NO_WORDS)),
    (503, PAGE, UNAVAILABLE),
    (409, {"error": {"code": "forbidden", "message": "no"}}, DOUBT),
    (408, {"error": {"code": "bad_request", "message": "no"}}, DOUBT),
    (500, {"error": {"code": "used_up", "message": "no"}}, DOUBT),
    (502, {"error": {"code": "invalid_token", "message": "no"}}, DOUBT),
    (200, PAGE, DOUBT),
    (200, NO_WORDS, DOUBT),
    (200, {"success": False, "error": {"code": "forbidden", "message": "no"}}, DOUBT),
    (200, {"success": False, "error": "temporary"}, DOUBT),
    (202, NO_WORDS, DOUBT),
]
CASES = [
    *((status, json.loads((PAYLOADS / f"error_{status}_{code}.json").read_text()), outcome)
      for (status, code), outcome in BY_CODE.items()),
    *OTHERWISE,
]  # fmt: skip


def named(case) -> str:
    status, body, _ = case
    error = body.get("error") if body else None
    code = error.get("code", "other") if isinstance(error, dict) else "page" if body is None else "other"
    return f"{status}-{code}"


def what_follows(generation: Generation, callback_sent: bool) -> None:
    """Return the message of an unconfirmed row, which depends on what is done about it."""

    def text(**facts) -> str:
        Generation.objects.filter(pk=generation.pk).update(**facts)
        generation.refresh_from_db()
        news = generation.explanation
        assert ("callback brings" in news.text) == (callback_sent and not generation.task_id)
        return f"{news.text} {news.for_author}"

    assert "lists tasks that may be this video." in text(search_outcome="offered")
    assert "Choose the right one." in text()
    assert ("cannot look it up" in text(search_outcome="unavailable")) != callback_sent
    assert ("second charge is acceptable" in text()) != callback_sent
    assert ("no longer searches for it" in text(search_outcome="not_found", next_poll_at=None)) != callback_sent
    assert "Lumaweb looks it up at the provider by its task ID." in text(task_id="t")
    assert "console" not in generation.explanation.for_admins


@pytest.mark.parametrize(("public_url", "by_callback"), [("", False), ("https://films.example.com", True)])
def test_a_timed_out_video_says_how_it_may_still_arrive(settings, public_url, by_callback):
    settings.PUBLIC_URL = public_url
    a_token()
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("no_answer", Sent.MAYBE))
    generation.dismiss(generation.member)
    assert "no longer waits" in generation.explanation.text and "may have charged it" in generation.explanation.text
    assert ("callback still comes" in generation.explanation.text) == by_callback

    late = a_generation(timeout=30)
    late.claim()
    late.record(running(), "answer")
    Generation.objects.filter(pk=late.pk).update(accepted_at=timezone.now() - timedelta(hours=2))
    late.refresh_from_db()
    assert late.give_up()
    assert "Lumaweb still looks it up, and the video appears here" in late.explanation.text
    Generation.objects.filter(pk=late.pk).update(next_poll_at=None)
    late.refresh_from_db()
    assert "still looks it up" not in late.explanation.text
    assert ("callback still comes" in late.explanation.text) == by_callback


@pytest.mark.parametrize("code", ["not_sent", "used_up", "too_many_requests", "no_api", "http_404"])
def test_an_unconfirmed_row_that_was_never_sent_says_so_and_why_it_is_not_resent(code):
    a_token()
    generation = a_generation()
    generation.claim()
    Generation.objects.filter(pk=generation.pk).update(submitted_at=timezone.now() - timedelta(minutes=5))
    generation.refresh_from_db()
    assert generation.mark_interrupted()
    sent = Sent.NEVER if code == "not_sent" else Sent.REFUSED
    generation.refuse(an_error(code, sent, status=None if sent is Sent.NEVER else 404))
    assert generation.state == "failed"
    assert (
        "was not carried out" in generation.explanation.text and "Nothing was charged." in generation.explanation.text
    )
    assert "balance behind" not in generation.explanation.text


@pytest.mark.parametrize("code", ["bad_request", "forbidden", "used_up", "new_word", "task_failed", ""])
def test_a_failed_task_says_no_more_about_its_charge_than_is_documented(code):
    a_token()
    generation = a_generation()
    generation.claim()
    generation.record(running("t"), "answer")
    generation.record(failure("t", code), "sweep")
    assert generation.state == "failed"
    assert "Nothing was charged" not in generation.explanation.text
    assert "According to the provider, only finished videos are charged." in generation.explanation.text


def test_every_error_of_the_contract_is_tested_here():
    golden = {
        (int(path.name.split("_")[1]), path.stem.split("_", 2)[2])
        for path in PAYLOADS.glob("error_*.json")
        if "bare_string" not in path.name
    }
    assert golden == set(BY_CODE)


@pytest.mark.parametrize("public_url", ["", "https://films.example.com"], ids=["polling", "callback"])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_each_answer_has_its_outcome_and_message(stub, settings, case, public_url):
    status, body, (state, health) = case
    settings.PUBLIC_URL = public_url
    token = a_token(base_url=stub.url)
    stub.answer = lambda path, sent: (status, body)
    stub.headers = {"Location": f"{stub.url}/elsewhere"} if 300 <= status < 400 else {}
    generation = a_generation()
    tasks.drain()
    tasks.drain()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, token.health) == (state, health)
    assert generation.error_status == status
    assert len(stub.posts) == 1, "never sent twice, and a redirect is not followed"
    assert (token.in_flight, token.sending) == (0, 0)

    news = generation.explanation
    if state == "unconfirmed":
        assert "may have started and charged this video. Lumaweb never resends it automatically." in news.text
        assert ("callback brings the video here" in news.text) == bool(public_url)
        assert "Lumaweb searches the provider's list of tasks for it." in news.text
        what_follows(generation, bool(public_url))
    else:
        assert "Nothing was charged." in news.text
        assert "callback" not in news.text
    if state == "queued" or (status == 403 and news.title == "Refused by the provider"):
        assert "callback" not in news.text and (news.for_members or health == Health.LIMITED)
    if state == "failed":
        assert news.advice or news.for_members
