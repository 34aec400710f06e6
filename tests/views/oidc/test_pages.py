"""Pages of the sign-in with an OpenID provider."""

import pytest

from videos.models import Member

from ...support.openid_sign_in import words_of

pytestmark = pytest.mark.django_db


def test_the_flow_begins_at_the_address_that_the_provider_knows(client, settings):
    settings.SITE_URL = "http://films.example"
    answer = client.get("/oidc/?next=/team/")
    assert answer["Location"] == "http://films.example/oidc/?next=%2Fteam%2F&here=1"
    # A proxy that does not pass the host on must not send browsers around forever.
    assert client.get("/oidc/?next=/team/&here=1")["Location"].startswith("http://127.0.0.1")


def test_without_a_provider_there_is_no_such_page(client, settings):
    settings.OIDC = None
    assert client.get("/oidc/").status_code == client.get("/oidc/callback/").status_code == 404
    assert "Sign in with" not in words_of(client.get("/login/"))


def test_the_sign_in_page_names_the_provider_and_keeps_the_next_page(client):
    page = client.get("/login/?next=/team/").content.decode()
    assert "Sign in with Acme" in page and 'href="/oidc/?next=%2Fteam%2F"' in page


def test_before_the_first_member_the_set_up_comes_first(client):
    Member.objects.all().delete()
    assert client.get("/oidc/")["Location"] == "/setup/"
