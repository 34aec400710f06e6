"""Sign-in with an OpenID provider by other authors, Django OAuth Toolkit, as a separate process."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user
from django.test import Client

from videos.models import ExternalIdentity, Invitation, Member

from ...support.factories import a_member
from ...support.openid_sign_in import SITE, begin, words_of
from ...support.toolkit_provider.process import CLIENT, ToolkitProvider

pytestmark = pytest.mark.django_db
PEOPLE = {
    "ada": {"email": "ada@films.example", "email_verified": True, "preferred_username": "ada", "groups": ["admins"]},
    "bob": {"email": "bob@films.example", "email_verified": True, "preferred_username": "bob", "groups": []},
    "eve": {"email": "eve@films.example", "email_verified": False, "preferred_username": "eve"},
    "zoe": {"email": "zoe@other.example", "email_verified": True, "preferred_username": "zoe"},
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = ToolkitProvider(tmp_path_factory.mktemp("toolkit"), f"{SITE}/oidc/callback/", PEOPLE)
    yield provider
    provider.stop()


@pytest.fixture(autouse=True)
def configured(configure):
    configure(domains=["films.example"], admin_group="admins", **CLIENT)


def sign_in(client, provider, username, path="/oidc/", **answer):
    back = urlsplit(provider.authorize(begin(client, path), username, **answer))
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{SITE}/oidc/callback/"
    return client.get(f"{back.path}?{back.query}")


def test_people_of_an_allowed_domain_join_once_and_the_group_makes_admins(provider):
    for username, is_admin in (("ada", True), ("bob", False)):
        client = Client()
        assert sign_in(client, provider, username)["Location"] == "/"
        member = get_user(client)
        assert (member.username, member.email) == (username, PEOPLE[username]["email"])
        assert member.is_superuser == is_admin
        sign_in(again := Client(), provider, username)
        assert get_user(again) == member


def test_a_member_links_an_account_and_signs_in_with_it(client, provider):
    member = a_member("robert")
    client.force_login(member)
    assert sign_in(client, provider, "bob", "/profile/identities/")["Location"] == "/profile/identities/link/"
    assert client.post("/profile/identities/link/").status_code == 302
    assert ExternalIdentity.objects.get().issuer == provider.issuer
    sign_in(other := Client(), provider, "bob")
    assert get_user(other) == member


def test_an_invitation_lets_a_person_of_another_domain_join(client, provider, root):
    _, key = Invitation.objects.invite(root)
    assert sign_in(client, provider, "zoe", f"/invitations/{key}/oidc/")["Location"] == "/"
    assert get_user(client).username == "zoe"


@pytest.mark.parametrize(
    ("username", "allow", "words"),
    [
        ("zoe", True, "its domain cannot join without an invitation"),
        ("eve", True, "has not verified the email address eve@films.example"),
        ("ada", False, "Sign-in canceled"),
    ],
)
def test_others_are_refused_with_a_reason(client, provider, username, allow, words):
    answer = sign_in(client, provider, username, allow=allow)
    assert answer.status_code == 403 and words in words_of(answer)
    assert not get_user(client).is_authenticated and Member.objects.count() == 1


def test_the_provider_accepts_no_wrong_secret_and_no_code_of_another_flow(client, provider, configure):
    one, other = (parse_qs(urlsplit(provider.authorize(begin(client), "ada")).query) for _ in range(2))
    answer = client.get("/oidc/callback/", {"code": one["code"][0], "state": other["state"][0]})
    assert answer.status_code == 400
    configure(client_id=CLIENT["client_id"], client_secret="another-secret")
    assert sign_in(client, provider, "ada").status_code == 502
    assert not get_user(client).is_authenticated
