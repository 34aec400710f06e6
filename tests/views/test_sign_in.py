"""Sign-in: who may sign in, and how many attempts are allowed."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from lumaweb.environment.variables import mail as mail_variables
from videos.models import Invitation, Member
from videos.views.account import setup_code
from videos.views.throttling import MAX_FAILURES_PER_ADDRESS

from ..support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough word"


def knock(client, username="ada", password="wrong", **headers):
    return client.post("/login/", {"username": username, "password": password}, **headers)


@pytest.fixture
def ada():
    return a_member("ada", password=PASSWORD)


def is_in(client) -> bool:
    return get_user(client).is_authenticated


def test_the_right_password_signs_in_with_a_new_session_key(client, ada):
    client.get("/login/")
    client.session["before"] = 1
    before = client.session.session_key
    assert knock(client, password=PASSWORD).url == "/"
    assert is_in(client) and client.session.session_key != before
    client.post("/logout/")
    assert not is_in(client)


def test_after_five_wrong_passwords_the_right_one_is_refused(client, ada):
    for _ in range(4):
        assert knock(client).status_code == 200
    for answer in (knock(client), knock(client, password=PASSWORD)):
        assert answer.status_code == 429
        assert "Too many wrong passwords" in answer.content.decode()
        assert 'value="ada"' in answer.content.decode()
        assert answer["Retry-After"] == "600"
    assert not is_in(client)


def test_a_lockout_ends_after_ten_minutes_and_not_earlier(client, ada):
    for _ in range(5):
        knock(client)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=9))
    assert knock(client, password=PASSWORD).status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=11))
    assert knock(client, password=PASSWORD).url == "/"


def test_a_lockout_does_not_affect_the_same_name_from_another_address(client, ada):
    for _ in range(8):
        knock(client, REMOTE_ADDR="203.0.113.7")
    assert knock(client, password=PASSWORD, REMOTE_ADDR="203.0.113.7").status_code == 429
    assert knock(client, password=PASSWORD, REMOTE_ADDR="198.51.100.3").url == "/"


def test_a_lockout_does_not_affect_another_name_from_the_same_address(client, ada):
    a_member("ben", password=PASSWORD)
    for _ in range(6):
        knock(client, "ada")
    assert knock(client, "ben", PASSWORD).url == "/"


def test_many_names_from_one_address_lock_the_address_out(client, ada):
    for number in range(MAX_FAILURES_PER_ADDRESS):
        knock(client, f"name-{number}")
    assert knock(client, password=PASSWORD).status_code == 429
    assert knock(client, password=PASSWORD, REMOTE_ADDR="198.51.100.3").url == "/"


def test_a_successful_sign_in_clears_the_failures_of_that_name(client, ada):
    for _ in range(4):
        knock(client)
    knock(client, password=PASSWORD)
    client.post("/logout/")
    for _ in range(4):
        assert knock(client).status_code == 200


def test_a_client_cannot_forge_its_address(client, ada):
    for number in range(5):
        knock(client, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert knock(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99").status_code == 429


def test_behind_a_trusted_proxy_only_the_proxy_s_header_counts(client, ada, settings):
    settings.TRUSTED_PROXIES = 1
    for number in range(5):
        knock(client, HTTP_X_FORWARDED_FOR=f"10.9.8.{number}, 203.0.113.7")
    assert knock(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="10.9.8.77, 203.0.113.7").status_code == 429
    assert knock(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.7, 198.51.100.3").url == "/"


GARBAGE = ["", "\x00", "a" * 5000, "\ud800", "名前", "' OR 1=1 --", "<script>"]


@pytest.mark.parametrize("name", GARBAGE)
def test_every_attempted_name_is_counted_and_stored_normalised(client, ada, name):
    try:
        answer = knock(client, name)
    except UnicodeEncodeError:
        pytest.fail("the client could not even send it") if name != "\ud800" else None
        return
    assert answer.status_code in (200, 422)
    for attempt in AccessAttempt.objects.all():
        assert len(bytes.fromhex(attempt.username)) == 32


def stored() -> str:
    return str(list(AccessAttempt.objects.values_list()))


def test_no_password_is_stored_with_a_failure_not_even_from_the_name_field(client, ada, caplog):
    for _ in range(5):
        knock(client, username="correct-horse-9", password="my other secret word")
    for secret in ("my other secret word", "correct-horse-9"):
        assert secret not in stored()
        assert secret not in caplog.text


def test_an_invalid_forwarded_address_is_replaced_by_the_proxy_s(client, ada, settings):
    settings.TRUSTED_PROXIES = 1
    for said in ("unknown", "203.0.113.7:1234", "<x>", "a" * 99, "::gggg"):
        assert knock(client, HTTP_X_FORWARDED_FOR=said).status_code in (200, 429)
    assert knock(client, password=PASSWORD, HTTP_X_FORWARDED_FOR="unknown").status_code == 429


def test_an_ipv6_network_counts_as_one_address(client, ada):
    for number in range(5):
        knock(client, REMOTE_ADDR=f"2001:db8:0:7::{number}")
    assert knock(client, password=PASSWORD, REMOTE_ADDR="2001:db8:0:7:ffff::9").status_code == 429
    assert knock(client, password=PASSWORD, REMOTE_ADDR="2001:db8:0:8::1").url == "/"


def waiting_sign_in(browser, path: str) -> dict:
    """Open the sign-in page and return the fields that its form would send."""
    page = browser.get(path).content.decode()
    fields = re.findall(r'<input[^>]* name="(next|csrfmiddlewaretoken)" value="([^"]*)"', page)
    return dict(fields) | {"username": "ada", "password": PASSWORD}


def test_a_stale_sign_in_form_redirects_if_its_member_is_signed_in(ada):
    browser = Client(enforce_csrf_checks=True)
    first, second = waiting_sign_in(browser, "/login/"), waiting_sign_in(browser, "/login/?next=/usage/")
    assert browser.post("/login/", first).url == "/"
    assert browser.post("/login/", second).url == "/usage/"
    assert browser.post("/login/", second | {"next": "https://evil.example.com/"}).url == "/"


def test_a_stale_sign_in_form_of_another_member_does_not_redirect(ada):
    a_member("ben", password=PASSWORD)
    browser = Client(enforce_csrf_checks=True)
    first, second = waiting_sign_in(browser, "/login/"), waiting_sign_in(browser, "/login/?next=/usage/")
    browser.post("/login/", first)
    assert browser.post("/login/", second | {"username": "ben"}).status_code == 403
    assert get_user(browser) == ada
    assert browser.post("/profile/choices/", {"theme": "dark", "username": "ada"}).status_code == 403
    assert Client(enforce_csrf_checks=True).post("/login/", second).status_code == 403


# ── What opens like a password ────────────────────────────────────────────────────────────────────────────────


def test_guesses_of_the_setup_code_are_limited(client, settings):
    settings.ON_LOOPBACK = False
    sent = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    for number in range(5):
        assert client.post("/setup/", sent | {"code": f"guess-{number}"}).status_code == 422
    answer = client.post("/setup/", sent | {"code": setup_code()})
    assert answer.status_code == 429 and answer["Retry-After"] == "600"
    assert "Wait 10 minutes" in answer.content.decode()
    assert not Member.objects.exists()
    assert PASSWORD not in stored() and "guess" not in stored()
    assert client.post("/setup/", sent | {"code": setup_code()}, REMOTE_ADDR="198.51.100.3").url == "/"


def test_wrong_invitation_links_cause_no_lockout(client, ada):
    _, key = Invitation.objects.invite(an_admin())
    for number in range(MAX_FAILURES_PER_ADDRESS + 5):
        assert client.get(f"/invitations/guess-{number}/").status_code == 404
        assert client.post(f"/invitations/guess-{number}/", {"username": "x"}).status_code == 404
        assert client.get("/invitations/dead/").status_code == 404
    assert not AccessAttempt.objects.exists()
    assert client.get(f"/invitations/{key}/").status_code == 200
    assert knock(client, password=PASSWORD).url == "/"


def test_wrong_set_up_codes_do_not_lock_the_sign_in(client, settings):
    settings.ON_LOOPBACK = False
    sent = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    for number in range(5):
        assert client.post("/setup/", sent | {"code": f"guess-{number}"}).status_code == 422
    assert client.post("/setup/", sent | {"code": setup_code()}).status_code == 429
    a_member("code", password=PASSWORD)
    assert knock(client, "code", PASSWORD).url == "/"


def test_wrong_sign_ins_do_not_lock_the_set_up(client, settings):
    settings.ON_LOOPBACK = False
    ada = a_member("ada")
    for name in ("code", "set-up code", *(f"name-{number}" for number in range(MAX_FAILURES_PER_ADDRESS))):
        knock(client, name)
        knock(client, name)
    assert knock(client).status_code == 429
    ada.delete()
    sent = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD, "code": setup_code()}
    assert client.post("/setup/", sent).url == "/"


def test_wrong_current_passwords_do_not_lock_the_sign_in(client, ada):
    sent = {"old_password": "wrong", "new_password1": "some other word", "new_password2": "some other word"}
    # All sign in first: a sign-in clears what was counted before it.
    members = [Client() for _ in range(MAX_FAILURES_PER_ADDRESS // 5 + 1)]
    for number, browser in enumerate(members):
        browser.force_login(a_member(f"member-{number}", password=PASSWORD))
    for browser in members:
        for _ in range(5):
            browser.post("/profile/password/", sent)
    assert AccessAttempt.objects.aggregate(all=Sum("failures_since_start"))["all"] >= MAX_FAILURES_PER_ADDRESS
    assert knock(client, password=PASSWORD).url == "/"


def test_cross_site_forms_are_not_counted(ada):
    strict = Client(enforce_csrf_checks=True)
    for number in range(MAX_FAILURES_PER_ADDRESS):
        assert knock(strict, f"name-{number}").status_code == 403
        assert knock(strict).status_code == 403
    strict.force_login(ada)
    assert strict.post("/profile/password/", {"old_password": "wrong"}).status_code == 403
    assert not AccessAttempt.objects.exists()


def test_an_open_session_does_not_help_to_guess_its_password(client, ada):
    client.force_login(ada)
    sent = {"new_password1": "some other word", "new_password2": "some other word"}
    for number in range(5):
        assert client.post("/profile/password/", sent | {"old_password": f"guess-{number}"}).status_code == 422
    answer = client.post("/profile/password/", sent | {"old_password": PASSWORD})
    assert answer.status_code == 429 and "Nothing was changed" in answer.content.decode()
    assert "guess" not in stored() and "some other word" not in stored()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_admin_has_no_sign_in_page_of_its_own(client, ada):
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/"
    assert client.post("/admin/login/", {"username": "ada", "password": PASSWORD}).url.startswith("/login/")
    assert not is_in(client)
    client.force_login(ada)
    assert client.get("/admin/", follow=True).status_code == 403
    client.force_login(an_admin())
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/password_change/").url == "/profile/"


def test_a_deactivated_member_cannot_sign_in(client, ada):
    Member.objects.update(is_active=False)
    assert knock(client, password=PASSWORD).status_code == 200
    assert not is_in(client)


MAIL = {
    "smtp://ada:p%40ss@mail.example.com": ("mail.example.com", 587, "ada", "p@ss", True, False),
    "smtps://mail.example.com": ("mail.example.com", 465, "", "", False, True),
    "smtp+insecure://127.0.0.1:2525": ("127.0.0.1", 2525, "", "", False, False),
    "": None,
}


@pytest.mark.parametrize("value", MAIL)
def test_mail_is_configured_by_one_variable(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_EMAIL_URL", value)
    assert mail_variables.EMAIL_URL.value == MAIL[value]


@pytest.mark.parametrize("value", ["mail.example.com", "http://mail.example.com", "smtp://:secret@", "smtp://h:port"])
def test_an_invalid_email_url_stops_the_start_without_showing_it(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_EMAIL_URL", value)
    with pytest.raises(ImproperlyConfigured, match=r"LUMAWEB_EMAIL_URL .*; set it to smtp://user:password@") as stopped:
        mail_variables.EMAIL_URL.value  # noqa: B018  (raises)
    assert "secret" not in str(stopped.value)


FROM = {
    "films@example.com": "films@example.com",
    "Lumaweb <films@example.com>": "Lumaweb <films@example.com>",
    "Lumaweb": None,
    "Lumaweb <films>": None,
    "films@example.com\nBcc: x@example.com": None,
}


@pytest.mark.parametrize("value", FROM)
def test_mail_needs_a_sender_address(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_EMAIL_FROM", value)
    if FROM[value]:
        assert mail_variables.EMAIL_FROM.value == value
    else:
        with pytest.raises(ImproperlyConfigured, match="such as Lumaweb <films@example"):
            mail_variables.EMAIL_FROM.value  # noqa: B018  (raises)
