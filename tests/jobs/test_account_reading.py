"""Reading the balance in the background: when, what is kept, and who is warned."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from lumaweb.ops.doctor.account import balance
from videos import tasks
from videos.jobs.account_reading import check_platform_token, read_account
from videos.jobs.ticker import Ticker
from videos.models import AuditEntry, Generation, Histogram, ProviderAccount
from videos.models.provider_account import Reading

from ..support.factories import a_generation, a_result, a_token, an_admin

pytestmark = pytest.mark.django_db
SECRET = "platform-sandbox-0123"


def connect(platform, warn_below=None) -> ProviderAccount:
    admin = an_admin("root")
    reading = Reading(12_500)
    return ProviderAccount.objects.connect(SECRET, platform.url, admin, warn_below=warn_below, reading=reading)


def current() -> ProviderAccount:
    account = ProviderAccount.objects.current()
    assert account is not None
    return account


def make_due() -> None:
    ProviderAccount.objects.update(tried_at=timezone.now() - timedelta(minutes=16))


def charge(hours: float, amount: float = 3.68) -> dict:
    at = timezone.now() - timedelta(hours=hours)
    return {"id": str(hours), "created_at": at.isoformat(), "deducted_amount": amount}


def said() -> str:
    return " ".join(f"{finding.level}: {finding.message}" for finding in balance())


def test_the_ticker_reads_at_once_then_every_15_minutes_and_on_request(platform):
    connect(platform)
    assert Ticker().run_once() == []
    assert len(platform.queries) == 2 and set(platform.tokens) == {SECRET}
    assert current().requested_at is None and current().read_at is not None
    read_account()
    assert len(platform.queries) == 2
    assert ProviderAccount.objects.request_reading()
    read_account()
    assert len(platform.queries) == 4
    make_due()
    read_account()
    read_account()
    assert len(platform.queries) == 6


def test_a_reading_that_was_interrupted_is_repeated_and_only_one_ticker_reads(platform):
    connect(platform)
    assert ProviderAccount.objects.begin_reading() is not None
    assert ProviderAccount.objects.begin_reading() is None
    ProviderAccount.objects.update(tried_at=timezone.now() - timedelta(minutes=3))
    assert ProviderAccount.objects.begin_reading() is not None


def test_our_sum_counts_completed_videos_of_this_platform_and_time(platform):
    connect(platform)
    token = a_token(base_url=platform.url)
    for number, hours in enumerate((1, 2, 24 * 8)):
        row = a_generation()
        row.claim()
        row.record(a_result(f"task-{number}", video_id=f"video-{number}"), "callback")
        Generation.objects.filter(pk=row.pk).update(submitted_at=timezone.now() - timedelta(hours=hours))
    token.set_enabled(False)
    a_token(base_url="http://127.0.0.1:9")
    other = a_generation()
    other.claim()
    other.record(a_result("task-9", video_id="video-9"), "callback")
    platform.charges = [charge(1), charge(2), charge(3)]
    read_account()
    account = current()
    assert (account.charged, account.charged_videos) == (11_040, 3)
    assert (account.counted, account.counted_videos) == (2_000, 2)
    assert account.difference == 9_040
    assert account.days_left == pytest.approx(12.5 / (11.04 / 7), rel=0.01)


def test_a_failed_reading_keeps_the_last_values_and_says_since_when_and_why(platform):
    connect(platform)
    read_account()
    read_at = current().read_at
    platform.status, platform.applications = 401, {"error": {"code": "invalid_token"}}
    make_due()
    read_account()
    account = current()
    assert (account.remaining, account.read_at) == (12_500, read_at)
    assert account.failing_since is not None and "refuses this token" in account.failure
    assert said().startswith("ok: ")  # for an hour the last value is fresh enough
    since = account.failing_since
    ProviderAccount.objects.update(read_at=timezone.now() - timedelta(hours=2))
    make_due()
    read_account()
    assert current().failing_since == since
    assert "warn: The balance has not been read since" in said() and "refuses this token" in said()
    platform.status, platform.applications = 200, {"items": [{"remaining_amount": 9}]}
    make_due()
    read_account()
    assert (current().remaining, current().failing_since, current().failure) == (9_000, None, "")


def test_a_balance_is_kept_without_the_sums(platform):
    connect(platform)
    platform.charges = [{"deducted_amount": 1}]
    platform.applications = [{"remaining_amount": 8}]
    read_account()
    account = current()
    assert (account.remaining, account.charged, account.failing_since) == (8_000, None, None)
    assert "no dates" in account.sums_problem and account.difference is None and account.days_left is None


def test_a_reading_with_a_token_that_was_replaced_meanwhile_is_dropped(platform):
    account = connect(platform)
    ProviderAccount.objects.connect(
        "platform-new", platform.url, an_admin("second"), warn_below=None, reading=Reading(1)
    )
    account.record_reading(Reading(99_000))
    account.record_failure("old")
    assert (current().remaining, current().failure) == (1, "")


def test_admins_are_mailed_once_until_the_balance_was_topped_up(platform, settings):
    settings.CAN_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    connect(platform, warn_below=20_000)
    reader, silent = an_admin("ada"), an_admin("ben")
    type(reader).objects.filter(pk=reader.pk).update(email="ada@example.com")
    assert not silent.email
    platform.charges = [charge(1, 6.9)]
    read_account()
    tasks.mail_low_balance()
    tasks.mail_low_balance()
    [sent] = mail.outbox
    assert sent.to == ["ada@example.com"] and sent.subject == "The provider's balance is low: 12.5 credits"
    assert "below your warning at 20" in sent.body and "lasts about 13 days" in sent.body and SECRET not in sent.body
    platform.applications = [{"remaining_amount": 100}]
    make_due()
    read_account()
    platform.applications = [{"remaining_amount": 1}]
    make_due()
    read_account()
    tasks.mail_low_balance()
    assert len(mail.outbox) == 2
    assert "warn: The balance is 1 credit, below the warning at 20" in said()


def test_a_warning_that_nobody_received_is_tried_again(platform, settings):
    settings.CAN_MAIL = False
    connect(platform, warn_below=20_000)
    tasks.mail_low_balance()
    assert current().warned_at is None


def test_a_token_that_no_key_opens_is_named_and_blocks_nothing(platform, settings):
    connect(platform)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert Ticker().run_once() == []
    assert "LUMAWEB_ENCRYPTION_KEYS" in current().failure and said().startswith("fail: ")


def test_the_platform_token_is_stored_encrypted_and_rotated_with_the_api_tokens(platform, settings):
    connect(platform)
    assert SECRET.encode() not in bytes(current().encrypted) and current().last_four == "0123"
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEYS_GIVEN = [Fernet.generate_key().decode(), *old], True
    call_command("rotate_encryption_keys")
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert current().secret == SECRET


def test_without_a_platform_token_nothing_is_read_or_said(platform):
    assert Ticker().run_once() == []
    assert platform.queries == [] and said().startswith("skip: ")
    assert not AuditEntry.objects.exists() and not Histogram.objects.exists()


def test_a_token_is_tested_before_it_is_stored(platform):
    assert check_platform_token(platform.url, SECRET).reading == Reading(12_500)
    platform.status = 401
    check = check_platform_token(platform.url, "sandbox")
    assert (check.status, check.reading) == ("refused", None) and "an API token cannot read" in check.message
    assert ProviderAccount.objects.current() is None
