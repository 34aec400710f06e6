"""Settings › Sign-in."""

import re

import pytest

from lumaweb.sign_in import AuthProxy, OpenIDConnect
from videos.models import ExternalIdentity

from ...support.factories import a_member, an_admin
from ...support.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    admin = an_admin()
    client.force_login(admin)
    return client


@pytest.fixture
def provider(settings):
    provider = OpenIDProvider()
    settings.SITE_URL, settings.OIDC_CLIENT_SECRET = "https://films.example", CLIENT_SECRET
    settings.OIDC = OpenIDConnect(provider.issuer, CLIENT_ID, ["films.example"], "", "Acme")
    yield provider
    provider.stop()


def words_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[1]).split())


def test_without_a_provider_the_page_says_what_to_set(admin, settings):
    settings.SITE_URL = "https://films.example"
    words = words_of(admin.get("/settings/sign-in/"))
    assert "LUMAWEB_OIDC_ISSUER" in words and "https://films.example/oidc/callback/" in words
    assert admin.post("/settings/sign-in/check/").status_code == 302


def test_the_page_shows_the_redirect_uri_and_no_secret(admin, provider):
    ExternalIdentity.objects.create(member=a_member("ada"), issuer=provider.issuer, subject="ada")
    answer = admin.get("/settings/sign-in/")
    words = words_of(answer)
    assert "https://films.example/oidc/callback/" in words and provider.issuer in words and CLIENT_ID in words
    assert "1 active member linked an account, 1 did not" in words
    assert CLIENT_SECRET not in answer.content.decode()


def test_the_check_reads_the_discovery_document_and_the_keys(admin, provider):
    words = words_of(admin.post("/settings/sign-in/check/"))
    assert f"The discovery document is of {provider.issuer}." in words and "1 signing key for RS256" in words
    provider.metadata = {"issuer": "https://other.example"}
    assert "is of the issuer &#x27;https://other.example&#x27;" in words_of(admin.post("/settings/sign-in/check/"))
    provider.metadata = {"code_challenge_methods_supported": [], "token_endpoint_auth_methods_supported": ["none"]}
    words = words_of(admin.post("/settings/sign-in/check/"))
    assert "does not say that it supports PKCE" in words and "accepts no client secret" in words
    provider.stop()
    assert "Connection refused" in words_of(admin.post("/settings/sign-in/check/"))


def test_the_page_says_whether_the_proxy_is_believed(admin, settings):
    settings.AUTH_PROXY = AuthProxy("Remote-User", [])
    assert "Came from 127.0.0.1, which is not one of them" in words_of(admin.get("/settings/sign-in/"))


def test_only_admins_open_it(client):
    client.force_login(a_member("ada"))
    assert client.get("/settings/sign-in/").status_code == client.post("/settings/sign-in/check/").status_code == 403
