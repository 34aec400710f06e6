"""Invitations, passwords and the management of members."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.signing import SignedPackage

from videos.forms import AcceptInvitationForm
from videos.jobs import queue
from videos.mail import path_to_new_password
from videos.models import AuditEntry, Balance, Generation, Invitation, Member, Pricing
from videos.models.amounts import month_of
from videos.tasks import mail_new_password
from videos.views.throttling import MAX_FAILURES_PER_ADDRESS

from ..support.factories import a_generation, a_member, an_admin

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough word"
COMING = {"username": "cleo", "first_name": "Cleo", "last_name": "", "password1": PASSWORD, "password2": PASSWORD}


def work_off() -> None:
    """Run the queued jobs, like a worker, with any broker."""
    for cluster in (queue.SUBMIT_CLUSTER, queue.MEDIA_CLUSTER):
        broker = get_broker(cluster)
        while batch := broker.dequeue():
            for number, payload in batch:
                task = SignedPackage.loads(payload)
                import_string(task["func"])(*task["args"])
                broker.acknowledge(number)


def link_in(answer) -> str:
    return re.search(r'id="secret-link"[^>]*>http://[^/<]+([^<]+)<', answer.content.decode()).group(1)


def invited(admin, **about) -> tuple[Invitation, str]:
    invitation, key = Invitation.objects.invite(admin, **about)
    return invitation, f"/invitations/{key}/"


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


# ── Passwords and sessions ────────────────────────────────────────────────────────────────────────────────────


def signed_in(client_class, member):
    client = client_class()
    client.force_login(member)
    return client


def is_in(client) -> bool:
    return client.get("/profile/").status_code == 200


def test_signing_out_everywhere_leaves_only_this_browser(client):
    ada = a_member()
    here, there = signed_in(type(client), ada), signed_in(type(client), ada)
    assert is_in(here) and is_in(there)
    here.post("/profile/sign-outs/")
    assert is_in(here) and not is_in(there)


def test_a_new_password_signs_out_other_sessions(client):
    ada = a_member(password="the old long word")
    here, there = signed_in(type(client), ada), signed_in(type(client), ada)
    sent = {"old_password": "the old long word", "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert here.post("/profile/password/", sent | {"old_password": "wrong"}).status_code == 422
    assert is_in(there)
    assert here.post("/profile/password/", sent).status_code == 302
    assert is_in(here) and not is_in(there)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_a_deactivated_member_is_signed_out_at_once_and_their_videos_stay(client, admin):
    ada = a_member()
    video = a_generation(ada)
    there = signed_in(type(client), ada)
    assert is_in(there)
    client.post(f"/team/{ada.pk}/activity/", {"active": "0"})
    assert not is_in(there)
    assert str(video.uuid) in client.get("/").content.decode()
    assert Generation.objects.get().member == ada
    client.post(f"/team/{ada.pk}/activity/", {"active": "1"})
    assert not is_in(there), "an old session does not come back with its member"
    assert is_in(signed_in(type(client), Member.objects.get(pk=ada.pk)))


def test_an_admin_who_is_deactivated_leaves_no_open_invitation(client, admin):
    other = an_admin("other")
    _, link = invited(other)
    client.post(f"/team/{other.pk}/activity/", {"active": "0"})
    client.post(f"/team/{other.pk}/activity/", {"active": "1"})
    client.logout()
    assert client.get(link).status_code == 404


def test_an_admin_creates_a_password_link(client, admin):
    ada = a_member(password="the old long word")
    there = signed_in(type(client), ada)
    link = link_in(client.post(f"/team/{ada.pk}/password/"))
    guest = type(client)()
    page = guest.get(link, follow=True)
    assert "Choose a new password" in page.content.decode()
    assert link.split("/")[3] not in page.redirect_chain[-1][0], "the key does not stay in the address"
    sent = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert guest.post(page.redirect_chain[-1][0], sent).url == "/login/"
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert not is_in(there)
    assert "no longer valid" in type(client)().get(link, follow=True).content.decode()


def test_a_deactivation_invalidates_password_links(client, admin):
    ada = a_member(password="the old long word")
    link = link_in(client.post(f"/team/{ada.pk}/password/"))
    begun, fresh = type(client)(), type(client)()
    form = begun.get(link, follow=True).redirect_chain[-1][0]
    client.post(f"/team/{ada.pk}/activity/", {"active": "0"})
    assert "no longer valid" in fresh.get(link, follow=True).content.decode()
    client.post(f"/team/{ada.pk}/activity/", {"active": "1"})
    assert "no longer valid" in fresh.get(link, follow=True).content.decode(), "it does not come back"
    begun.post(form, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    ada.refresh_from_db()
    assert ada.check_password("the old long word")
    again = link_in(client.post(f"/team/{ada.pk}/password/"))
    assert "New password again" in fresh.get(again, follow=True).content.decode()


def test_signing_out_everywhere_invalidates_password_links(client):
    ada = a_member(password="the old long word")
    browser = signed_in(type(client), ada)
    link = path_to_new_password(Member.objects.get())
    assert "New password again" in type(client)().get(link, follow=True).content.decode()
    browser.post("/profile/sign-outs/")
    assert "no longer valid" in client.get(link, follow=True).content.decode()


def test_password_resets_are_answered_the_same_for_every_name(client, mails):
    ada = a_member("ada", email="ada@example.com", password=PASSWORD)
    a_member("ben", email="ben@example.com", is_active=False, password=PASSWORD)
    asked = ("ada", "ADA@example.com", "nobody", "ben", "ben@example.com")
    pages = [client.post("/password/", {"email": name}, follow=True) for name in asked]
    assert {page.redirect_chain[-1][0] for page in pages} == {"/password/sent/"}
    assert len({page.content for page in pages}) == 1
    assert not mails, "how long a mail takes would tell who is known"
    work_off()
    assert [one.to for one in mails] == [["ada@example.com"]], "not twice within a quarter of an hour"
    assert AuditEntry.objects.get().about == ada
    link = re.search(r"http://127.0.0.1:8000(/password/\S+)", mails[0].body).group(1)
    assert "New password again" in type(client)().get(link, follow=True).content.decode()


def test_mail_does_not_delay_submissions(client, mails):
    a_member(email="ada@example.com")
    before = queue.queue_sizes()
    client.post("/password/", {"email": "ada"})
    after = queue.queue_sizes()
    assert after[queue.SUBMIT_CLUSTER] == before[queue.SUBMIT_CLUSTER]
    assert after[queue.MEDIA_CLUSTER] == before[queue.MEDIA_CLUSTER] + 1


def test_password_resets_are_limited_and_do_not_block_other_requests(client, mails):
    a_member(password=PASSWORD, email="ada@example.com")
    before = sum(queue.queue_sizes().values())
    answers = [
        client.post("/password/", {"email": f"nobody-{number}"}) for number in range(MAX_FAILURES_PER_ADDRESS + 5)
    ]
    assert [answer.status_code for answer in answers] == [302] * MAX_FAILURES_PER_ADDRESS + [429] * 5
    assert "Too many links were requested from your network." in answers[-1].content.decode()
    assert sum(queue.queue_sizes().values()) - before == MAX_FAILURES_PER_ADDRESS
    assert client.post("/password/", {"email": "ada"}, REMOTE_ADDR="198.51.100.7").status_code == 302
    assert client.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 302


def test_password_resets_of_a_name_are_limited_whether_it_exists_or_not(client, mails):
    a_member(email="ada@example.com")
    for name in ("ada", "nobody"):
        answers = [client.post("/password/", {"email": name}).status_code for _ in range(7)]
        assert answers == [302] * 5 + [429] * 2


def test_no_link_in_a_mail_begins_with_the_host_of_a_request(client, admin, mails, settings):
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://films.example.com", ["*"]
    spoofed = {"Host": "evil.example:8443"}
    ada = a_member("ada", email="ada@example.com")
    client.post("/team/invitations/", {"email": "cleo@example.com"}, headers=spoofed)
    client.post(f"/team/{ada.pk}/password/", headers=spoofed)
    type(client)().post("/password/", {"email": "ada"}, headers=spoofed)
    work_off()
    assert len(mails) == 3
    for one in mails:
        assert re.findall(r"https?://[^/\s]+", one.body) == ["https://films.example.com"]


def test_a_worker_ignores_the_origin_that_an_old_web_process_queued(mails, settings):
    settings.SITE_URL = "https://films.example.com"
    a_member("ada", email="ada@example.com")
    mail_new_password("ada", "http://evil.example")
    assert "https://films.example.com/password/" in mails[0].body
    assert "evil" not in mails[0].body


def test_without_a_site_url_no_links_are_mailed(client, admin, mails, settings):
    settings.SITE_URL, settings.CAN_MAIL_LINKS = "", False
    ada = a_member("ada", email="ada@example.com")
    assert link_in(client.post("/team/invitations/", {"email": "cleo@example.com"}))
    assert link_in(client.post(f"/team/{ada.pk}/password/"))
    guest = type(client)()
    assert "Ask an admin" in guest.get("/password/").content.decode()
    assert guest.post("/password/", {"email": "ada"}).status_code == 422
    mail_new_password("ada")
    assert not mails


def test_the_sign_in_page_confirms_a_new_password(client):
    member = a_member(password="the old long word")
    page = client.get(path_to_new_password(member), follow=True)
    sent = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    page = client.post(page.redirect_chain[-1][0], sent, follow=True)
    assert "Password changed. Sign in with the new one." in page.content.decode()


def test_without_mail_the_sign_in_page_refers_to_an_admin(client):
    a_member("ada", email="ada@example.com", password=PASSWORD)
    assert "Ask an admin" in client.get("/password/").content.decode()
    assert client.post("/password/", {"email": "ada"}).status_code == 422
    assert not mail.outbox


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
        "ada is an admin now.",
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
    for number in range(30):
        a_member(f"member-{number}")
    with django_assert_max_num_queries(9):
        client.get("/team/")


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
