"""Settings from environment variables, and values that stop the start."""

import pytest

from lumaweb.environment.addresses import origin
from lumaweb.environment.variable import Invalid

from ..support.settings_process import KEYS, print_settings

pytestmark = pytest.mark.django_db


# ── Requests that answered 500 ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value", ["https://x.example/path", "https://x.example/?q=1", "https://x.example/#f", "https://@x"]
)
def test_an_origin_has_no_path(value):
    with pytest.raises(Invalid):
        origin(value)
    assert origin("https://x.example:8443/") == "https://x.example:8443"


# ── Settings ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hosts", "on_loopback"),
    [("localhost,[::1]", True), ("localhost,films.example.com", False), ("*", False), ("", True)],
)
def test_another_host_name_is_not_loopback(tmp_path, hosts, on_loopback):
    done = print_settings(tmp_path, "settings.ON_LOOPBACK", LUMAWEB_ALLOWED_HOSTS=hosts, **KEYS)
    assert done.stdout.strip() == str(on_loopback), done.stderr


def test_generated_keys_are_named_once_they_must_be_configured(tmp_path):
    public = {"LUMAWEB_PUBLIC_URL": "https://films.example.com"}
    assert "set it to the output of" in print_settings(tmp_path, "1", **public).stderr
    assert print_settings(tmp_path, "1").returncode == 0
    words = print_settings(tmp_path, "1", **public).stderr
    assert "has one already in" in words and str(tmp_path / "secret-key") in words
    assert "set it to the output of" not in words


def test_a_public_url_sets_no_hsts_for_subdomains(tmp_path):
    shown = "settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_HSTS_PRELOAD, settings.SECURE_HSTS_SECONDS > 0"
    done = print_settings(tmp_path, shown, LUMAWEB_PUBLIC_URL="https://films.example.com", **KEYS)
    assert done.stdout.strip() == "False False True", done.stderr


def test_an_unsupported_database_url_is_refused_with_a_message(tmp_path):
    done = print_settings(tmp_path, "1", DATABASE_URL="nonsense://x/y", **KEYS)
    assert "ImproperlyConfigured: DATABASE_URL begins with nonsense://; set it to postgres://" in done.stderr
    # A SQLite URL would bypass the settings that make SQLite safe.
    done = print_settings(tmp_path, "1", DATABASE_URL=f"sqlite:///{tmp_path}/x.sqlite3", **KEYS)
    assert "ImproperlyConfigured: DATABASE_URL is for PostgreSQL" in done.stderr


def test_database_timeouts_are_shorter_than_the_watchdog_s(tmp_path):
    url = "postgres://luma@db.example.com/films?sslmode=require&connect_timeout=3"
    shown = (
        "[settings.DATABASES['default']['OPTIONS'].get(n) for n in ('sslmode', 'connect_timeout', 'tcp_user_timeout')]"
    )
    done = print_settings(tmp_path, shown, DATABASE_URL=url, **KEYS)
    assert done.stdout.strip() == "['require', 3, 25000]", done.stderr


def test_an_empty_list_of_media_hosts_keeps_the_defaults(tmp_path):
    unset, empty = (
        print_settings(tmp_path, "settings.MEDIA_HOSTS", **env) for env in ({}, {"LUMAWEB_MEDIA_HOSTS": ""})
    )
    assert unset.stdout == empty.stdout != "[]\n"


def test_the_settings_create_no_folder_and_a_process_creates_the_data_directory(tmp_path):
    folder = tmp_path / "parent" / "data"
    done = print_settings(folder, "settings.DATA_DIR", **KEYS)
    assert (done.stdout.strip(), folder.parent.exists()) == (str(folder), False), done.stderr
    started = "__import__('django').setup()"
    assert print_settings(folder, started, DJANGO_SETTINGS_MODULE="lumaweb.settings", **KEYS).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["uploads"]
    assert {path.stat().st_mode & 0o777 for path in (folder, folder / "uploads")} == {0o750}


def test_a_data_directory_that_cannot_be_created_is_refused_with_a_message(tmp_path):
    (tmp_path / "file").touch()
    done = print_settings(tmp_path / "file" / "data", "1")
    assert f"ImproperlyConfigured: The folder {tmp_path / 'file' / 'data'} cannot be created" in done.stderr
