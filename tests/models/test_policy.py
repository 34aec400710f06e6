"""The rules for errors, each through a real drain, and the texts for members and admins."""

import json
import uuid
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F
from django.utils import timezone

from videos import provider, tasks
from videos.jobs import sweep
from videos.models import ApiToken, Frame, Generation, Health, Pool, policy
from videos.models.circuit import clock_time
from videos.models.state import State

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error, running

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
# Every error of the contract, as its golden answers have it: (status, body) by status and code.
CONTRACT = {
    (int(path.name.split("_")[1]), body["error"]["code"]): body
    for path in sorted((ROOT / "tests/payloads").glob("error_*.json"))
    if isinstance((body := json.loads(path.read_text()))["error"], dict)
}


def not_sent(stub):
    ApiToken.objects.update(base_url="http://127.0.0.1:9")
    return a_generation()


def no_answer(stub):
    stub.cut = True
    return a_generation()


def unreadable(stub):
    stub.answer = lambda path, body: (200, {"surprise": True})
    return a_generation()


def token_unreadable(stub):
    ApiToken.objects.update(encrypted=b"written with another key")
    return a_generation()


def source_gone(stub):
    parent = a_generation()
    parent.claim()
    parent.record(a_result("p", video_id="", video_url=f"{stub.url}/gone.mp4"), "callback")
    return a_generation(action="extend", source_video_url=f"{stub.url}/gone.mp4", parent=parent)


def a_frame(**extra) -> Frame:
    member = Generation._meta.get_field("member").related_model.objects.first() or a_member()
    facts = {"sha256": uuid.uuid4().hex, "width": 64, "height": 48, "size_bytes": 9, "member": member}
    return Frame.objects.create(**facts | extra)


def frame_gone(stub):
    return a_generation(start_frame=a_frame(file=""))


def with_a_frame(stub, answer):
    stub.answer_upload = lambda path, url: answer
    file = default_storage.save(f"frames/{uuid.uuid4().hex}.jpg", ContentFile(b"\xff\xd8\xff"))
    return a_generation(start_frame=a_frame(file=file))


def upload_refused(stub):
    return with_a_frame(stub, (404, {}))


def upload_too_large(stub):
    return with_a_frame(stub, (413, {}))


def upload_failed(stub):
    return with_a_frame(stub, (503, {}))


def too_late(stub):
    generation = not_sent(stub)
    generation.events.create(kind="claimed")
    generation.events.update(at=timezone.now() - timezone.timedelta(hours=25))
    return generation


def interrupted(stub):
    """Let the sweep find the row of a drain that died."""
    generation = a_generation()
    generation.claim()
    Generation.objects.update(submitted_at=timezone.now() - timezone.timedelta(minutes=5))
    sweep.sweep()
    return generation


def storage_down(stub):
    """Let the database fail between the claim and the request."""
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("storage_down", provider.Sent.NEVER))
    # It would be sent again at once, which tests/jobs/test_unsaved.py looks at.
    Generation.objects.update(not_before=timezone.now() + timezone.timedelta(hours=1))
    return generation


SCENES = (
    not_sent, no_answer, unreadable, interrupted, token_unreadable, source_gone, frame_gone,
    upload_refused, upload_too_large, upload_failed, too_late, storage_down,
)  # fmt: skip
OURS = {scene.__name__: scene for scene in SCENES}


def test_every_error_of_the_contract_has_a_rule_and_every_rule_is_tested():
    codes = {code for _, code in CONTRACT}
    assert codes | {"task_failed"} == provider.errors.DOCUMENTED_CODES
    assert set(policy.POST) | set(policy.DOUBT) == codes | set(OURS) | {"redirected", "sent_back"}


@pytest.mark.parametrize("code", OURS)
def test_transport_errors_and_lumaweb_s_own_have_rules(stub, token, settings, code):
    settings.PUBLIC_URL = ""
    rule = (policy.DOUBT if code in policy.DOUBT else policy.POST)[code]
    generation = OURS[code](stub)
    tasks.drain()
    posts = len(stub.posts)
    tasks.drain()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, generation.error_code) == (rule.next_state, code)
    if code == "too_late":
        assert token.health == Health.LIMITED, "it failed for its age, and the token pauses for what it met"
    else:
        assert token.health == {policy.BACKS_OFF: Health.LIMITED}.get(
            rule.token_effect, rule.token_effect or Health.OK
        ) or (rule.token_effect == policy.PAUSES_IF_REPEATED and token.doubts == 1)
    assert (token.in_flight, token.sending) == (0, 0)
    if token.last_error and code != "too_late":
        assert token.last_error.startswith(rule.for_admins)
        assert code in token.last_error
    assert len(stub.posts) == posts, "nothing is sent again while the token pauses or is disabled"
    assert generation.explanation.title == rule.title
    assert generation.explanation.for_admins.startswith(rule.for_admins)


