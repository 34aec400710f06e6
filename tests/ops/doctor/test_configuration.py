"""The doctor on packages, settings, key files, the disk and static files."""

import os

import pytest

from lumaweb.ops.doctor import installation

from ...support.doctor import said_by
from ...support.secrets import MARKER

pytestmark = pytest.mark.django_db(transaction=True)


def test_packages_are_compared_with_the_pinned_versions(settings, tmp_path):
    said = said_by(installation.versions)
    assert said.startswith("ok: Python 3.") and f"Lumaweb {settings.VERSION}; " in said
    settings.BASE_DIR = tmp_path
    pinned = "django==1.0 \\\n    --hash=sha256:0\nno-such-package==1 \\\n    --hash=sha256:0\n"
    (tmp_path / "requirements.txt").write_text(pinned)
    said = said_by(installation.versions)
    assert "fail: Not installed: no-such-package. Install requirements.txt again" in said
    assert "warn: Versions other than the tested ones: django 5." in said and "(tested with 1.0)" in said


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"DEBUG": True}, "fail", "Debug mode is on"),
        ({"DEBUG": True, "ON_LOOPBACK": True}, "warn", "Debug mode is on"),
        ({"SITE_URL": "https://films.example.com"}, "fail", "Lumaweb does not serve that host"),
        ({"ALLOWED_HOSTS": ["*"]}, "warn", "Lumaweb serves any host name."),
        ({"SECRET_KEY": "x" * 60}, "fail", "The secret key is short or simple"),
        ({"SECRET_KEY": "abc123"}, "fail", "The secret key is short or simple"),
        ({"PUBLIC_URL": "http://films.example.com"}, "warn", "The public address has no TLS"),
        ({"BEHIND_TLS": True}, "warn", "LUMAWEB_TRUSTED_PROXIES is 0"),
        (
            {"ENCRYPTION_KEYS": ["no key"]},
            "fail",
            "videos.E001: LUMAWEB_ENCRYPTION_KEYS holds something that is no key",
        ),
        ({"BEHIND_TLS": True, "SESSION_COOKIE_SECURE": False}, "warn", "security.W010"),
    ],
)
def test_unsafe_settings_are_reported(settings, changed, level, words):
    settings.ON_LOOPBACK = False
    for name, value in changed.items():
        setattr(settings, name, value)
    lines = said_by(installation.configuration).splitlines()
    assert [line for line in lines if line.startswith(level) and words in line], lines
    assert "abc123" not in "".join(lines)


def test_a_local_network_without_tls_is_one_finding(settings):
    settings.ON_LOOPBACK, settings.SITE_URL = False, ""
    [line] = said_by(installation.configuration).splitlines()
    assert line.startswith("warn: The local network has no TLS: others on the network can read passwords and videos.")


def test_default_settings_pass():
    assert said_by(installation.configuration).startswith("ok: Debug mode is off; Lumaweb serves the hosts 127.0.0.1")


def test_a_readable_key_file_is_reported_with_its_remedy(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o750)
    for name in ("secret-key", "encryption-keys"):
        (tmp_path / name).write_text(MARKER)
        (tmp_path / name).chmod(0o600)
    assert said_by(installation.keys).startswith("ok: ")
    (tmp_path / "encryption-keys").chmod(0o640)
    assert f"fail: Other users of this machine can read encryption-keys. chmod 600 {tmp_path}/enc" in said_by(
        installation.keys
    )
    tmp_path.chmod(0o755)
    assert "warn: All users of this machine have access to the data directory." in said_by(installation.keys)
    assert MARKER not in said_by(installation.keys)


def test_a_nearly_full_disk_is_reported():
    assert "fail: Only " in said_by(installation.disk_space, 10**18, 10**19)
    assert "warn: Only " in said_by(installation.disk_space, 0, 10**19)
    assert said_by(installation.disk_space, 0, 0).startswith("ok: ")


def test_missing_or_outdated_static_files_are_reported(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    assert "fail: They were not collected: pages have no styles. Run manage.py collectstatic" in said_by(
        installation.static_files
    )
    (tmp_path / "staticfiles.json").write_text("{}")
    assert said_by(installation.static_files) == "ok: They are collected."
    os.utime(tmp_path / "staticfiles.json", (0, 0))
    assert "warn: They changed after they were collected." in said_by(installation.static_files)
