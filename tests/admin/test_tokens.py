"""API tokens in the admin: add, check, pause, replace the secret, rotate the keys; and the audit log."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lumaweb.ops.provider_choice import choose_provider
from videos.models import ApiToken, AuditEntry, Generation
from videos.provider import Sent

from ..support.audit import trail
from ..support.factories import a_generation, a_member, a_token, an_error

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "a-new-secret-with-1234"


def added(**fields) -> dict:
    form = {"name": "Agency", "secret": "sandbox-secret-9876", "base_url": "http://127.0.0.1:9", "priority": "3"}
    return form | {"max_in_flight": "5", "daily_limit": "2.5", "enabled": "on"} | fields


# ── Adding and changing ───────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_added_and_its_secret_is_never_shown(client, admin):
    assert client.post("/admin/videos/apitoken/add/", added()).status_code == 302
    token = ApiToken.objects.get()
    assert (token.secret, token.daily_limit, token.max_in_flight) == ("sandbox-secret-9876", 2500, 5)
    for path in ("/admin/videos/apitoken/", f"/admin/videos/apitoken/{token.pk}/change/"):
        text = client.get(path).content.decode()
        assert "sandbox-secret" not in text and "…9876" in text
    assert trail(token) == ["added for http://127.0.0.1:9."]
    assert token.changes.get().by == admin


WRONG = {
    "no secret": {"secret": ""},
    "a secret with spaces": {"secret": "two words"},
    "a secret of other letters": {"secret": "schlüssel"},
    "no provider": {"base_url": "somewhere"},
    "a limit below none": {"daily_limit": "-1"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_token_is_not_added(client, admin, wrong):
    answer = client.post("/admin/videos/apitoken/add/", added(**WRONG[wrong]))
    assert answer.status_code == 200 and "errorlist" in answer.content.decode()
    assert not ApiToken.objects.exists() and not AuditEntry.objects.exists()


def test_a_change_is_audited_and_changes_nothing_else(client, admin):
    token = a_token(max_in_flight=5)
    stored = bytes(token.encrypted)
    ApiToken.objects.update(in_flight=3)
    path = f"/admin/videos/apitoken/{token.pk}/change/"
    sent = added(name="test", priority="1", daily_limit="7", max_in_flight="5", secret="ignored-here")
    assert client.post(path, sent).status_code == 302
    token.refresh_from_db()
    assert (token.priority, token.daily_limit, token.in_flight, bytes(token.encrypted)) == (1, 7000, 3, stored)
    assert trail(token) == ["priority is now 1, it was 10.", "daily limit is now 7, it was none."]
    assert "daily limit is now 7" in client.get(path).content.decode()
    client.post(path, sent | {"enabled": "", "max_in_flight": "6"})
    assert trail(token)[2:] == ["at the same time is now 6, it was 5.", "paused."]
    client.post(path, sent | {"name": "Agency", "daily_limit": "", "max_in_flight": "6"})
    token.name = "Agency"
    assert trail(token)[4:] == ["name is now Agency, it was test.", "daily limit is now none, it was 7.", "resumed."]
    assert {change.by for change in token.changes.all()} == {admin}


def test_a_token_with_a_long_audit_trail_can_be_changed(client, admin, settings):
    token = a_token()
    AuditEntry.objects.bulk_create(
        AuditEntry(by=admin, text=f"looked at {number}.", token=token)
        for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    )
    path = f"/admin/videos/apitoken/{token.pk}/change/"
    text = client.get(path).content.decode()
    assert "looked at 499" in text and "looked at 450." in text and "looked at 449." not in text
    sent = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', text)) | added(priority="4")
    assert client.post(path, sent).status_code == 302
    token.refresh_from_db()
    assert token.priority == 4


def test_pausing_and_resuming_are_audited_once(client, admin):
    token = a_token()
    for action in ("pause", "pause", "resume"):
        client.post("/admin/videos/apitoken/", {"action": action, "_selected_action": [token.pk]})
    assert trail(token) == ["paused.", "resumed."]
    assert {change.by for change in token.changes.all()} == {admin}


def test_another_provider_s_token_pauses_the_first_and_says_so(client, admin):
    first = a_token(base_url="http://127.0.0.1:8")
    client.post("/admin/videos/apitoken/add/", added())
    first.refresh_from_db()
    assert not first.enabled
    assert trail(first) == ["paused, since new videos go to http://127.0.0.1:9."]


@pytest.mark.parametrize("way", ["added", "resumed", "at the start"])
def test_a_request_for_one_provider_is_never_sent_to_another(client, admin, settings, way):
    # It matters neither what paused the first nor who added the second.
    first = a_token(base_url="http://127.0.0.1:8")
    if way == "resumed":
        second = a_token(enabled=False)
    asked = a_generation(admin)
    first.set_enabled(False, admin)
    later = a_generation(admin)
    if way == "added":
        client.post("/admin/videos/apitoken/add/", added())
    elif way == "resumed":
        client.post("/admin/videos/apitoken/", {"action": "resume", "_selected_action": [second.pk]})
    else:
        settings.FIRST_TOKEN, settings.LUMA_BASE_URL = "the-first-token-of-all", "http://127.0.0.1:9"
        choose_provider()
    assert ApiToken.objects.get(enabled=True).base_url == "http://127.0.0.1:9"
    for row in (asked, later):
        assert row.claim() is None
        row.refresh_from_db()
        assert (row.state, row.explanation.title, row.attempts) == ("queued", "Held", 0)
        assert row.events.filter(kind="held").count() == 1
    assert a_generation(admin).claim().token.base_url == "http://127.0.0.1:9"
    # An admin who releases it chooses the current provider.
    assert asked.release(admin)
    assert asked.claim().token.base_url == "http://127.0.0.1:9"


@pytest.mark.servers
def test_a_claim_and_a_change_of_provider_do_not_deadlock(client, admin, monkeypatch):
    """The claim has its row and asks for the token, while the admin pauses the token and holds the row."""
    first = a_token(base_url="http://127.0.0.1:8")
    asked, waits = a_generation(admin, takes=2).submission.generations.order_by("take")
    has_its_row, may_go_on = threading.Event(), threading.Event()
    take_slot = ApiToken.take_slot

    def take_slot_later(*given):
        has_its_row.set()
        assert may_go_on.wait(20)
        return take_slot(*given)

    monkeypatch.setattr(ApiToken, "take_slot", take_slot_later)

    def closing(call, *given):
        try:
            return call(*given)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        claiming = pool.submit(closing, asked.claim)
        assert has_its_row.wait(20)
        saving = pool.submit(closing, client.post, "/admin/videos/apitoken/add/", added())
        end = time.monotonic() + 20
        while not a_lock_is_waited_for():
            assert time.monotonic() < end and not saving.done()
            time.sleep(0.02)
        may_go_on.set()
        assert claiming.result(20).token == first
        assert saving.result(20).status_code == 302
    waits.refresh_from_db()
    assert waits.held_at and not asked.held_at
    # Each entry records only its own change.
    assert asked.events.filter(kind="held").count() == 0
    assert waits.events.filter(kind="held").count() == 1


def a_lock_is_waited_for() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_requests_for_the_remaining_provider_are_not_held(client, admin):
    """Tables of an earlier version may have two active providers; saving one of them pauses the other."""
    a_token(base_url="http://127.0.0.1:8")
    of_the_other = a_generation(admin)
    token = a_token(priority=1)
    of_this = a_generation(admin)
    path = f"/admin/videos/apitoken/{token.pk}/change/"
    text = client.get(path).content.decode()
    sent = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', text)) | {"enabled": "on"}
    answer = client.post(path, sent, follow=True)
    assert "1 queued video is held" in answer.content.decode()
    assert set(Generation.objects.held()) == {of_the_other}
    assert of_this.claim()


def test_requests_are_not_held_while_their_provider_is_only_paused(admin):
    token = a_token()
    waits = a_generation(admin)
    token.set_enabled(False, admin)
    assert waits.claim() is None
    token.set_enabled(True, admin)
    token.back_off("busy", seconds=60)
    assert ApiToken.objects.get() and waits.claim() is None
    waits.refresh_from_db()
    assert not waits.held_at and waits.explanation is None


def test_a_refusal_of_the_old_secret_does_not_affect_the_new_one(admin):
    token = a_token()
    claim = a_generation(admin).claim()
    ApiToken.objects.get().rotate("a-new-secret-of-the-same", admin)
    claim.generation.refuse(an_error("invalid_token", Sent.REFUSED, status=401), claim.owned)
    token.refresh_from_db()
    assert token.health == "ok"
    assert claim.generation.state == "queued"


def test_changes_by_the_system_are_audited_once():
    token = a_token()
    for _ in range(3):
        token.disable("invalid", "The provider refuses it.")
    token.disable("used_up", "The balance is used up.")
    token.reenable()
    token.reenable()
    assert trail(token) == [
        "disabled. The provider refuses it.",
        "disabled. The balance is used up.",
        "re-enabled.",
    ]
    assert {change.by for change in token.changes.all()} == {None}


def test_the_audit_trail_outlives_its_token(client, admin):
    token = a_token()
    token.set_enabled(False, admin)
    client.post(f"/admin/videos/apitoken/{token.pk}/delete/", {"post": "yes"})
    assert not ApiToken.objects.exists()
    assert set(AuditEntry.objects.values_list("text", flat=True)) == {
        "API token “test”: paused.",
        "API token “test”: deleted, it was for http://127.0.0.1:9.",
    }


def test_marking_a_token_as_healthy_is_audited_only_if_it_changes_something(client, admin):
    well, out, rests = a_token("well"), a_token("out", health="used_up"), a_token("rests")
    rests.back_off("Too many requests.", seconds=600)
    chosen = {"action": "healthy_again", "_selected_action": [well.pk, out.pk, rests.pk]}
    client.post("/admin/videos/apitoken/", chosen)
    client.post("/admin/videos/apitoken/", chosen)
    assert [trail(token) for token in (well, out, rests)] == [
        [],
        ["re-enabled."],
        ["pause ended."],
    ]
    assert {change.by for change in AuditEntry.objects.all()} == {admin}
    assert set(ApiToken.objects.values_list("health", "limited_until", "last_error")) == {("ok", None, "")}


def test_a_token_check_is_audited_without_the_secret_that_the_provider_echoes(client, admin, stub):
    stub.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "No: a-secret-of-ours-1234"}})
    token = a_token("a-secret-of-ours-1234", base_url=stub.url)
    page = client.post(f"/admin/videos/apitoken/{token.pk}/test/", follow=True).content.decode()
    assert "a-secret-of-ours" not in page + "".join(trail(token))
    assert [words.partition(".")[0] for words in trail(token)] == ["disabled", "tested"]
    assert [change.by for change in token.changes.order_by("pk")] == [None, admin]


def test_a_token_with_videos_cannot_be_deleted(client, admin):
    token = a_token()
    a_generation().claim()
    client.post(f"/admin/videos/apitoken/{token.pk}/delete/", {"post": "yes"})
    assert ApiToken.objects.exists()


def test_the_list_shows_each_token_s_use_of_this_month(client, admin, django_assert_max_num_queries):
    a_token("unused", priority=99)
    token = a_token(daily_limit=9000)
    for _ in range(3):
        a_generation(admin).claim()
    Generation.objects.filter(pk=Generation.objects.first().pk).update(state="failed")
    text = client.get("/admin/videos/apitoken/").content.decode()
    assert "3 videos, 2 credits" in text and "3 of 9" in text
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/videos/apitoken/")
    for number in range(20):
        a_token(f"sandbox-{number}")
    with django_assert_max_num_queries(len(few)):
        client.get("/admin/videos/apitoken/")
    assert token.used_today() == 0 and ApiToken.objects.get(pk=token.pk).used_today() == 3000


def test_staff_without_admin_rights_see_no_tokens_of_generations(client, admin):
    token = a_token()
    ApiToken.objects.filter(pk=token.pk).update(name="Secret contract", last_four="1234")
    video = a_generation(admin)
    Generation.objects.filter(pk=video.pk).update(token=token)
    pages = ("/admin/videos/generation/", f"/admin/videos/generation/{video.pk}/change/")
    assert all("Secret contract" in client.get(page).content.decode() for page in pages)
    clerk = a_member(is_staff=True)
    clerk.user_permissions.set(Permission.objects.all())
    client.force_login(clerk)
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200
        assert "Secret contract" not in answer.content.decode() and "1234" not in answer.content.decode()
    assert client.get(f"{pages[0]}?token__name__startswith=S").status_code in (302, 400)
    assert client.get("/admin/videos/apitoken/").status_code == 403


@pytest.mark.parametrize("staff", [False, True])
def test_only_admins_see_tokens(client, staff):
    token = a_token()
    member = a_member(is_staff=staff)
    client.force_login(member)
    own = f"/admin/videos/apitoken/{token.pk}"
    for path in ("/admin/videos/apitoken/", "/admin/videos/apitoken/add/", f"{own}/change/", f"{own}/rotate/"):
        for answer in (client.get(path), client.post(path, added())):
            assert answer.status_code in (302, 403)
            assert answer.status_code == 403 or "/login/" in answer.url
    assert client.post(f"{own}/test/").status_code in (302, 403)
    if staff:
        assert "apitoken" not in client.get("/admin/").content.decode()
    assert ApiToken.objects.count() == 1 and not AuditEntry.objects.exists()


# ── A new secret ──────────────────────────────────────────────────────────────────────────────────────────────


def rotate(client, token, **sent):
    return client.post(f"/admin/videos/apitoken/{token.pk}/rotate/", {"secret": NEW} | sent, follow=True)


def test_a_new_secret_replaces_the_old_one(client, admin, stub):
    stub.answer = lambda path, body: (404, {"error": {"code": "not_found", "message": "no such task"}})
    token = a_token("the-old-secret-0000", base_url=stub.url, health="invalid")
    video = a_generation(admin)
    Generation.objects.filter(pk=video.pk).update(token=token)
    assert "has a new secret" in rotate(client, token).content.decode()
    token.refresh_from_db()
    assert (token.secret, token.last_four, token.health) == (NEW, "1234", "ok")
    assert Generation.objects.get().token == token
    assert trail(token) == ["secret replaced; the new one ends with 1234."]


def test_a_secret_that_the_provider_refuses_is_not_stored(client, admin, stub):
    stub.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "no"}})
    token = a_token("the-old-secret-0000", base_url=stub.url)
    answer = rotate(client, token, anyway="on")
    assert answer.status_code == 422
    assert "Nothing was replaced." in answer.content.decode() and NEW not in answer.content.decode()
    token.refresh_from_db()
    assert (token.secret, token.health) == ("the-old-secret-0000", "ok")
    assert not trail(token)


def test_a_secret_that_cannot_be_checked_is_stored_only_if_the_admin_insists(client, admin):
    token = a_token("the-old-secret-0000")
    assert rotate(client, token).status_code == 422
    token.refresh_from_db()
    assert token.secret == "the-old-secret-0000"
    assert rotate(client, token, anyway="on").status_code == 200
    token.refresh_from_db()
    assert token.secret == NEW