@pytest.mark.parametrize(
    "code", [code for code, rule in policy.POST.items() if rule.next_state == policy.QUEUED and rule.token_effect]
)
def test_a_requeued_row_is_sent_with_the_next_token(stub, token, code):
    generation = a_generation()
    generation.claim()
    second = a_token("sandbox-second", base_url=stub.url)
    generation.refuse(an_error(code, provider.Sent.REFUSED, retry_after=60))
    tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.token, len(stub.posts)) == ("processing", second, 1)


TABLES = {"POST": policy.POST, "DOUBT": policy.DOUBT, "BY_STATUS": policy.BY_STATUS, "TASK": policy.TASK}
TOKEN_EFFECTS = {
    policy.NO_EFFECT, policy.BACKS_OFF, policy.ADDRESS, policy.LIMITED, policy.PAUSES_IF_REPEATED, policy.SUSPECT,
    *Health.values,
}  # fmt: skip


def test_the_rules_are_complete_and_never_resend_a_request_that_may_have_arrived():
    for table in TABLES.values():
        for code, rule in table.items():
            assert rule.next_state in State.values
            assert rule.token_effect in TOKEN_EFFECTS
            assert all((rule.title, rule.text, rule.for_admins)), code
            assert bool(rule.resent) == (rule.next_state == policy.QUEUED), code
            assert len(rule.for_admins) < 200, "it leads the token's last error, which has 300 characters"
    assert {rule.next_state for rule in policy.DOUBT.values()} == {policy.UNCONFIRMED}


def test_every_rule_says_whether_the_request_was_charged():
    for name, table in TABLES.items():
        for code, rule in table.items():
            said = {
                policy.UNCONFIRMED: "The provider may have started and charged this video. Lumaweb never resends it",
                policy.QUEUED: "Nothing was charged.",
                policy.FAILED: "charged",
            }[rule.next_state]
            assert said in rule.text, code
            if name == "POST" and rule.next_state == policy.FAILED:
                assert "Nothing was charged." in rule.text, code


def test_texts_for_members_mention_no_action_of_admins():
    for table in TABLES.values():
        for code, rule in table.items():
            for words in (rule.title, rule.text, rule.advice):
                assert not any(secret in words for secret in ("console", "LUMAWEB_", "adopt", "under API tokens")), code
            assert not rule.for_members or "an admin" in rule.for_members, code
            assert "an admin" not in rule.text + rule.advice, code


@pytest.mark.parametrize(
    "word",
    ["clip", "film", "the wall", "mend", "for good", "ourselves", "anew", " we ", " us ", "ask for", "taken out"],
)
def test_the_texts_use_lumaweb_s_terms(word):
    for table in TABLES.values():
        for code, rule in table.items():
            for words in (rule.title, rule.text, rule.advice, rule.for_members, rule.for_admins):
                assert word not in f" {words} ".lower(), code


def test_a_row_of_an_earlier_version_keeps_its_message():
    assert policy.words_for("failed", "no_public_address", accepted=False).title == "Frames not reachable"


def test_the_policy_page_shows_the_rules():
    page = (ROOT / "docs/admin/outcomes.md").read_text()
    assert page == policy.as_markdown(), "run: manage.py policy > docs/admin/outcomes.md"


def test_an_admin_reads_more_than_a_member(client, stub, token):
    ada = a_member("ada")
    generation = a_generation(ada)
    generation.claim()
    generation.refuse(an_error("no_answer", provider.Sent.MAYBE))
    for member, reads in ((ada, False), (an_admin(), True)):
        client.force_login(member)
        for path in ("/", f"/generations/{generation.uuid}/"):
            text = client.get(path).content.decode()
            assert policy.DOUBT["no_answer"].title in text
            assert ("adopt it by its task ID" in text) == reads


# ── Why it waits ──────────────────────────────────────────────────────────────────────────────────────────────

