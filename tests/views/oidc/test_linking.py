"""Links between an account at the OpenID provider and a member, also by invitation."""

import re
import time

import pytest
from django.contrib.auth import get_user
from django.test import Client

from videos import sign_in as sign_in_rules
from videos.models import AuditEntry, ExternalIdentity, Invitation, Member
from videos.sign_in_links import Purpose, path_for
from videos.views import oidc

from ...support.factories import a_member
from ...support.openid_provider import ADA
from ...support.openid_sign_in import approve, begin, linked, sign_in, words_of

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough word"


# ── Invitations and links ────────────────────────────────────────────────────────────────────────────────────────────


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


def test_two_answers_for_one_person_create_one_member(client, provider, root, monkeypatch):
    ada = a_member("ada")
    linked(ada, provider)
    invitation, key = Invitation.objects.invite(root)
    real, answers = sign_in_rules._linked, [None]
    # The first look finds nobody, as if the other request had not been committed yet.
    monkeypatch.setattr(sign_in_rules, "_linked", lambda identity: answers.pop() if answers else real(identity))
    assert sign_in(client, f"/invitations/{key}/oidc/")["Location"] == "/"
    assert get_user(client) == ada and Member.objects.count() == 2
    invitation.refresh_from_db()
    assert invitation.accepted_at is None


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


def test_an_account_that_waits_too_long_for_confirmation_is_not_linked(client, provider, monkeypatch):
    client.force_login(a_member("ada"))
    sign_in(client, "/profile/identities/")
    now = time.time()
    monkeypatch.setattr(oidc.time, "time", lambda: now + oidc.FLOW_SECONDS + 1)
    page = client.post("/profile/identities/link/", follow=True)
    assert "Linking Acme took too long" in words_of(page)
    assert not ExternalIdentity.objects.exists() and oidc.PENDING not in client.session


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
    assert "Link another account first, or ask an admin for a password link." in words_of(page)
    assert ExternalIdentity.objects.exists()
    bob = a_member("bob")
    client.force_login(bob)
    assert client.post(f"/profile/identities/{identity.pk}/removal/").status_code == 404


def test_an_account_of_a_replaced_provider_is_no_way_to_sign_in(client, provider):
    ada = a_member("ada")
    current = linked(ada, provider)
    old = ExternalIdentity.objects.create(member=ada, issuer="https://old.example", subject="ada")
    client.force_login(ada)
    client.post(f"/profile/identities/{current.pk}/removal/")
    assert ada.identities.count() == 2
    client.post(f"/profile/identities/{old.pk}/removal/")
    assert ada.identities.get() == current


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


def test_of_two_answers_with_one_sign_in_link_only_the_first_links(client, provider, root, monkeypatch):
    ada = a_member("ada")
    path = path_for(ada, Purpose.LINK)
    addresses = {browser: begin(browser, f"{path}oidc/") for browser in (client, Client())}
    # Both requests have read the member before either links.
    monkeypatch.setattr(oidc, "opened_by", lambda key: (ada, Purpose.LINK))
    answers = []
    for number, (browser, address) in enumerate(addresses.items()):
        provider.claims["sub"] = f"person-{number}"
        answers.append(browser.get(approve(address)).status_code)
    assert answers == [302, 404] and ada.identities.get().subject == "person-0"


def test_a_refused_account_leaves_the_sign_in_link_valid(client, provider, root):
    linked(root, provider)
    path = path_for(a_member("ada"), Purpose.LINK)
    assert sign_in(client, f"{path}oidc/").status_code == 403
    assert Client().get(path).status_code == 200


def test_another_site_cannot_start_the_linking_of_a_sign_in_link(client, root):
    path = path_for(a_member("ada"), Purpose.LINK)
    for site in ("cross-site", "same-site", "none"):
        answer = client.get(f"{path}oidc/", headers={"Sec-Fetch-Site": site})
        assert answer["Location"] == path and "oidc_flows" not in client.session
    assert client.get(f"{path}oidc/", headers={"Sec-Fetch-Site": "same-origin"})["Location"].startswith("http://127")


def test_a_link_of_the_command_does_not_start_a_linking(client, root):
    assert client.get(path_for(root, Purpose.SIGN_IN) + "oidc/").status_code == 404
