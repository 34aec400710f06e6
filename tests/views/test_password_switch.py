"""LUMAWEB_PASSWORD_SIGN_IN=0: no password opens anything, and one-time links keep a way in."""

import re
from copy import copy
from io import StringIO

import pytest
from django.contrib.auth import authenticate, get_user
from django.core import signing
from django.core.management import CommandError, call_command
from django.test import Client

from lumaweb.sign_in import OpenIDConnect
from videos.mail import new_password, path_to_new_password
from videos.models import AuditEntry, Invitation, Member
from videos.sign_in_links import GOOD_FOR, SALT, Purpose, path_for
from videos.views import sign_in as views

from ..support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough word"


@pytest.fixture(autouse=True)
def passwords_off(settings):
    settings.PASSWORD_SIGN_IN = False
    settings.SITE_URL = "https://films.example"
    settings.OIDC = OpenIDConnect("https://login.example", "lumaweb", [], "", "Acme")


def words_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[1]).split())


def test_the_sign_in_page_has_no_password_and_takes_none(client):
    a_member("ada", password=PASSWORD)
    page = client.get("/login/").content.decode()
    assert "Sign in with Acme" in page and 'type="password"' not in page
    answer = client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 403 and not get_user(client).is_authenticated
    assert authenticate(answer.wsgi_request, username="ada", password=PASSWORD) is None


def test_the_django_admin_takes_no_password_either(client):
    Member.objects.create_superuser("root", password=PASSWORD)
    answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain and not get_user(client).is_authenticated


def test_nobody_gets_a_new_password(client, mailoutbox, settings):
    settings.CAN_MAIL = settings.CAN_MAIL_LINKS = True
    ada = a_member("ada", password=PASSWORD, email="ada@films.example")
    link = path_to_new_password(ada)
    assert client.get("/password/").status_code == client.post("/password/", {"email": "ada"}).status_code == 403
    assert client.get(link).status_code == 403
    new_password("ada")
    assert not mailoutbox
    client.force_login(ada)
    new = {"old_password": PASSWORD, "new_password1": "another long word", "new_password2": "another long word"}
    assert client.post("/profile/password/", new).status_code == 403
    assert "Change password" not in words_of(client.get("/profile/"))
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_an_invitation_creates_no_password(client):
    _, key = Invitation.objects.invite(an_admin())
    assert 'type="password"' not in client.get(f"/invitations/{key}/").content.decode()
    account = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(f"/invitations/{key}/", account).status_code == 403
    assert Member.objects.count() == 1


def test_the_first_admin_is_created_without_a_password(client):
    assert 'type="password"' not in client.get("/setup/").content.decode()
    assert client.post("/setup/", {"username": "root"})["Location"] == "/profile/"
    member = get_user(client)
    assert member.is_superuser and not member.has_usable_password()
    assert "Link Acme now" in words_of(client.get("/profile/"))


def test_members_may_change_their_address_without_a_password(client):
    ada = a_member("ada", password=PASSWORD)
    client.force_login(ada)
    assert client.post("/profile/", {"email": "ada@films.example"}).status_code == 302
    ada.refresh_from_db()
    assert ada.email == "ada@films.example"


# ── The way in ────────────────────────────────────────────────────────────────────────────────────────────────
def a_link(*arguments) -> str:
    said = StringIO()
    call_command("sign_in_link", *arguments, stdout=said)
    address = said.getvalue().strip()
    assert address.startswith("https://films.example/sign-in/")
    return address.removeprefix("https://films.example")


def test_the_command_s_link_signs_an_admin_in_once(client):
    root = an_admin()
    path = a_link()
    # Programs that preview links only read them.
    assert "Sign in as root" in words_of(Client().get(path))
    assert client.post(path)["Location"] == "/"
    assert get_user(client) == root
    assert Client().post(path).status_code == Client().get(path).status_code == 404
    said = [entry.text for entry in AuditEntry.objects.filter(about=root)]
    assert said == ["root signed in by a one-time link.", "Made a one-time sign-in link for root."]


def test_of_two_requests_with_one_link_only_the_first_succeeds(client, monkeypatch):
    root = an_admin()
    path = path_for(root, Purpose.SIGN_IN)
    # Both requests have read the member before either signs in.
    monkeypatch.setattr(views, "opened_by", lambda key: (copy(root), Purpose.SIGN_IN))
    other = Client()
    assert (client.post(path).status_code, other.post(path).status_code) == (302, 404)
    assert get_user(client) == root and not get_user(other).is_authenticated


def test_the_command_names_the_admins(client):
    an_admin("one"), an_admin("two")
    a_member("ada")
    for arguments in ([], ["ada"], ["nobody"]):
        with pytest.raises(CommandError, match="Active admins: one, two"):
            call_command("sign_in_link", *arguments)
    assert client.post(a_link("two")).status_code == 302


@pytest.mark.parametrize("change", ["sign out", "deactivate", "password"])
def test_a_link_ends_with_what_it_was_made_for(client, change):
    root = an_admin()
    an_admin("other")
    path = path_for(root, Purpose.SIGN_IN)
    if change == "sign out":
        root.sign_out_everywhere()
    elif change == "deactivate":
        root.set_active(root, active=False)
    else:
        root.set_password(PASSWORD)
        root.save()
    assert client.post(path).status_code == 404 and not get_user(client).is_authenticated


def test_a_link_expires(client, monkeypatch):
    path = path_for(an_admin(), Purpose.SIGN_IN)
    later = signing.time.time() + GOOD_FOR[Purpose.SIGN_IN].total_seconds() + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert client.post(path).status_code == 404


def test_a_link_cannot_be_made_by_somebody_else(client):
    root = an_admin()
    for key in ("x", "a:b:c", signing.dumps(["in", root.pk, "0" * 32], salt=SALT), signing.dumps([1], salt=SALT)):
        assert client.post(f"/sign-in/{key}/").status_code == 404
    # A link for linking signs nobody in.
    assert client.post(path_for(root, Purpose.LINK)).status_code == 200
    assert not get_user(client).is_authenticated
