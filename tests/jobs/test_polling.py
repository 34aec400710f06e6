"""Look up due tasks: a failing row, token or provider does not delay others."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from videos.jobs import polling
from videos.jobs.ticker_steps import Step, StepRunner
from videos.models import ApiToken, Generation, StepFailure, Verdict
from videos.models.generation.polling_queryset import REFUSED_AGAIN
from videos.provider import Sent

from ..support.factories import a_generation, a_result, a_token, an_error, failure, running
from ..support.provider_listing import request_of
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider():
    """Return a function that starts a stub provider."""
    started = []

    def start() -> StubProvider:
        started.append(StubProvider())
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.fixture
def stub(provider):
    return provider()


def runs(token: ApiToken, task_id: str, channel: str = "answer") -> Generation:
    """Create a row whose task runs at the provider and is due for a look-up."""
    ApiToken.objects.exclude(pk=token.pk).update(enabled=False)
    generation = a_generation()
    assert generation.claim()
    generation.record(running(task_id), channel)
    ApiToken.objects.update(enabled=True)
    Generation.objects.filter(pk=generation.pk).update(next_poll_at=timezone.now())
    return Generation.objects.get(pk=generation.pk)


def answers(*items: dict):
    return lambda path, body: (200, {"items": list(items), "count": len(items)})


def finished(task_id: str) -> dict:
    response = {"success": True, "video_id": f"v-{task_id}", "video_url": f"https://cdn.example.com/{task_id}.mp4"}
    return {"id": task_id, "response": response}


def state(row: Generation) -> str:
    return Generation.objects.get(pk=row.pk).state


def test_an_unreachable_provider_costs_one_update_for_any_number_of_due_rows(stub, token):
    for _ in range(15):
        for row in a_generation(takes=4).submission.generations.all():
            Generation.objects.filter(pk=row.pk).update(token=token, task_id=str(row.uuid), state="processing")
    Generation.objects.update(next_poll_at=timezone.now())
    stub.answer = lambda path, body: (503, {"error": {"code": "upstream_error", "message": "away"}})
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert polling.poll() == polling.BATCH
    updates = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "videos_generation"')]
    assert len(updates) == 1
    assert not Generation.objects.filter(next_poll_at__lte=timezone.now()).exists()
    assert len(stub.posts) == 1


def test_retry_after_of_a_look_up_is_honoured(stub, token):
    row = runs(token, "task-1")
    stub.answer = lambda path, body: (429, {"error": {"code": "too_many_requests", "message": "slow down"}})
    polling.poll()
    wait = (Generation.objects.get(pk=row.pk).next_poll_at - timezone.now()).total_seconds()
    assert 1 < wait < 60


def test_a_row_that_cannot_be_recorded_does_not_delay_others(stub, token, monkeypatch):
    bad, good = runs(token, "bad"), runs(token, "good")
    in_earnest = polling.record_result

    def record_result(generation, result, channel):
        if generation.task_id == "bad":
            raise ValueError("a fault of ours")
        return in_earnest(generation, result, channel)

    monkeypatch.setattr(polling, "record_result", record_result)
    stub.answer = answers(finished("bad"), finished("good"))
    with pytest.raises(ExceptionGroup) as raised:
        polling.poll()
    assert raised.group_contains(ValueError, match="a fault of ours")
    [fault] = raised.value.exceptions
    assert fault.__notes__ == [f"Generation {bad.uuid}."]
    assert (state(bad), state(good)) == ("processing", "completed")
    assert Generation.objects.get(pk=bad.pk).next_poll_at > timezone.now()


def test_a_recording_error_is_logged_once_and_shown_while_it_lasts(stub, token, monkeypatch, caplog):
    row = runs(token, "bad")

    def fail(generation, result, channel):
        raise ValueError("a fault of ours")

    stub.answer = answers(finished("bad"))
    runner, step = StepRunner(), Step("look-ups", polling.poll)
    with monkeypatch.context() as broken:
        broken.setattr(polling, "record_result", fail)
        for _ in range(3):
            assert not runner.run(step)
            assert StepFailure.objects.current().exists()
            assert Generation.objects.get(pk=row.pk).next_poll_at < timezone.now() + timedelta(seconds=10)
            Generation.objects.update(next_poll_at=timezone.now())
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert runner.run(step)
    assert state(row) == "completed" and not StepFailure.objects.exists()


def test_a_hanging_provider_does_not_delay_others(stub, token, provider, monkeypatch):
    monkeypatch.setattr(polling, "POLL_SECONDS", 1.0)
    silent = provider()
    silent.seconds = 3
    hangs = runs(a_token("sandbox-silent", base_url=silent.url), "hangs")
    answered = runs(token, "task-1")
    stub.answer = answers(finished("task-1"))
    began = time.monotonic()
    polling.poll()
    assert time.monotonic() - began < 3
    assert (state(hangs), state(answered)) == ("processing", "completed")
    assert Generation.objects.get(pk=hangs.pk).next_poll_at > timezone.now()


def test_a_refused_token_is_disabled_and_its_cards_say_so_until_it_has_a_new_secret(stub, token, client):
    row = runs(token, "task-1")
    stub.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "revoked"}})
    polling.poll()
    token.refresh_from_db()
    now = Generation.objects.get(pk=row.pk)
    assert (token.health, now.state, now.error_code) == ("invalid", "processing", "token_refused")
    assert now.version == row.version + 1, "open pages show it"
    client.force_login(now.member)
    assert "no longer accepts the API token that requested it" in client.get("/").content.decode()
    assert now.events.filter(kind="look_ups_stopped").exists()
    assert now.next_poll_at > timezone.now() + timezone.timedelta(seconds=REFUSED_AGAIN - 10)
    polling.poll()
    assert len(stub.posts) == 1
    token.rotate("sandbox-new", None)
    stub.answer = answers(finished("task-1"))
    polling.poll()
    now = Generation.objects.get(pk=row.pk)
    assert (now.state, now.error_code) == ("completed", "")
    assert now.events.filter(kind="look_ups_resumed").exists()


def test_a_refusal_of_a_replaced_secret_does_not_disable_the_token(stub, token):
    row = runs(token, "task-1")

    def answer(path, body):
        ApiToken.objects.get().rotate("sandbox-new", None)
        return 401, {"error": {"code": "invalid_token", "message": "revoked"}}

    stub.answer = answer
    polling.poll()
    assert ApiToken.objects.get().health == "ok"
    assert Generation.objects.get(pk=row.pk).error_code == ""


def test_an_unknown_task_that_only_a_callback_named_is_dropped(stub, token):
    lie, true = runs(token, "lie", "callback"), runs(token, "true")
    stub.answer = answers()
    for _ in range(polling.UNKNOWN_AFTER + 1):
        assert state(lie) == "processing"
        Generation.objects.update(next_poll_at=timezone.now())
        polling.poll()
    assert (state(lie), state(true)) == ("unconfirmed", "processing")
    assert Generation.objects.get(pk=lie.pk).task_id == ""


def test_a_forged_callback_s_video_is_replaced_by_the_look_up_of_the_true_task(stub, token):
    generation = a_generation()
    generation.claim()
    generation.record(a_result("lie", video_url="https://cdn.example.com/lie.mp4"), "callback")
    generation.record(running("true"), "answer")
    stub.answer = answers(finished("true"))
    assert polling.poll() == 1
    now = Generation.objects.get()
    assert (now.state, now.video_url) == ("completed", "https://cdn.example.com/true.mp4")
    assert polling.poll() == 0


@pytest.mark.parametrize(
    "lie", [None, running("lie"), failure("lie"), a_result("lie")], ids=lambda lie: lie and lie.status
)
def test_a_task_whose_request_names_another_row_is_moved_to_that_row(stub, token, settings, lie):
    """The provider named the first request's task in both answers, and the second answer came first."""
    settings.PUBLIC_URL = "https://films.example.com"
    first, second = a_generation(), a_generation()
    address = first.claim().callback_url
    second.claim()
    second.record(running("of the first"), "answer")
    first.record(running("of the first"), "answer")
    assert (state(first), state(second)) == ("unconfirmed", "processing")
    if lie:
        Generation.objects.get(pk=first.pk).record(lie, "callback")
    stub.answer = answers(finished("of the first") | {"request": {"callback_url": address}})
    Generation.objects.update(next_poll_at=timezone.now())
    polling.poll()
    first, second = Generation.objects.get(pk=first.pk), Generation.objects.get(pk=second.pk)
    assert (first.state, first.task_id, first.video_id) == ("completed", "of the first", "v-of the first")
    assert (second.state, second.task_id) == ("unconfirmed", "")
    assert second.next_poll_at is not None, "its own task is searched for"


