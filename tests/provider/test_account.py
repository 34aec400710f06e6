"""The platform's answers about an account, in every shape that the contract leaves open."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from videos import provider
from videos.provider import account as account_module

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WEEK_AGO = NOW - timedelta(days=7)


def call(platform, do, token="platform-sandbox"):
    async def run():
        async with provider.new_client() as client:
            return await do(provider.AccountClient(platform.url, token, client=client))

    return asyncio.run(run())


def balance(platform):
    return call(platform, lambda account: account.balance(5))


def charges(platform, since=WEEK_AGO):
    return call(platform, lambda account: account.charges(since, 5))


def charge(number: int, amount: object = 3.68, **fields: object) -> dict:
    """Return the charge of `number` hours ago."""
    at = (NOW - timedelta(hours=number)).isoformat().replace("+00:00", "Z")
    return {"id": f"charge-{number}", "created_at": at, "deducted_amount": amount} | fields


LUMA, SUNO = {"service": {"alias": "luma", "title": "Luma Videos Generation"}}, {"service": {"title": "Suno Audios"}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"count": 1, "items": [LUMA | {"remaining_amount": 996.32}]}, "996.32"),
        ({"results": [{"remaining_amount": "1,204.5"}]}, "1204.5"),
        ([{"remaining_amount": 7}], "7"),
        ({"data": {"items": [{"remaining_amount": 0}]}}, "0"),
        ({"items": [SUNO | {"remaining_amount": 500}, LUMA | {"remaining_amount": 3}]}, "3"),
        ({"items": [{"service": "Luma Videos", "remaining_amount": 2}, LUMA | {"remaining_amount": 3}]}, "5"),
        # A balance for every service, beside that of another one.
        ({"items": [SUNO | {"remaining_amount": 500}, {"type": "Global", "remaining_amount": 40}]}, "40"),
        ({"items": [LUMA | {"remaining_amount": -1.5}]}, "-1.5"),
    ],
)
def test_the_balance_is_read_in_every_shape(platform, document, expected):
    platform.applications = document
    assert balance(platform) == Decimal(expected)


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [
        (401, {"error": {"code": "invalid_token", "message": "not valid"}}, "invalid_token"),
        (401, {"detail": "Authentication credentials were not provided."}, "unauthorized"),
        (403, {}, "unexplained"),
        (404, "<html>", "http_404"),
        (429, {}, "too_many_requests"),
        (500, "<html>", "api_error"),
        (302, "", "redirected"),
        (200, "<html>", "unreadable"),
        (200, {"detail": "moved"}, "unreadable"),
        (200, {"items": []}, "no_balance"),
        (200, {"items": [SUNO | {"remaining_amount": 500}]}, "no_balance"),
        (
            200,
            {"items": [{"remaining_amount": "NaN"}, {"remaining_amount": True}, {"remaining_amount": None}]},
            "no_balance",
        ),
    ],
)
def test_what_is_no_balance_is_an_error(platform, status, document, code):
    platform.status, platform.applications = status, document
    with pytest.raises(provider.ProviderError) as raised:
        balance(platform)
    assert (raised.value.code, raised.value.status) == (code, status)


def test_an_error_never_quotes_the_token(platform):
    platform.status, platform.applications = 401, {"error": {"code": "bad", "message": "platform-sandbox is wrong"}}
    with pytest.raises(provider.ProviderError) as raised:
        balance(platform)
    assert "platform-sandbox" not in str(raised.value)


def test_an_address_that_does_not_answer_is_an_error(platform):
    platform.shutdown()
    platform.server_close()
    with pytest.raises(provider.ProviderError, match="does not answer"):
        balance(platform)


def test_charges_are_read_from_all_pages_and_only_since_the_time(platform):
    platform.charges = [charge(number) for number in range(250)]
    read = charges(platform)
    assert read.since == WEEK_AGO and read.videos == 7 * 24 + 1
    assert read.amount == Decimal("3.68") * read.videos
    # The third page is older than asked for, so it is not read.
    assert [query["offset"] for query in platform.queries] == ["0", "100"]


def test_failed_videos_and_other_services_are_not_counted(platform):
    platform.charges = [charge(1), charge(2, 0.0), charge(3, **SUNO), charge(4, "3.68", **LUMA)]
    read = charges(platform)
    assert (read.amount, read.videos) == (Decimal("7.36"), 2)


def test_a_page_that_repeats_itself_ends_the_reading(platform):
    platform.charges = [charge(1), charge(2)]
    platform.answer = lambda path, query: (200, platform.charges)
    assert charges(platform).videos == 2 and len(platform.queries) == 2


def test_charges_oldest_first_are_read_to_the_end(platform):
    platform.charges = [charge(number) for number in reversed(range(250))]
    assert charges(platform).videos == 7 * 24 + 1 and len(platform.queries) == 3


def test_more_charges_than_can_be_read_shorten_the_time(platform, monkeypatch):
    monkeypatch.setattr(account_module, "MAX_PAGES", 1)
    platform.charges = [charge(number) for number in range(150)]
    read = charges(platform)
    assert read.since == NOW - timedelta(hours=99) and read.videos == 100
    platform.charges.reverse()
    with pytest.raises(provider.ProviderError, match="newest first"):
        charges(platform)


def test_charges_without_dates_are_an_error_and_no_charges_are_none(platform):
    assert charges(platform).amount == 0
    platform.charges = [{"deducted_amount": 1}]
    with pytest.raises(provider.ProviderError, match="no dates"):
        charges(platform)


@pytest.mark.parametrize(
    ("api", "platform"),
    [
        ("https://api.acedata.cloud/", "https://platform.acedata.cloud"),
        ("http://127.0.0.1:8801", "http://127.0.0.1:8801"),
    ],
)
def test_the_platform_follows_from_the_api(api, platform):
    assert provider.platform_url(api) == platform
