"""Sign-in with an OpenID provider: who may sign in, who joins, and who is an admin."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth import get_user
from django.test import Client

from videos.models import AuditEntry, ExternalIdentity, Member

from ...support.factories import a_member, an_admin
from ...support.openid_provider import ADA
from ...support.openid_sign_in import SITE, approve, begin, linked, sign_in, words_of

pytestmark = pytest.mark.django_db


# ── Who gets in ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_linked_member_signs_in_and_goes_on_to_the_page_they_wanted(client, provider):
    ada = a_member("ada")
    linked(ada, provider)
    answer = sign_in(client, "/oidc/?next=/team/%3Fa%3Db")
    assert (answer.status_code, answer["Location"]) == (302, "/team/?a=b")
    assert get_user(client) == ada
    assert ExternalIdentity.objects.get().last_used_at
    assert client.get("/oidc/")["Location"] == "/"


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1", "/\t/e"]
)
def test_the_next_page_is_one_of_ours(client, provider, path):
    linked(a_member("ada"), provider)
    answer = client.get(approve(begin(client, f"/oidc/?next={quote(path, safe='')}")))
    assert answer["Location"] == "/"


def test_the_request_has_a_challenge_a_state_and_a_nonce(client):
    asked = parse_qs(urlsplit(begin(client)).query)
    assert asked["code_challenge_method"] == ["S256"] and len(asked["code_challenge"][0]) == 43
    assert len(asked["state"][0]) > 30 and len(asked["nonce"][0]) > 30 and asked["state"] != asked["nonce"]
    assert asked["redirect_uri"] == [f"{SITE}/oidc/callback/"]
    assert "client_secret" not in asked


def test_an_equal_email_address_links_nobody(client, provider, configure):
    configure(domains=["films.example"])
    a_member("ada", email=ADA["email"].upper())
    answer = sign_in(client)
    assert answer.status_code == 403 and "Sign in with your password and link Acme in your profile" in words_of(answer)
    assert not ExternalIdentity.objects.exists() and not get_user(client).is_authenticated


def test_an_unverified_address_does_not_reveal_that_a_member_has_it(client, provider, configure):
    a_member("ada", email=ADA["email"])
    provider.claims["email_verified"] = False
    for domains, words in (([], "has no account here yet"), (["films.example"], "has not verified the email address")):
        configure(domains=domains)
        said = words_of(sign_in(client))
        assert words in said and "A member has" not in said


def test_a_long_address_is_not_cut_to_one_of_an_allowed_domain(client, provider, configure):
    configure(domains=["films.example"])
    provider.claims["email"] = f"{'a' * 240}@films.example.evil.example"
    assert sign_in(client).status_code == 403
    assert not Member.objects.filter(email__contains="films.example").exists()


def test_an_address_of_the_userinfo_is_not_verified_by_the_id_token(client, provider, configure):
    configure(domains=["films.example"])
    provider.claims["email_verified"], provider.userinfo_only = False, ("email",)
    provider.tamper = lambda said: said | {"email_verified": True}
    answer = sign_in(client)
    assert answer.status_code == 403 and "has not verified" in words_of(answer)


def test_a_new_person_of_an_allowed_domain_joins_once(client, provider, configure):
    configure(domains=["films.example", "other.example"])
    a_member("ADA")
    assert sign_in(client)["Location"] == "/"
    member = get_user(client)
    assert (member.username, member.first_name, member.email) == ("ada2", "Ada", ADA["email"])
    assert not member.is_superuser and not member.has_usable_password()
    assert AuditEntry.objects.filter(about=member, text__startswith="Joined with Acme").exists()
    assert sign_in(again := Client())["Location"] == "/"
    assert get_user(again) == member


@pytest.mark.parametrize(
    ("claims", "domains", "words"),
    [
        ({}, [], "has no account here yet. Ask an admin for an invitation."),
        ({"email_verified": False}, ["films.example"], "has not verified the email address"),
        ({"email_verified": None}, ["films.example"], "has not verified the email address"),
        ({"email_verified": 1.5}, ["films.example"], "has not verified the email address"),
        (
            {"email": "ada@films.example.evil.example"},
            ["films.example"],
            "its domain cannot join without an invitation",
        ),
        ({"email": "ada@sub.films.example"}, ["films.example"], "its domain cannot join without an invitation"),
        ({"email": "films.example"}, ["films.example"], "has not verified"),
        ({"email": None}, ["films.example"], "names no email address"),
    ],
)
def test_strangers_are_told_what_to_ask_for(client, provider, configure, claims, domains, words):
    configure(domains=domains)
    provider.claims |= claims
    answer = sign_in(client)
    assert answer.status_code == 403 and words in words_of(answer)
    assert Member.objects.count() == 1 and not get_user(client).is_authenticated


def test_a_deactivated_member_stays_out(client, provider, root):
    ada = a_member("ada")
    linked(ada, provider)
    ada.set_active(root, active=False)
    answer = sign_in(client)
    assert answer.status_code == 403 and "deactivated" in words_of(answer)
    assert not get_user(client).is_authenticated


def test_a_sign_out_everywhere_ends_these_sessions_too(client, provider):
    ada = a_member("ada")
    linked(ada, provider)
    sign_in(client)
    ada.sign_out_everywhere()
    assert client.get("/profile/").status_code == 302


def test_the_same_subject_of_another_issuer_is_somebody_else(client, provider):
    ExternalIdentity.objects.create(member=a_member("ada"), issuer="https://other.example", subject=ADA["sub"])
    assert sign_in(client).status_code == 403


# ── Roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_group_grants_and_takes_the_admin_role_at_each_sign_in(client, provider, configure):
    configure(admin_group="admins")
    ada = a_member("ada")
    linked(ada, provider)
    provider.claims["groups"] = ["staff", "/admins"]
    sign_in(client)
    assert get_user(client).is_superuser and get_user(client).is_staff
    assert AuditEntry.objects.filter(about=ada, by=None, text__contains="in the group admins of Acme").exists()
    provider.claims["groups"] = ["admins2"]
    sign_in(client := Client())
    assert not get_user(client).is_superuser and not get_user(client).is_staff


def test_the_last_admin_keeps_the_role(client, provider, configure, root):
    configure(admin_group="admins")
    linked(root, provider)
    assert sign_in(client)["Location"] == "/"
    assert get_user(client).is_superuser


def test_without_a_group_the_role_is_lumaweb_s(client, provider, root):
    an_admin("second")
    linked(root, provider)
    sign_in(client)
    assert get_user(client).is_superuser


def test_claims_may_come_from_the_userinfo_endpoint(client, provider, configure):
    configure(domains=["films.example"], admin_group="admins")
    provider.claims["groups"] = "admins"
    provider.userinfo_only = ("email", "email_verified", "groups")
    assert sign_in(client)["Location"] == "/"
    assert (get_user(client).email, get_user(client).is_superuser) == (ADA["email"], True)


def test_userinfo_of_another_subject_is_refused(client, provider, configure):
    configure(domains=["films.example"])
    provider.userinfo_only = ("email",)
    provider.tamper = lambda claims: claims | {"sub": "somebody-else"}
    assert sign_in(client).status_code == 400
