"""Sign-in with an OpenID provider that runs beside the tests: real HTTP, real signatures."""

import hmac
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.contrib.auth import get_user
from django.core import signing
from django.test import Client
from joserfc import jwt
from joserfc.jwk import RSAKey

from lumaweb.sign_in import OpenIDConnect
from videos.models import AuditEntry, ExternalIdentity, Invitation, Member
from videos.sign_in import _provider as client_of
from videos.sign_in_links import Purpose, path_for
from videos.views import oidc

from ..support.factories import a_member, an_admin
from ..support.openid_provider import ADA, CLIENT_ID, CLIENT_SECRET, OpenIDProvider

pytestmark = pytest.mark.django_db
SITE = "http://testserver"
PASSWORD = "a long enough word"


@pytest.fixture
def provider():
    provider = OpenIDProvider()
    yield provider
    provider.stop()


@pytest.fixture
def configure(provider, settings):
    def configure(**parts):
        settings.SITE_URL, settings.OIDC_CLIENT_SECRET = SITE, parts.pop("client_secret", CLIENT_SECRET)
        about = {"issuer": provider.issuer, "client_id": CLIENT_ID, "domains": [], "admin_group": "", "name": "Acme"}
        settings.OIDC = OpenIDConnect(**(about | parts))

    configure()
    client_of.cache_clear()  # a port may be used again
    return configure


@pytest.fixture(autouse=True)
def root(configure):
    return an_admin()


def begin(client, path="/oidc/") -> str:
    """Return the address at the provider to which a page leads."""
    answer = client.get(path)
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"]


