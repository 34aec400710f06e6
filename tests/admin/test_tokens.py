"""API tokens in the admin: add, check, pause, replace the secret, rotate the keys; and the audit trail."""

import os
import re
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lumaweb.ops.management.commands import rotate_encryption_keys
from lumaweb.ops.provider_choice import choose_provider
from lumaweb.ops.startup import check_keys
from videos.jobs.token_check import check_token
from videos.models import ApiToken, AuditEntry, Generation, Heartbeat, Member, Pool
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_token, an_error
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "a-new-secret-with-1234"


def trail(token) -> list[str]:
    """Return the audit entries of a token without its name, with which each begins."""
    texts = token.changes.order_by("pk").values_list("text", flat=True)
    return [text.removeprefix(f"API token “{token.name}”: ") for text in texts]


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
    # However the first came to be paused, and whoever brought the second.
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
    # An admin who releases it means the provider there is now.
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
    # Only what happened is told of each.
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
        "enabled again.",
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
        ["enabled again."],
        ["its pause was ended."],
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
    assert trail(token) == ["a new secret, which ends with 1234."]


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


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────

ONE, TWO = (Fernet.generate_key().decode() for _ in range(2))


def opens_alone(key: str, settings) -> bool:
    before, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, [key]
    try:
        return all(token.is_readable for token in ApiToken.objects.all())
    finally:
        settings.ENCRYPTION_KEYS = before


def test_rotation_encrypts_every_secret_with_the_newest_key(settings, capsys):
    settings.ENCRYPTION_KEYS = [ONE]
    a_token("first"), a_token("second")
    settings.ENCRYPTION_KEYS = [TWO, ONE]
    assert not opens_alone(TWO, settings)
    call_command("rotate_encryption_keys")
    assert opens_alone(TWO, settings) and not opens_alone(ONE, settings)
    assert sorted(token.secret for token in ApiToken.objects.all()) == ["first", "second"]
    assert "2 API tokens encrypted with the newest key" in capsys.readouterr().out


def test_one_secret_that_cannot_be_decrypted_stops_the_rotation(settings):
    settings.ENCRYPTION_KEYS = [ONE]
    a_token("first")
    settings.ENCRYPTION_KEYS = [TWO]
    lost = a_token("second")
    ApiToken.objects.filter(pk=lost.pk).update(name="lost", encrypted=b"nothing that opens")
    settings.ENCRYPTION_KEYS = [TWO, ONE]
    before = list(ApiToken.objects.order_by("pk").values_list("encrypted", flat=True))
    with pytest.raises(CommandError, match=r"Nothing was changed\. The encryption keys do not open the token “lost”"):
        call_command("rotate_encryption_keys")
    assert list(ApiToken.objects.order_by("pk").values_list("encrypted", flat=True)) == before


@pytest.fixture
def keys(settings, tmp_path, monkeypatch):
    """Keep the encryption keys in the data directory, and return their file."""
    settings.DATA_DIR, settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEYS_GIVEN = tmp_path, [ONE], False
    file = tmp_path / "encryption-keys"
    file.write_text(ONE)
    return file


def test_rotation_creates_a_new_key_and_removes_the_old_one(keys, settings):
    a_token("first")
    call_command("rotate_encryption_keys", new_key=True)
    new = keys.read_text()
    assert new != ONE and "," not in new
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert opens_alone(new, settings) and not opens_alone(ONE, settings)
    assert {path.name for path in keys.parent.iterdir()} == {"encryption-keys", "lock"}