REASONS = {
    "no token": ([], "there is no API token yet. Ask an admin to add one."),
    "paused": ([{"enabled": False}], "every API token is paused. Ask an admin to resume one."),
    "used up": ([{"health": "used_up"}], "the balance of every API token is used up. Ask an admin to top it up."),
    "invalid": ([{"health": "invalid"}], "no API token is valid. Ask an admin to fix the API tokens."),
    "both": ([{"health": "used_up"}, {"health": "invalid"}], "every API token is used up or not valid."),
    "resting": ([{"health": "limited"}, {"health": "invalid"}], "sending is paused until "),
    "probing": (
        [{"health": "limited", "probe": "look_up", "limited_until": timezone.now() - timezone.timedelta(seconds=1)}],
        "Lumaweb is checking whether the provider answers again.",
    ),
    "busy": ([{"in_flight": 2, "max_in_flight": 2}, {"health": "used_up"}], "the maximum number of videos is being"),
    "lowered": ([{"in_flight": 2, "max_in_flight": 9, "effective_limit": 2}], "the maximum number of videos is being"),
    "sending": ([{"sending": 2, "in_flight": 2, "clear_at": None}], "the maximum number of videos is being sent"),
    "room": ([{"in_flight": 1, "max_in_flight": 2}, {"health": "used_up"}], ""),
    "rested": ([{"health": "limited", "limited_until": timezone.now() - timezone.timedelta(seconds=1)}], ""),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_queued_card_says_why_it_waits(client, case):
    tokens, words = REASONS[case]
    for number, facts in enumerate(tokens):
        soon = (
            {"limited_until": timezone.now() + timezone.timedelta(minutes=5)}
            if facts.get("health") == "limited"
            else {}
        )
        a_token(f"sandbox-{number}", **(soon | facts))
    ada = a_member("ada")
    generation = a_generation(ada)
    client.force_login(ada)
    for path in ("/", f"/generations/{generation.uuid}/"):
        text = client.get(path).content.decode()
        assert (f"Waiting: {words}" in text) if words else "waiting for its turn" in text
    assert bool(Pool.current().wait) != ApiToken.objects.with_room().exists(), "both must tell the same"


def test_an_admin_sees_instructions_instead_of_ask_an_admin(client):
    a_token(health="used_up")
    generation = a_generation(a_member("ada"))
    client.force_login(an_admin())
    for path in ("/", f"/generations/{generation.uuid}/"):
        text = client.get(path).content.decode()
        assert "Waiting: the balance of every API token is used up. Top it up, then mark the token as healthy" in text
        assert "Ask an admin" not in text


def test_the_reason_is_queried_once_for_all_cards(client, django_assert_max_num_queries):
    a_token(health="used_up")
    ada = a_member("ada")
    for _ in range(40):
        a_generation(ada)
    client.force_login(ada)
    client.get("/")  # which notes that she is here
    with django_assert_max_num_queries(11):
        client.get("/")


def test_an_open_page_learns_that_the_reason_changed(client, stub):
    token = a_token(base_url=stub.url, health="used_up")
    ada = a_member("ada")
    generation = a_generation(ada)
    client.force_login(ada)
    assert 'data-waits="used_up"' in client.get("/").content.decode()
    ask = {"since": timezone.now().timestamp(), "newest": generation.pk, "waits": "used_up"}
    ask["known"] = f"{generation.pk}:{generation.version}"
    assert client.get("/live/", ask).status_code == 204
    token.reenable()
    text = client.get("/live/", ask).content.decode()
    assert "waiting for its turn" in text
    assert 'data-waits=""' in text


def test_a_page_without_queued_videos_queries_no_tokens(client):
    a_token(health="used_up")
    client.force_login(a_member("ada"))
    assert "data-waits" not in client.get("/").content.decode()


def test_only_admins_see_a_banner_when_tokens_need_attention(client):
    for name in ("one", "two", "three"):
        ApiToken.objects.filter(pk=a_token(f"sandbox-{name}", health="used_up").pk).update(name=name)
    client.force_login(a_member("ada"))
    assert "Open API tokens" not in client.get("/").content.decode()
    client.force_login(an_admin())
    text = client.get("/").content.decode()
    assert text.count("Open API tokens") == 1
    assert "“one” is used up." in text
    assert "1 more needs you too." in text
    ApiToken.objects.update(health="ok")
    assert "Open API tokens" not in client.get("/").content.decode()


# ── The pool in the admin ─────────────────────────────────────────────────────────────────────────────────────


def test_the_list_of_tokens_shows_health_load_and_the_last_error(client, stub):
    until = timezone.now() + timezone.timedelta(minutes=5)
    a_token(base_url=stub.url, health="limited", limited_until=until, in_flight=3, last_error="Slow down")
    client.force_login(an_admin())
    text = client.get("/admin/videos/apitoken/").content.decode()
    for words in (f"Backs off until {clock_time(until, timezone.now())}", "3 of 100", "Slow down"):
        assert words in text


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("pause", {"enabled": True}, {"enabled": False}),
        ("resume", {"enabled": False}, {"enabled": True}),
        ("healthy_again", {"health": "invalid"}, {"health": "ok", "last_error": ""}),
    ],
)
def test_tokens_are_paused_resumed_and_marked(client, token, action, before, after):
    ApiToken.objects.update(**before)
    client.force_login(an_admin())
    client.post("/admin/videos/apitoken/", {"action": action, "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert {name: getattr(token, name) for name in after} == after


@pytest.mark.parametrize("health", ["ok", "invalid", "used_up"])
@pytest.mark.parametrize(
    ("answer", "words", "mends"),
    [
        ((404, {"error": {"code": "not_found", "message": "no such task"}}), "The provider accepts it", True),
        ((200, {}), "The provider accepts it", True),
        ((401, {"error": {"code": "invalid_token", "message": "no"}}), "The provider refuses it", False),
        ((502, {}), "brought no answer about the token", False),
    ],
)
def test_a_token_check_shows_the_provider_s_answer(client, stub, token, health, answer, words, mends):
    ApiToken.objects.update(health=health)
    stub.answer = lambda path, body: answer if path == "/luma/tasks" else (500, {})
    client.force_login(an_admin())
    text = client.post(f"/admin/videos/apitoken/{token.pk}/test/", follow=True).content.decode()
    token.refresh_from_db()
    assert words in text
    assert token.health == ("ok" if mends else "invalid" if answer[0] == 401 else health)
    assert ("Only a video can show whether there is credit left" in text) == mends
    assert [post["action"] for post in stub.posts] == ["retrieve"]


def test_a_token_check_is_for_admins_and_changes_nothing_without_an_answer(client, token):
    ApiToken.objects.update(base_url="http://127.0.0.1:9", health="invalid")
    client.force_login(a_member("ada"))
    assert client.post(f"/admin/videos/apitoken/{token.pk}/test/").status_code == 302
    client.force_login(an_admin())
    assert client.get(f"/admin/videos/apitoken/{token.pk}/test/").status_code == 403
    text = client.post(f"/admin/videos/apitoken/{token.pk}/test/", follow=True).content.decode()
    assert "brought no answer about the token" in text
    assert ApiToken.objects.get().health == "invalid"


# ── Fairness ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_running_videos_of_a_member_count_for_the_fair_order(stub, token):
    ada, ben, cy = a_member("ada"), a_member("ben"), a_member("cy")
    ApiToken.objects.update(max_in_flight=3)
    batch = [a_generation(ada, prompt=f"batch {number}") for number in range(6)]
    tasks.drain()
    ApiToken.objects.update(max_in_flight=F("in_flight") + 3)
    late = [a_generation(ben, prompt="single"), a_generation(cy, prompt="pair"), a_generation(cy, prompt="pair 2")]
    tasks.drain()
    sent = [post["prompt"] for post in stub.posts]
    assert sorted(sent[3:]) == ["pair", "pair 2", "single"], "ada already has three in progress"
    assert [row.state for row in Generation.objects.filter(pk__in=[row.pk for row in late])] == ["processing"] * 3
    assert Generation.objects.filter(pk__in=[row.pk for row in batch], state="queued").count() == 3


def test_an_extension_goes_to_its_parent_s_token(stub, token):
    second = a_token("sandbox-second", base_url=stub.url, priority=99)
    parent = a_generation()
    parent.claim()
    Generation.objects.filter(pk=parent.pk).update(token=second)
    parent.refresh_from_db()
    parent.record(running("p"), "answer")
    parent.record(a_result("p"), "callback")
    child = a_generation(action="extend", source_video_id="video-1", parent=parent)
    assert child.claim().token == second
