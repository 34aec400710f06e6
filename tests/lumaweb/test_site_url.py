"""LUMAWEB_SITE_URL, the URL that members use, and the settings derived from it."""

import json

import pytest

from ..support.settings_process import KEYS, print_settings

SHOWN = (
    "__import__('json').dumps([settings.SITE_URL, settings.BEHIND_TLS, settings.ON_LOOPBACK, settings.CAN_MAIL_LINKS])"
)
MAIL = {"LUMAWEB_EMAIL_URL": "smtp://mail.example.com", "LUMAWEB_EMAIL_FROM": "films@example.com"}
BEYOND = {"HOST": "0.0.0.0", "LUMAWEB_ALLOWED_HOSTS": "10.0.0.5"}
FILMS, TUNNEL = "https://films.example.com", "http://tunnel.example.net"

CASES = {
    "on loopback": ({}, ["http://127.0.0.1:8000", False, True, True]),
    "on another port": ({"PORT": "8100"}, ["http://127.0.0.1:8100", False, True, True]),
    "beyond loopback without any": (BEYOND, ["", False, False, False]),
    "the public one": ({"LUMAWEB_PUBLIC_URL": FILMS}, [FILMS, True, False, True]),
    "set but empty": ({"LUMAWEB_PUBLIC_URL": FILMS, "LUMAWEB_SITE_URL": ""}, [FILMS, True, False, True]),
    "of its own": (BEYOND | {"LUMAWEB_SITE_URL": FILMS + "/"}, [FILMS, True, False, True]),
    "beside a public one": ({"LUMAWEB_SITE_URL": FILMS, "LUMAWEB_PUBLIC_URL": TUNNEL}, [FILMS, True, False, True]),
    "an inner one": ({"LUMAWEB_SITE_URL": "http://films.lan", "LUMAWEB_PUBLIC_URL": FILMS},
                     ["http://films.lan", False, False, True]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_site_url_follows_from_the_environment(tmp_path, case):
    env, expected = CASES[case]
    done = print_settings(tmp_path, SHOWN, **(KEYS | MAIL | env))
    assert json.loads(done.stdout or "null") == expected, done.stderr


def test_both_urls_are_served_and_may_send_forms(tmp_path):
    shown = "settings.ALLOWED_HOSTS[-2:], settings.CSRF_TRUSTED_ORIGINS, settings.SECURE_REDIRECT_EXEMPT[3:]"
    done = print_settings(tmp_path, shown, LUMAWEB_SITE_URL=FILMS, LUMAWEB_PUBLIC_URL=TUNNEL, **KEYS)
    hosts = ["films.example.com", "tunnel.example.net"]
    paths = ["^callbacks/", "^frames/", "^clips/"]
    assert done.stdout.strip() == f"{hosts} {[FILMS, TUNNEL]} {paths}", done.stderr


@pytest.mark.parametrize("wrong", ["films.example.com", "https://films.example.com/studio", "ftp://films.example.com"])
def test_an_invalid_site_url_stops_the_start(tmp_path, wrong):
    done = print_settings(tmp_path, "1", LUMAWEB_SITE_URL=wrong, **KEYS)
    assert f"LUMAWEB_SITE_URL is {wrong!r}, which " in done.stderr
    assert "; set it to an address such as https://films.example.com" in done.stderr
