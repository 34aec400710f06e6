"""Passwords, sessions and password links."""

import re

import pytest
from django.core import mail
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.signing import SignedPackage

from videos.jobs import queue
from videos.mail import path_to_new_password
from videos.models import AuditEntry, Generation, Member
from videos.tasks import mail_new_password
from videos.views.throttling import MAX_FAILURES_PER_ADDRESS

from ..support.factories import a_generation, a_member, an_admin
from ..support.invitations import PASSWORD, invited, link_in

pytestmark = pytest.mark.django_db(transaction=True)


def work_off() -> None:
    """Run the queued jobs, like a worker, with any broker."""
    for cluster in (queue.SUBMIT_CLUSTER, queue.MEDIA_CLUSTER):
        broker = get_broker(cluster)
        while batch := broker.dequeue():
            for number, payload in batch:
                task = SignedPackage.loads(payload)
                import_string(task["func"])(*task["args"])
                broker.acknowledge(number)


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
    assert len({re.sub(rb'(?<=name="server-time" content=")\d+', b"", page.content) for page in pages}) == 1
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
    ada = a_member("ada", email="ada@example.com", password=PASSWORD)
    client.post("/team/invitations/", {"email": "cleo@example.com"}, headers=spoofed)
    client.post(f"/team/{ada.pk}/password/", headers=spoofed)
    type(client)().post("/password/", {"email": "ada"}, headers=spoofed)
    work_off()
    assert len(mails) == 3
    for one in mails:
        assert re.findall(r"https?://[^/\s]+", one.body) == ["https://films.example.com"]


def test_a_worker_ignores_the_origin_that_an_old_web_process_queued(mails, settings):
    settings.SITE_URL = "https://films.example.com"
    a_member("ada", email="ada@example.com", password=PASSWORD)
    mail_new_password("ada", "http://evil.example")
    assert "https://films.example.com/password/" in mails[0].body
    assert "evil" not in mails[0].body


def test_without_a_site_url_no_links_are_mailed(client, admin, mails, settings):
    settings.SITE_URL, settings.CAN_MAIL_LINKS = "", False
    ada = a_member("ada", email="ada@example.com", password=PASSWORD)
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
