"""Rotate the encryption keys, and start with lost or wrong ones."""

import os
import stat
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command

from lumaweb.ops.management.commands import rotate_encryption_keys
from lumaweb.ops.provider_choice import choose_provider
from lumaweb.ops.startup import check_keys
from videos.jobs.token_check import check_token
from videos.models import ApiToken, Heartbeat, Member, Pool

from ..support.audit import trail
from ..support.factories import a_member, a_token
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert trail(token)[-1] == "re-enabled."


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
