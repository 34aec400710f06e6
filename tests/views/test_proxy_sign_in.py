"""LUMAWEB_AUTH_HEADER: a proxy signs members in, and nobody else can."""

from ipaddress import ip_network

import pytest
from django.contrib.auth import get_user

from lumaweb.sign_in import AuthProxy
from videos.models import Invitation, Member
from videos.sign_in_links import Purpose, path_for

from ..support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db
PROXY = "10.1.2.3"


@pytest.fixture(autouse=True)
def auth_proxy(settings):
    settings.AUTH_PROXY = AuthProxy("Remote-User", [ip_network("10.1.0.0/16"), ip_network("fd00::5/128")])
    an_admin()


def visit(client, name="ada", *, peer=PROXY, path="/profile/", **extra):
    header = {"HTTP_REMOTE_USER": name} if name is not None else {}
    return client.get(path, REMOTE_ADDR=peer, **header, **extra)


@pytest.mark.parametrize("peer", [PROXY, "fd00::5", "::ffff:10.1.2.3", "10.1.255.255"])
def test_the_proxy_signs_a_member_in(client, peer):
    ada = a_member("ada")
    assert visit(client, peer=peer).status_code == 200
    assert get_user(client) == ada


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.2.0.1", "fd00::6", "", "unix", "::ffff:10.2.0.1"])
def test_nobody_else_is_believed(client, peer, settings):
    settings.TRUSTED_PROXIES = 1
    a_member("ada")
    answer = visit(client, peer=peer, HTTP_X_FORWARDED_FOR=PROXY, HTTP_X_REAL_IP=PROXY)
    assert answer.status_code == 302 and not get_user(client).is_authenticated


def test_the_session_follows_the_header(client):
    ada, bob = a_member("ada"), a_member("bob")
    visit(client, "ada")
    assert get_user(client) == ada
    visit(client, "bob")
    assert get_user(client) == bob
    assert visit(client, None).status_code == 302
    assert not get_user(client).is_authenticated


def test_a_session_of_the_proxy_is_worth_nothing_without_it(client):
    a_member("ada")
    visit(client)
    assert visit(client, peer="203.0.113.9").status_code == 302


def test_the_proxy_s_member_replaces_somebody_who_signed_in_otherwise(client):
    ada = a_member("ada")
    client.force_login(a_member("bob"))
    visit(client, "ada")
    assert get_user(client) == ada
    client.force_login(Member.objects.get(username="bob"))
    visit(client, "stranger")
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("name", ["", "  ", "eve", "ada, root", "x" * 151, "ad\x00a", "ada\xff"])
def test_other_names_sign_nobody_in(client, name):
    a_member("ada")
    assert visit(client, name).status_code == 302
    assert not get_user(client).is_authenticated


def test_case_does_not_matter_unless_two_names_differ_by_it_only(client):
    ada = a_member("ada")
    visit(client, "Ada")
    assert get_user(client) == ada
    other = a_member("ADA")
    client.logout()
    assert visit(client, "Ada").status_code == 302
    visit(client, "ADA")
    assert get_user(client) == other


def test_a_letter_that_only_a_database_takes_for_another_signs_nobody_in(client):
    a_member("sam")
    assert visit(client, "ſam".encode().decode("latin-1")).status_code == 302
    assert not get_user(client).is_authenticated


def test_a_one_time_link_is_a_way_in_behind_the_proxy_too(client):
    root = Member.objects.get(username="root")
    client.post(path_for(root, Purpose.SIGN_IN), REMOTE_ADDR=PROXY, HTTP_REMOTE_USER="stranger")
    assert visit(client, "stranger").status_code == 200 and get_user(client) == root
    client.post("/logout/", REMOTE_ADDR=PROXY, HTTP_REMOTE_USER="stranger")
    assert visit(client, "stranger").status_code == 302


def test_the_first_admin_s_username_is_the_one_that_the_proxy_names(client):
    Member.objects.all().delete()
    assert 'value="ada"' in visit(client, "ada", path="/setup/").content.decode()
    assert 'name="username" type="text" value=""' in visit(client, None, path="/setup/").content.decode()


def test_names_beyond_ascii_arrive_as_utf_8(client):
    zoe = a_member("zoë")
    visit(client, "zoë".encode().decode("latin-1"))
    assert get_user(client) == zoe


def test_a_deactivated_member_stays_out(client):
    ada = a_member("ada")
    visit(client)
    ada.set_active(Member.objects.get(username="root"), active=False)
    answer = visit(client, path="/login/")
    assert "no active member has this username" in answer.content.decode()
    assert visit(client).status_code == 302


def test_somebody_without_an_account_joins_by_an_invitation_under_that_name(client):
    invitation, key = Invitation.objects.invite(Member.objects.get(username="root"), email="eve@films.example")
    path = f"/invitations/{key}/"
    page = visit(client, "eve", path=path).content.decode()
    assert "Join as eve" in page and 'type="password"' not in page
    answer = client.post(path, {"username": "root"}, REMOTE_ADDR=PROXY, HTTP_REMOTE_USER="eve")
    assert answer["Location"] == "/"
    eve = Member.objects.get(username="eve")
    assert not eve.has_usable_password() and eve.email == "eve@films.example"
    visit(client, "eve")
    assert get_user(client) == eve
    invitation.refresh_from_db()
    assert invitation.accepted_by == eve


def test_a_member_does_not_use_up_an_invitation(client):
    _, key = Invitation.objects.invite(Member.objects.get(username="root"))
    a_member("ada")
    answer = client.post(f"/invitations/{key}/", REMOTE_ADDR=PROXY, HTTP_REMOTE_USER="ADA")
    assert answer.status_code == 422 and Invitation.objects.good().exists()


def test_pages_without_a_sign_in_make_no_session(client):
    a_member("ada")
    assert visit(client, path="/healthz").status_code == 200
    assert not client.cookies


def test_without_the_setting_the_header_means_nothing(client, settings):
    settings.AUTH_PROXY = None
    a_member("ada")
    assert visit(client).status_code == 302


def test_removing_the_setting_ends_the_sessions_of_the_proxy_only(client, settings):
    a_member("ada")
    visit(client)
    settings.AUTH_PROXY = None
    assert visit(client).status_code == 302
    assert not get_user(client).is_authenticated
    client.force_login(Member.objects.get(username="ada"))
    assert visit(client).status_code == 200
