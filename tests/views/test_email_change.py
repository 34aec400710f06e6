"""Change an email address: the password, notifications, and the delay for password links."""

from datetime import timedelta

import pytest
from django.utils import timezone

from videos.models import AuditEntry, Member
from videos.models.member import EMAIL_HOLD
from videos.tasks import mail_new_password

from ..support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough word"
OLD, NEW = "ada@example.com", "ada@example.net"


@pytest.fixture
def ada(client):
    member = a_member("ada", email=OLD, password=PASSWORD)
    client.force_login(member)
    return member


def change(client, email=NEW, password=PASSWORD):
    return client.post("/profile/", {"first_name": "Ada", "email": email, "current_password": password})


def address_of(member) -> str:
    return Member.objects.get(pk=member.pk).email


@pytest.mark.parametrize(
    ("given", "words"), [("", "Enter your current password"), ("wrong", "not your current password")]
)
@pytest.mark.parametrize("email", [NEW, ""])
def test_a_new_address_needs_the_current_password(client, ada, mails, given, words, email):
    answer = change(client, email, given)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    ada.refresh_from_db()
    assert (ada.email, ada.first_name) == (OLD, "")
    assert not mails and not AuditEntry.objects.exists()


def test_the_first_address_needs_the_current_password(client):
    ben = a_member("ben", password=PASSWORD)
    client.force_login(ben)
    assert change(client, password="").status_code == 422
    assert change(client).status_code == 302
    assert address_of(ben) == NEW


def test_other_profile_fields_need_no_password(client, ada, mails):
    assert change(client, OLD, "").status_code == 302
    ada.refresh_from_db()
    assert (ada.email, ada.first_name, ada.email_changed_at) == (OLD, "Ada", None)
    assert not mails


def test_a_changed_address_notifies_the_old_one_and_is_audited(client, ada, mails):
    assert change(client).status_code == 302
    assert address_of(ada) == NEW
    assert [one.to for one in mails] == [[OLD]]
    assert "has a new email address" in mails[0].body
    assert NEW not in mails[0].body and "http" not in mails[0].body
    noted = AuditEntry.objects.get()
    assert (noted.by, noted.about) == (ada, ada)
    assert noted.text == f"ada changed their email address from {OLD} to {NEW}."


def test_a_removed_address_is_notified(client, ada, mails):
    assert change(client, "").status_code == 302
    assert address_of(ada) == ""
    assert [one.to for one in mails] == [[OLD]]
    assert "no longer has an email address" in mails[0].body


def test_wrong_current_passwords_are_counted(client, ada):
    for _ in range(5):
        assert change(client, password="wrong").status_code == 422
    assert change(client).status_code == 429
    assert address_of(ada) == OLD
    assert client.post("/profile/", {"first_name": "Ada", "email": OLD}).status_code == 302, "the rest goes on"


@pytest.mark.parametrize("asked", ["ada", NEW])
def test_a_new_address_receives_no_password_link_for_a_day(client, ada, mails, asked):
    change(client)
    mails.clear()
    mail_new_password(asked)
    mail_new_password(OLD)
    assert not mails
    Member.objects.update(email_changed_at=timezone.now() - EMAIL_HOLD - timedelta(seconds=1))
    mail_new_password(asked)
    assert [one.to for one in mails] == [[NEW]]


def test_an_admin_confirms_a_new_address(client, ada, mails):
    change(client)
    mails.clear()
    root = an_admin()
    client.force_login(root)
    assert f"Confirm {NEW}" in client.get(f"/team/{ada.pk}/").content.decode()
    answer = client.post(f"/team/{ada.pk}/email/", {"email": NEW}, follow=True)
    assert f"Confirm {NEW}" not in answer.content.decode()
    noted = AuditEntry.objects.first()
    assert (noted.by, noted.text) == (root, f"ada has a confirmed email address: {NEW}.")
    mail_new_password("ada")
    assert [one.to for one in mails] == [[NEW]]


def test_an_admin_confirms_only_the_address_they_saw(client, ada, mails):
    change(client)
    change(client, "somebody@example.org")
    client.force_login(an_admin())
    answer = client.post(f"/team/{ada.pk}/email/", {"email": NEW}, follow=True)
    assert "no longer needs a confirmation" in answer.content.decode()
    mails.clear()
    mail_new_password("ada")
    assert not mails


def test_a_link_that_an_admin_makes_is_not_mailed_to_a_new_address(client, ada, mails):
    change(client)
    mails.clear()
    client.force_login(an_admin())
    assert "Send this link to ada" in client.post(f"/team/{ada.pk}/password/").content.decode()
    assert not mails
    client.post(f"/team/{ada.pk}/email/", {"email": NEW})
    client.post(f"/team/{ada.pk}/password/")
    assert [one.to for one in mails] == [[NEW]]
