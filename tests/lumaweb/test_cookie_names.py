"""Cookie names of installations that share a host: browsers do not separate cookies by port."""

import httpx
import pytest
from django.conf import settings

from ..support.factories import a_member
from ..support.installation import Installation
from ..support.settings_process import security_settings

NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "MESSAGES_COOKIE_NAME")
ONE, OTHER = "one-signing-key-of-the-tests-0123456789", "two-signing-keys-of-the-tests-0123456789"


def names_of(folder, **env: str) -> list[str]:
    found = security_settings(folder, **env)
    return [found[name] for name in NAMES]


def test_cookie_names_follow_from_the_signing_key_alone(tmp_path):
    one = names_of(tmp_path / "a", LUMAWEB_SECRET_KEY=ONE)
    assert one == names_of(tmp_path / "b", LUMAWEB_SECRET_KEY=ONE, PORT="8100")
    other = names_of(tmp_path / "a", LUMAWEB_SECRET_KEY=OTHER)
    assert not set(one) & set(other)
    assert len(set(one)) == len(NAMES)
    assert ONE not in "".join(one)


@pytest.mark.django_db
def test_messages_use_the_installation_s_own_cookie(client):
    client.force_login(a_member())
    client.cookies["messages"] = "of-a-neighbour"
    answer = client.post("/profile/sign-outs/")
    assert answer.cookies[settings.MESSAGES_COOKIE_NAME].value
    assert "messages" not in answer.cookies
    answer = client.get("/profile/")
    assert "Signed out everywhere else." in answer.content.decode()
    assert "messages" not in answer.cookies


def test_two_installations_on_one_host_leave_each_other_s_members_signed_in(tmp_path):
    sites = [Installation(tmp_path / key[:3], LUMAWEB_SECRET_KEY=key) for key in (ONE, OTHER)]
    try:
        for site in sites:
            site.start(only=("web",))
            site.add_member("ben")
        first, second = (site.visitor("ben").http for site in sites)
        browser = httpx.Client(trust_env=False)
        for client in (first, second):
            for cookie in client.cookies.jar:
                browser.cookies.jar.set_cookie(cookie)
        assert [browser.get(f"{site.url}/profile/").status_code for site in sites] == [200, 200]
    finally:
        for site in sites:
            site.stop()