def test_a_callback_does_not_take_a_task_from_another_row(stub, token):
    """The callback may be forged; the look-up decides whose task it is."""
    first, second = runs(token, "shared"), a_generation()
    second.claim()
    second.record(running("shared"), "answer")
    told = Generation.objects.get(pk=first.pk)
    assert told.error_code == "same_task"
    assert told.record(failure("forged"), "callback") is Verdict.REFUSED
    assert (state(first), Generation.objects.get(pk=first.pk).task_id) == ("processing", "shared")


def in_doubt(token: ApiToken, prompt: str) -> Generation:
    """Create a row that was sent with this token and got no answer."""
    generation = a_generation(prompt=prompt)
    assert generation.claim()
    generation.refuse(an_error("no_answer", Sent.MAYBE))
    ApiToken.objects.update(health="ok", limited_until=None, doubts=0)
    return Generation.objects.get(pk=generation.pk)


@pytest.mark.parametrize("channel", ["answer", "sweep"])
def test_a_task_that_repeats_another_row_s_request_goes_to_that_row(stub, token, settings, channel):
    """Without a callback URL, the answer to one request named the task of another, which got no answer."""
    settings.PUBLIC_URL = ""
    silent = in_doubt(token, "a heron over reeds")
    given = runs(token, "of the heron", channel)
    stub.answer = answers(finished("of the heron") | {"request": request_of(silent)})
    polling.poll()
    silent.refresh_from_db()
    given.refresh_from_db()
    assert (silent.state, silent.task_id) == ("completed", "of the heron")
    assert (given.state, given.task_id) == ("unconfirmed", "")
    assert given.next_poll_at is not None, "its own task is searched for"


@pytest.mark.parametrize(
    ("prompts", "echo"),
    [
        (["a heron over reeds"] * 2, {}),
        (["a heron over reeds"], {"aspect_ratio": "9:16"}),
        (["a heron over reeds"], {"prompt": "a prompt that the provider has rewritten"}),
        ([], {"prompt": "a prompt that the provider has rewritten"}),
    ],
    ids=["two rows wait for it", "another request", "of no row", "no row waits"],
)
def test_a_task_stays_with_its_row_unless_exactly_one_other_row_matches(stub, token, settings, prompts, echo):
    settings.PUBLIC_URL = ""
    waiting = [in_doubt(token, prompt) for prompt in prompts]
    given = runs(token, "t-1")
    stub.answer = answers(finished("t-1") | {"request": request_of(waiting[0] if waiting else given) | echo})
    polling.poll()
    assert state(given) == "completed"
    assert [state(row) for row in waiting] == ["unconfirmed"] * len(waiting)