def approve(address) -> str:
    """Sign in at the provider; return the path and query of the callback."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{SITE}/oidc/callback/"
    return f"{back.path}?{back.query}"


def sign_in(client, path="/oidc/"):
    return client.get(approve(begin(client, path)))


def linked(member, provider, subject=ADA["sub"]) -> ExternalIdentity:
    return ExternalIdentity.objects.create(member=member, issuer=provider.issuer, subject=subject)


def words_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[1]).split())


# ── Who gets in ───────────────────────────────────────────────────────────────────────────────────────────────
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
    answer = client.get(approve(begin(client, f"/oidc/?next={httpx.QueryParams({'n': path})['n']}")))
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


# ── Roles ─────────────────────────────────────────────────────────────────────────────────────────────────────
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


# ── Invitations and links ─────────────────────────────────────────────────────────────────────────────────────
def test_an_invitation_can_be_accepted_with_the_provider(client, provider, root):
    invitation, key = Invitation.objects.invite(root, email="x@y.example", as_admin=True)
    assert f'href="/invitations/{key}/oidc/"' in client.get(f"/invitations/{key}/").content.decode()
    assert sign_in(client, f"/invitations/{key}/oidc/")["Location"] == "/"
    member = get_user(client)
    assert (member.username, member.is_superuser, member.email) == ("ada", True, ADA["email"])
    invitation.refresh_from_db()
    assert invitation.accepted_by == member
    assert Client().get(f"/invitations/{key}/oidc/").status_code == 404


def test_an_invitation_revoked_on_the_way_creates_nobody(client, provider, root):
    invitation, key = Invitation.objects.invite(root)
    address = begin(client, f"/invitations/{key}/oidc/")
    invitation.revoke(root)
    assert client.get(approve(address)).status_code == 404
    assert Member.objects.count() == 1


def test_a_member_links_with_their_password_and_then_signs_in(client, provider):
    ada = a_member("ada", password=PASSWORD)
    client.force_login(ada)
    assert sign_in(client, "/profile/identities/")["Location"] == "/profile/identities/link/"
    page = client.get("/profile/identities/link/").content.decode()
    assert ADA["email"] in page and 'name="current_password"' in page
    assert client.post("/profile/identities/link/", {"current_password": "wrong"}).status_code == 422
    assert not ExternalIdentity.objects.exists()
    assert client.post("/profile/identities/link/", {"current_password": PASSWORD})["Location"] == "/profile/"
    assert AuditEntry.objects.filter(about=ada, text=f"ada can sign in with Acme, as {ADA['email']}.").exists()
    sign_in(other := Client())
    assert get_user(other) == ada
    identity = ExternalIdentity.objects.get()
    client.post(f"/profile/identities/{identity.pk}/removal/")
    assert not ExternalIdentity.objects.exists()


def test_an_account_that_another_member_has_linked_is_not_linked_again(client, provider):
    linked(a_member("ada"), provider)
    client.force_login(a_member("bob"))
    sign_in(client, "/profile/identities/")
    page = client.post("/profile/identities/link/", follow=True)
    assert "belongs to another member" in page.content.decode()
    assert ExternalIdentity.objects.get().member.username == "ada"


def test_nobody_links_an_account_in_the_session_of_somebody_else(client, provider):
    client.force_login(a_member("ada"))
    address = begin(client, "/profile/identities/")
    flows = client.session[oidc.FLOWS]
    client.force_login(a_member("bob"))
    session = client.session
    session[oidc.FLOWS] = flows
    session.save()
    assert client.get(approve(address)).status_code == 403
    assert oidc.PENDING not in client.session


def test_the_only_way_to_sign_in_cannot_be_unlinked(client, provider):
    ada = a_member("ada")
    identity = linked(ada, provider)
    client.force_login(ada)
    page = client.post(f"/profile/identities/{identity.pk}/removal/", follow=True)
    assert "only way to sign in" in page.content.decode() and ExternalIdentity.objects.exists()
    bob = a_member("bob")
    client.force_login(bob)
    assert client.post(f"/profile/identities/{identity.pk}/removal/").status_code == 404


def test_a_sign_in_link_of_an_admin_links_the_account_once(client, provider, settings, root):
    settings.PASSWORD_SIGN_IN = False
    ada = a_member("ada")
    client.force_login(root)
    page = client.post(f"/team/{ada.pk}/password/").content.decode()
    path = re.search(r'id="secret-link"[^>]*>http://testserver([^<]+)<', page).group(1)
    visitor = Client()
    assert "ada" in words_of(visitor.get(path))
    assert sign_in(visitor, f"{path}oidc/")["Location"] == "/"
    assert get_user(visitor) == ada and ada.identities.get().subject == ADA["sub"]
    assert Client().get(path).status_code == Client().get(f"{path}oidc/").status_code == 404


# ── What cannot be trusted ────────────────────────────────────────────────────────────────────────────────────
def hs256(provider):
    """Sign with the public key as a shared secret, which confuses verifiers that let the token choose."""

    def id_token(nonce):
        header = signing.b64_encode(json.dumps({"alg": "HS256", "kid": provider.key.kid}).encode())
        payload = signing.b64_encode(json.dumps(claims_of(provider, nonce)).encode())
        mac = hmac.digest(provider.key.as_pem(private=False), header + b"." + payload, "sha256")
        return b".".join([header, payload, signing.b64_encode(mac)]).decode()

    provider.id_token = id_token


def unsigned(provider):
    provider.metadata["id_token_signing_alg_values_supported"] = ["none", "RS256"]

    def id_token(nonce):
        signed = jwt.encode({"alg": "RS256"}, claims_of(provider, nonce), provider.key)
        header = signing.b64_encode(b'{"alg":"none"}').decode()
        return f"{header}.{signed.split('.')[1]}."

    provider.id_token = id_token


def another_key(provider):
    key = RSAKey.generate_key(2048, {"kid": provider.key.kid})
    provider.id_token = lambda nonce: jwt.encode(
        {"alg": "RS256", "kid": provider.key.kid}, claims_of(provider, nonce), key
    )


def claims_of(provider, nonce):
    now = int(time.time())
    return {"iss": provider.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **provider.claims}


def claims(**changes):
    def tamper(provider):
        provider.tamper = lambda said: {name: value for name, value in (said | changes).items() if value is not None}

    return tamper


TAMPERED = {
    "wrong nonce": claims(nonce="of-another-browser"),
    "no nonce": claims(nonce=None),
    "wrong audience": claims(aud="another-client"),
    "two audiences and no authorized party": claims(aud=[CLIENT_ID, "other"]),
    "another authorized party": claims(azp="other"),
    "wrong issuer": claims(iss="https://evil.example"),
    "expired": claims(iat=1_700_000_000, exp=1_700_000_300),
    "no expiry": claims(exp=None),
    "from the future": claims(iat=4_000_000_000),
    "no subject": claims(sub=None),
    "empty subject": claims(sub=""),
    "wrong hash of the access token": claims(at_hash="x"),
    "algorithm none": unsigned,
    "shared secret": hs256,
    "another key": another_key,
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_bad_id_token_signs_nobody_in(client, provider, how, caplog):
    linked(a_member("ada"), provider)
    TAMPERED[how](provider)
    answer = sign_in(client)
    assert answer.status_code == 400, how
    assert "Lumaweb cannot trust what Acme answered" in words_of(answer)
    assert not get_user(client).is_authenticated
    assert "The ID token" in caplog.text and CLIENT_SECRET not in caplog.text


def test_a_state_works_once_and_only_in_its_browser(client, provider):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    stranger = Client()
    assert stranger.get(path).status_code == 400 and not get_user(stranger).is_authenticated
    assert client.get(path).status_code == 302
    client.post("/logout/")
    replayed = client.get(path)
    assert replayed.status_code == 400 and "It was used already" in words_of(replayed)
    assert not get_user(client).is_authenticated


def test_a_sign_in_that_took_too_long_begins_again(client, provider, monkeypatch):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    now = time.time()
    monkeypatch.setattr(oidc.time, "time", lambda: now + oidc.FLOW_SECONDS + 1)
    assert client.get(path).status_code == 400


def test_a_code_of_another_request_is_refused(client, provider):
    linked(a_member("ada"), provider)
    theirs = parse_qs(urlsplit(approve(begin(Client()))).query)
    ours = parse_qs(urlsplit(approve(begin(client))).query)
    answer = client.get("/oidc/callback/", {"code": theirs["code"][0], "state": ours["state"][0]})
    assert answer.status_code == 400 and not get_user(client).is_authenticated


def test_an_answer_of_another_issuer_is_refused(client, provider):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    assert client.get(re.sub("iss=[^&]+", "iss=https://evil.example", path)).status_code == 400


def test_new_keys_are_fetched_when_the_provider_rotates_them(client, provider, monkeypatch):
    linked(a_member("ada"), provider)
    assert sign_in(client).status_code == 302
    provider.rotate_key()
    monkeypatch.setattr("videos.oidc.client.KEYS_AGAIN_SECONDS", 0.0)
    assert sign_in(Client()).status_code == 302
    keys = provider.requests.count("/realms/team/keys")
    sign_in(Client())
    assert provider.requests.count("/realms/team/keys") == keys == 2


# ── A provider that is away, or does not fit ──────────────────────────────────────────────────────────────────
def test_a_provider_that_is_away_gives_a_sentence(client, provider):
    path = approve(begin(client))
    provider.stop()
    assert "Acme does not answer" in words_of(answer := client.get(path)) and answer.status_code == 503


def test_a_provider_that_was_never_there_gives_a_sentence(client, provider, configure, caplog):
    provider.stop()
    answer = client.get("/oidc/")
    assert answer.status_code == 503 and "Try again in a minute" in words_of(answer)
    assert "Connection refused" in caplog.text
    assert client.get("/login/").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (".well-known/openid-configuration", 200, b"<html>"),
        (".well-known/openid-configuration", 200, b"[]"),
        (".well-known/openid-configuration", 404, b"{}"),
        (".well-known/openid-configuration", 200, b'{"issuer": "https://evil.example"}'),
        (".well-known/openid-configuration", 200, b"x" * 600_000),
        (".well-known/openid-configuration", 302, b""),
    ],
)
def test_a_discovery_document_that_cannot_be_used_gives_a_sentence(client, provider, path, status, body):
    provider.answers[path] = (status, body)
    answer = client.get("/oidc/")
    assert answer.status_code == 502 and "Ask an admin to check the sign-in settings" in words_of(answer)


@pytest.mark.parametrize(
    "metadata",
    [
        {"authorization_endpoint": "http://login.example/"},
        {"token_endpoint": "ftp://login.example/"},
        {"jwks_uri": None},
        {"response_types_supported": ["id_token"]},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
)
def test_a_provider_that_is_not_safe_to_use_is_refused(client, provider, metadata):
    provider.metadata = metadata
    assert client.get("/oidc/").status_code == 502


@pytest.mark.parametrize(
    ("name", "answer", "status"),
    [
        ("token", (200, b"{}"), 502),
        ("token", (500, b"{}"), 503),
        ("token", (200, b"nothing"), 502),
        ("token", (400, b'{"error": "invalid_grant"}'), 400),
        ("keys", (200, b'{"keys": []}'), 502),
        ("keys", (200, b'{"keys": [1, {"kty": "??"}, {"kty": "RSA"}]}'), 502),
        ("keys", (503, b"{}"), 502),
    ],
)
def test_a_provider_that_fails_on_the_way_gives_a_sentence(client, provider, name, answer, status):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    provider.answers[name] = answer
    assert client.get(path).status_code == status
    assert not get_user(client).is_authenticated


def test_a_wrong_client_secret_names_the_variable_in_the_log_only(client, provider, configure, caplog):
    configure(client_secret="another-secret")
    answer = sign_in(client)
    assert answer.status_code == 502 and "LUMAWEB" not in words_of(answer)
    assert "LUMAWEB_OIDC_CLIENT_SECRET" in caplog.text and "another-secret" not in caplog.text


def test_a_member_who_cancels_is_told_so(client):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    answer = client.get("/oidc/callback/", {"error": "access_denied", "state": state})
    assert answer.status_code == 403 and "canceled" in words_of(answer)


def test_many_failures_from_one_address_wait(client, provider):
    for _ in range(30):
        assert client.get("/oidc/callback/?state=x&code=y").status_code == 400
    assert client.get("/oidc/callback/?state=x&code=y").status_code == 429


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


def test_a_link_of_the_command_does_not_start_a_linking(client, root):
    assert client.get(path_for(root, Purpose.SIGN_IN) + "oidc/").status_code == 404
