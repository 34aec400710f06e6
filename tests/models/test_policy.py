"""The rules for errors, each through a real drain, and the texts for members and admins."""

import json
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from videos import provider, tasks
from videos.jobs import sweep
from videos.models import ApiToken, Frame, Generation, Health, HoldReason, policy
from videos.models.generation.saving_explanation import CAUSES
from videos.models.state import State

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error
from ..support.installation import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

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
    # It would be sent again at once; tests/jobs/test_unsaved.py tests that.
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


ACTIONS = (
    "try again", "etry it", "can retry", "Retry", "Ask an admin", "ask an admin", "Choose", "choose", "Use a link",
    "Use links",
    "Wait for", "sends the video", "open it at", "Open it at", "dismiss", "Replace its secret", "Send or cancel",
    "Compare both",
)  # fmt: skip
CHARGES = ("charge", "another one would charge")
READERS = {
    "author": {"is_admin": False, "may_change": True},
    "colleague": {"is_admin": False, "may_change": False},
    "admin": {"is_admin": True, "may_change": True},
}


def explanations():
    """Yield every explanation of a video without a result: of each code in each state, and of Lumaweb's own causes."""
    codes = {code for table in TABLES.values() for code in table} | {"no_public_address"} | {"unheard_of", ""}
    for state in ("failed", "unconfirmed", "queued"):
        for code in codes - ({""} if state == "queued" else set()):
            for accepted in (None, timezone.now()):
                for status in (None, 400, 401, 402, 403, 404, 413, 418, 429):
                    row = Generation(state=state, error_code=code, accepted_at=accepted, error_status=status)
                    yield f"{state} {code} {status}", row.explanation
    for reason in HoldReason:
        yield f"held {reason}", Generation(state="queued", held_at=timezone.now(), hold_reason=reason).explanation
    yield "canceled", Generation(state="canceled").explanation
    for state, code in (("processing", "token_refused"), ("processing", "same_task"), ("unconfirmed", "same_task")):
        yield f"{state} {code}", Generation(state=state, error_code=code).explanation
    for archive in ("remote", "lost"):
        for code in CAUSES:
            for ended in (timezone.now(), timezone.now() - timezone.timedelta(days=40)):
                facts = {
                    "archive": archive,
                    "archive_error": code,
                    "archive_message": "A sentence.",
                    "video_url": "https://x",
                }
                yield f"{archive} {code}", Generation(state="completed", finished_at=ended, **facts).explanation


def test_every_explanation_says_what_was_charged_and_what_each_reader_can_do():
    for name, explanation in explanations():
        assert explanation and explanation.title and explanation.text, name
        assert any(word in explanation.text for word in CHARGES), name
        for who, reader in READERS.items():
            words = " ".join(explanation.sentences(**reader))
            words += f" {explanation.for_admins}" if reader["is_admin"] else ""
            assert any(action in words for action in ACTIONS), f"{name} as {who}: {words}"
            assert not (reader["is_admin"] and "sk an admin" in words), f"{name} as {who}: {words}"


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