@pytest.mark.parametrize("step", [1, 2])
def test_an_interrupted_rotation_leaves_keys_that_decrypt_every_secret(keys, settings, monkeypatch, step):
    """The process dies before the first or before the last of the two writes."""
    a_token("first")
    writes = []

    def replace(source, target):
        writes.append(target)
        if len(writes) == step:
            raise KeyboardInterrupt
        os.replace(source, target)

    monkeypatch.setattr(rotate_encryption_keys.Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_encryption_keys", new_key=True)
    settings.ENCRYPTION_KEYS = keys.read_text().split(",")
    assert all(token.is_readable for token in ApiToken.objects.all())
    monkeypatch.undo()
    call_command("rotate_encryption_keys", new_key=True)
    assert "," not in keys.read_text() and opens_alone(keys.read_text(), settings)
    assert {path.name for path in keys.parent.iterdir()} == {"encryption-keys", "lock"}


def test_a_secret_that_cannot_be_decrypted_leaves_the_key_file_unchanged(keys, settings):
    token = a_token("first")
    ApiToken.objects.filter(pk=token.pk).update(encrypted=b"nothing that opens")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("rotate_encryption_keys", new_key=True)
    assert keys.read_text() == ONE


def test_rotation_is_refused_while_lumaweb_runs(keys):
    Heartbeat.stamp("lumaweb")
    with pytest.raises(CommandError, match="Stop it first"):
        call_command("rotate_encryption_keys", new_key=True)
    assert keys.read_text() == ONE


def test_keys_from_the_environment_are_not_rotated(keys, settings):
    settings.ENCRYPTION_KEYS_GIVEN = True
    with pytest.raises(CommandError, match="put a new key in front"):
        call_command("rotate_encryption_keys", new_key=True)


def test_a_start_with_the_wrong_keys_stops_with_a_message(settings):
    settings.ENCRYPTION_KEYS = [ONE]
    a_token("first")
    settings.ENCRYPTION_KEYS = [TWO]
    with pytest.raises(CommandError, match=r"decrypt none of the stored API tokens: “test”\. Add the key"):
        check_keys()


def test_a_start_continues_if_some_secrets_can_be_decrypted_and_names_the_others(settings):
    settings.ENCRYPTION_KEYS = [ONE]
    a_token("first")
    ApiToken.objects.update(name="of old")
    settings.ENCRYPTION_KEYS = [TWO]
    assert a_token("second").is_readable
    assert "do not decrypt these API tokens: “of old”" in check_keys()[0]


def test_a_start_with_the_right_keys_prints_nothing(settings):
    assert check_keys() == []
    a_token()
    assert check_keys() == []
    assert Member.objects.count() == 0


def closed_token(settings, **fields) -> ApiToken:
    """Return a token that was stored with a lost key."""
    settings.ENCRYPTION_KEYS = [ONE]
    token = a_token("a-secret-of-ours-1234", **fields)
    settings.ENCRYPTION_KEYS = [TWO]
    return ApiToken.objects.get(pk=token.pk)


def test_the_database_check_names_tokens_that_cannot_be_decrypted(settings):
    closed_token(settings)
    a_token()
    (found,) = run_checks(tags=[Tags.database], databases=["default"])
    assert found.id == "videos.W001" and "“test”" in found.msg and "a new secret" in found.hint
    assert run_checks(tags=[Tags.database]) == [], "without a database nothing is asked of it"
    settings.ENCRYPTION_KEYS = ["no key"]
    assert run_checks(tags=[Tags.database], databases=["default"]) == [], "another check says that"


def test_the_studio_warns_admins_of_a_token_that_cannot_be_decrypted(client, admin, settings):
    closed_token(settings)
    assert "New videos wait until one is fixed." in Pool.current().trouble
    a_token()
    told = "The API token “test” is not opened by the encryption keys. The others do its work."
    assert Pool.current().trouble == told
    assert told in client.get("/").content.decode()
    assert "Not opened by the encryption keys" in client.get("/admin/videos/apitoken/").content.decode()
    client.force_login(a_member())
    assert "encryption keys" not in client.get("/").content.decode()


def test_a_token_disabled_for_a_missing_key_is_used_again_once_the_key_is_back(settings):
    token = closed_token(settings)
    refused = a_token("refused", health="invalid", last_error="No. (invalid_token: no)")
    check_token(token)
    token.refresh_from_db()
    assert token.health == "invalid" and "the provider was not asked" in token.last_error
    check_keys()
    settings.ENCRYPTION_KEYS = [TWO, ONE]
    check_keys()
    token.refresh_from_db(), refused.refresh_from_db()
    assert (token.health, refused.health) == ("ok", "invalid")
    assert trail(token)[-1] == "enabled again."


def test_a_start_with_the_token_in_its_environment_restores_a_lost_secret(settings):
    settings.LUMA_BASE_URL, settings.FIRST_TOKEN = "http://127.0.0.1:9", "a-secret-of-ours-1234"
    token = closed_token(settings, health="invalid")
    ApiToken.objects.update(name="First token")
    with pytest.raises(CommandError):
        check_keys()
    choose_provider()
    assert check_keys() == []
    assert (ApiToken.objects.get().pk, ApiToken.objects.get().health) == (token.pk, "ok")
    choose_provider()
    assert ApiToken.objects.get().changes.count() == 1


def test_a_start_does_not_restore_a_secret_that_an_admin_replaced(settings, admin):
    settings.FIRST_TOKEN, settings.LUMA_BASE_URL = "the-first-token-of-all", "http://127.0.0.1:9"
    choose_provider()
    token = ApiToken.objects.get(name="First token")
    token.rotate("the-second-token-of-all", admin)
    other = a_token("another-account-s", base_url="http://127.0.0.1:8")
    choose_provider()
    assert ApiToken.objects.filter(base_url="http://127.0.0.1:9").get().opens_with("the-second-token-of-all")
    other.refresh_from_db()
    assert other.enabled


def test_changes_by_a_start_are_audited(settings):
    settings.FIRST_TOKEN, settings.LUMA_BASE_URL_GIVEN = "", False
    choose_provider()
    token = ApiToken.objects.get()
    settings.FIRST_TOKEN, settings.LUMA_BASE_URL = "the-first-token-of-all", "http://127.0.0.1:9"
    choose_provider()
    choose_provider()
    assert trail(token) == [
        f"added for {settings.SANDBOX_URL}.",
        "paused, as there is another provider now.",
    ]
    assert trail(ApiToken.objects.get(name="First token")) == ["added for http://127.0.0.1:9."]


def at(site: Installation) -> dict:
    return {"cwd": ROOT, "env": site.env, "capture_output": True, "text": True, "timeout": 60}


@pytest.mark.embedded
def test_an_installation_with_lost_keys_does_not_start_and_says_why(tmp_path):
    site = Installation(tmp_path)
    site.migrate()
    file = tmp_path / "encryption-keys"
    site.python(
        "from videos.models import ApiToken\n"
        "token = ApiToken(name='Agency', base_url='http://127.0.0.1:9')\ntoken.secret = 'agency-4711'\ntoken.save()"
    )
    kept = file.read_text()
    file.write_text(TWO)
    words = [sys.executable, "manage.py"]
    found = subprocess.run([*words, "check", "--database", "default"], **at(site))
    assert "videos.W001" in found.stderr and "“Agency”" in found.stderr
    done = subprocess.run([*words, "serve"], **at(site))
    assert done.returncode == 1 and "decrypt none of the stored API tokens: “Agency”. Add the key" in done.stderr
    assert "Traceback" not in done.stderr
    file.write_text(kept)
    assert "W001" not in site.manage("check", "--database", "default")
