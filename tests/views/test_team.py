"""Invitations, passwords and the management of members."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from videos.forms import AcceptInvitationForm
from videos.models import AuditEntry, Balance, Invitation, Member, Pricing
from videos.models.amounts import month_of

from ..support.factories import a_member, an_admin
from ..support.invitations import PASSWORD, invited, link_in

pytestmark = pytest.mark.django_db(transaction=True)
COMING = {"username": "cleo", "first_name": "Cleo", "last_name": "", "password1": PASSWORD, "password2": PASSWORD}


# ── Invitations ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_is_shown_once_and_admits_one_person(client, admin):
    answer = client.post("/team/invitations/", {"email": "cleo@example.com"})
    link = link_in(answer)
    assert "no-store" in answer["Cache-Control"]
    assert link not in client.get("/team/").content.decode()
    client.logout()
    assert "Create your account" in client.get(link).content.decode()
    assert client.post(link, COMING).url == "/"
    cleo = Member.objects.get(username="cleo")
    assert (cleo.email, cleo.is_superuser, cleo.is_staff) == ("cleo@example.com", False, False)
    assert client.get("/").context["user"] == cleo
    client.logout()
    assert client.get(link).status_code == 404
    assert client.post(link, COMING | {"username": "second"}).status_code == 404
    assert not Member.objects.filter(username="second").exists()


def test_an_invited_admin_becomes_an_admin(client):
    _, link = invited(an_admin(), as_admin=True)
    client.post(link, COMING)
    cleo = Member.objects.get(username="cleo")
    assert cleo.is_superuser and cleo.is_staff


def test_the_invitation_key_is_not_stored(client, admin):
    invitation, link = invited(admin)
    key = link.split("/")[2]
    stored = [str(value) for value in Invitation.objects.filter(pk=invitation.pk).values_list()[0]]
    assert key not in "".join(stored)
    assert key not in "".join(AuditEntry.objects.values_list("text", flat=True))


GONE = {
    "unknown": lambda invitation: Invitation.objects.all().delete(),
    "expired": lambda invitation: Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
    "revoked": lambda invitation: invitation.revoke(invitation.invited_by),
    "used": lambda invitation: Invitation.objects.update(accepted_at=timezone.now()),
    "of somebody who is out": lambda invitation: Member.objects.update(is_active=False),
    "of somebody who is no admin any more": lambda invitation: Member.objects.update(is_superuser=False),
}


@pytest.mark.parametrize("why", GONE)
def test_an_invalid_invitation_reveals_nothing(client, why):
    invitation, link = invited(an_admin(), email="cleo@example.com")
    GONE[why](invitation)
    for answer in (client.get(link), client.post(link, COMING)):
        assert answer.status_code == 404
        assert "no longer valid" in answer.content.decode()
        assert "cleo@example.com" not in answer.content.decode()
        assert answer["Referrer-Policy"] == "no-referrer"
    assert not Member.objects.filter(username="cleo").exists()


def test_two_people_with_one_invitation_create_one_member(client):
    invitation, _ = invited(an_admin())
    together, outcomes = threading.Barrier(8), []

    def come_in(number: int) -> None:
        copy = Invitation.objects.get(pk=invitation.pk)
        together.wait()
        outcomes.append(copy.accept(Member(username=f"guest-{number}")))
        connection.close()

    threads = [threading.Thread(target=come_in, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    assert Member.objects.filter(username__startswith="guest").count() == 1


WRONG = {
    "a name somebody has": {"username": "ROOT"},
    "a name with spaces": {"username": "two words"},
    "no name": {"username": ""},
    "a short password": {"password1": "short", "password2": "short"},
    "two passwords": {"password2": "another long word"},
    "a NUL": {"username": "a\x00b"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_registration_keeps_the_invitation(client, wrong):
    invitation, link = invited(an_admin())
    answer = client.post(link, COMING | WRONG[wrong])
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert 'value="Cleo"' in answer.content.decode()
    assert Invitation.objects.good().filter(pk=invitation.pk).exists()


def test_a_name_taken_meanwhile_keeps_the_invitation(client):
    invitation, _ = invited(an_admin())
    form = AcceptInvitationForm(COMING, invitation=invitation)
    assert form.is_valid()
    a_member("cleo")
    assert form.save() is None
    assert "Choose another one" in str(form.errors["username"])
    assert Invitation.objects.good().filter(pk=invitation.pk).exists()


def test_an_invitation_is_mailed_if_mail_is_configured(client, admin, mails):
    answer = client.post("/team/invitations/", {"email": "cleo@example.com"})
    assert mails[0].to == ["cleo@example.com"]
    assert link_in(answer) in mails[0].body
    assert Invitation.objects.get().mailed_at


def test_an_unreachable_mail_server_loses_only_the_mail(client, admin, settings):
    settings.CAN_MAIL = settings.CAN_MAIL_LINKS = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    answer = client.post("/team/invitations/", {"email": "cleo@example.com"})
    assert link_in(answer)
    assert "Share this link" in answer.content.decode()
    assert Invitation.objects.get().mailed_at is None


# ── Roles ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_admin_promotes_and_demotes_a_member(client, admin):
    ada = a_member()
    client.post(f"/team/{ada.pk}/role/", {"role": "admin"})
    ada.refresh_from_db()
    assert ada.is_superuser and ada.is_staff
    client.post(f"/team/{ada.pk}/role/", {"role": "member"})
    ada.refresh_from_db()
    assert not ada.is_superuser and not ada.is_staff
    assert [change.text for change in AuditEntry.objects.filter(about=ada)] == [
        "ada is no longer an admin.",
        "ada is now an admin.",
    ]


@pytest.mark.parametrize(("path", "sent"), [("role", {"role": "member"}), ("activity", {"active": "0"})])
def test_the_last_admin_cannot_be_demoted(client, admin, path, sent):
    an_admin("out").set_active(admin, active=False)
    answer = client.post(f"/team/{admin.pk}/{path}/", sent, follow=True)
    assert "This is the only admin" in answer.content.decode()
    admin.refresh_from_db()
    assert admin.is_superuser and admin.is_active


def test_two_admins_who_demote_each_other_leave_one():
    one, two = an_admin("one"), an_admin("two")
    together, outcomes = threading.Barrier(2), []

    def act(by: Member, other: Member) -> None:
        together.wait()
        outcomes.append(other.set_role(by, admin=False))
        connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, True]
    assert Member.objects.filter(is_superuser=True).count() == 1


MANAGED = ("role", "activity", "limit", "email", "password")


@pytest.mark.parametrize("what", MANAGED)
def test_members_cannot_manage_the_team(client, what):
    admin, ada = an_admin(), a_member()
    client.force_login(ada)
    for pk in (admin.pk, ada.pk):
        answer = client.post(f"/team/{pk}/{what}/", {"role": "admin", "active": "0", "kind": "none"})
        assert answer.status_code == 403
    assert client.post("/team/invitations/", {}).status_code == 403
    assert client.get("/team/changes/").status_code == 403
    assert client.get(f"/team/{ada.pk}/").status_code == 403
    ada.refresh_from_db()
    assert (ada.is_superuser, ada.own_limit) == (False, False)
    assert not AuditEntry.objects.exists() and not Invitation.objects.exists()


def test_members_are_managed_in_one_place(client, admin):
    assert client.get("/admin/videos/member/").status_code == 404
    assert "/admin/videos/member" not in client.get("/admin/").content.decode()


# ── Limits, the list, the profile ─────────────────────────────────────────────────────────────────────────────

LIMITS = [("own", "20", (True, 20_000)), ("none", "7", (True, None)), ("default", "20", (False, None))]


@pytest.mark.parametrize(("kind", "typed", "stored"), LIMITS)
def test_an_admin_gives_a_member_a_limit(client, admin, kind, typed, stored):
    ada = a_member(own_limit=True, monthly_limit=1)
    assert client.post(f"/team/{ada.pk}/limit/", {"kind": kind, "limit": typed}).status_code == 302
    ada.refresh_from_db()
    assert (ada.own_limit, ada.monthly_limit) == stored


@pytest.mark.parametrize("sent", [{"kind": "own"}, {"kind": "own", "limit": "-1"}, {"kind": "mine"}, {}])
def test_an_invalid_limit_is_refused_with_a_message(client, admin, sent):
    ada = a_member()
    assert client.post(f"/team/{ada.pk}/limit/", sent).status_code == 422
    ada.refresh_from_db()
    assert not ada.own_limit and not AuditEntry.objects.exists()


def test_the_team_page_lists_members_and_their_use(client):
    ada, ben = a_member("ada"), a_member("ben", is_active=False)
    Pricing.objects.create(pk=1, member_limit=20_000)
    Balance.objects.create(month=month_of(), member=ada, reserved=1000, spent=2500)
    client.force_login(ada)
    text = " ".join(re.sub("<[^>]+>", " ", client.get("/team/").content.decode()).split())
    assert "3.5 of 20 credits" in text
    assert "Deactivated" in text and ben.username in text
    assert "Manage" not in text and "Invite" not in text


def test_the_team_page_makes_a_constant_number_of_queries(client, admin, django_assert_max_num_queries):
    client.get("/team/")
    # The side list of the settings counts problems: two queries for an admin.
    with django_assert_max_num_queries(11) as alone:
        client.get("/team/")
    for number in range(30):
        a_member(f"member-{number}")
    with django_assert_max_num_queries(11) as with_many:
        client.get("/team/")
    assert len(with_many) == len(alone)


def test_the_last_visit_is_stored_once_a_minute(client):
    ada = a_member()
    client.force_login(ada)
    client.get("/team/")
    ada.refresh_from_db()
    first = ada.last_seen_at
    assert timezone.now() - first < timedelta(seconds=10)
    client.get("/team/")
    ada.refresh_from_db()
    assert ada.last_seen_at == first
    Member.objects.update(last_seen_at=first - timedelta(minutes=2))
    client.get("/live/?since=99999999999")
    ada.refresh_from_db()
    assert ada.last_seen_at == first - timedelta(minutes=2), "an open tab is nobody"
    client.get("/team/")
    ada.refresh_from_db()
    assert ada.last_seen_at > first - timedelta(minutes=1)


def test_members_edit_only_their_own_profile(client):
    ada = a_member()
    client.force_login(ada)
    sent = {"first_name": " Ada  M. ", "last_name": "L", "avatar_hue": "3", "theme": "light"}
    answer = client.post("/profile/", sent | {"is_superuser": "1", "is_staff": "1", "monthly_limit": "9"})
    assert answer.status_code == 302 and answer.cookies["theme"].value == "light"
    ada.refresh_from_db()
    assert (ada.first_name, ada.hue, ada.theme, ada.notify) == ("Ada M.", 3, "light", False)
    assert (ada.is_superuser, ada.is_staff, ada.monthly_limit) == (False, False, None)
    assert 'data-theme="light"' in client.get("/").content.decode()


@pytest.mark.parametrize("wrong", [{"email": "no address"}, {"avatar_hue": "99"}, {"theme": "pink"}])
def test_an_invalid_profile_changes_nothing(client, wrong):
    ada = a_member()
    client.force_login(ada)
    assert client.post("/profile/", {"first_name": "Ada"} | wrong).status_code == 422
    ada.refresh_from_db()
    assert ada.first_name == ""


def test_the_account_menu_keeps_one_choice_at_a_time(client):
    ada = a_member(theme="dark", notify=True)
    client.force_login(ada)
    assert client.post("/profile/choices/", {"theme": "light"}).status_code == 204
    ada.refresh_from_db()
    assert (ada.theme, ada.notify) == ("light", True)
    client.post("/profile/choices/", {"notify": ""})
    ada.refresh_from_db()
    assert (ada.theme, ada.notify) == ("light", False)
    assert client.post("/profile/choices/", {"theme": "pink"}).status_code == 422


def test_the_audit_trail_lists_every_change_paginated(client, admin):
    for number in range(60):
        AuditEntry.objects.record(admin, f"Change {number}.")
    text = client.get("/team/changes/").content.decode()
    assert "Change 59." in text and "Change 9." not in text
    older = re.search(r'href="\?before=(\d+)"', text).group(1)
    text = client.get(f"/team/changes/?before={older}").content.decode()
    assert "Change 9." in text and "Change 10." not in text
    assert client.get("/team/changes/?before=%00x").status_code == 200


def test_the_team_page_needs_a_sign_in(client):
    an_admin()
    assert client.get("/team/").url.startswith("/login/")
