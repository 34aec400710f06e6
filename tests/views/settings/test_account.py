"""The balance on the provider page: connecting, figures, warning, and what is never shown."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from videos.models import AuditEntry, Pricing, ProviderAccount
from videos.models.provider_account import Reading

from ...support.factories import a_token, an_admin

pytestmark = pytest.mark.django_db
URL, SECRET = "/provider/account/", "platform-sandbox-0123"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(client):
    root = an_admin()
    client.force_login(root)
    return root


def text_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def connect(admin, platform, **facts) -> None:
    ProviderAccount.objects.connect(SECRET, platform.url, admin, warn_below=20_000, reading=Reading(12_500))
    now = timezone.now()
    facts = {"requested_at": None, "since": now - timedelta(days=7), "summed_at": now} | facts
    ProviderAccount.objects.update(**facts)


def test_a_token_is_tested_stored_and_never_shown(client, admin, platform):
    a_token(base_url=platform.url)
    page = client.get(URL)
    assert f'value="{platform.url}"' in page.content.decode(), "the address follows from the provider"
    pasted = f' "Bearer {SECRET}"\n'
    answer = client.post(URL, {"token": pasted, "warn_below": "20"}, follow=True)
    assert "The platform token is stored" in text_of(answer)
    account = ProviderAccount.objects.get()
    assert (account.secret, account.base_url, account.warn_below) == (SECRET, platform.url, 20_000)
    assert "12.5 credits" in text_of(answer) and "below 20 credits" in text_of(answer) and "Reading…" in text_of(answer)
    assert "…0123" in text_of(answer) and SECRET not in answer.content.decode()
    [entry] = AuditEntry.objects.filter(text__startswith="Platform token added")
    assert entry.by == admin and entry.text.endswith("ends with 0123.") and SECRET not in entry.text


def test_a_refused_token_changes_nothing(client, admin, platform):
    connect(admin, platform)
    before = ProviderAccount.objects.values().get()
    platform.status = 401
    for headers in ({}, HTMX):
        answer = client.post(URL, {"token": "sandbox-the-api-token", "base_url": platform.url}, headers=headers)
        assert answer.status_code == 422
        assert "Nothing was changed." in text_of(answer) and "an API token cannot read the balance" in text_of(answer)
        html = answer.content.decode()
        assert "sandbox-the-api-token" not in html and 'id="provider-account"' in html
        assert ("<html" in html) == (headers != HTMX)
    assert ProviderAccount.objects.values().get() == before


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"token": ""}, "Enter the token."),
        ({"token": "  '' "}, "This has no token in it"),
        ({"token": "platform-a platform-b"}, "has a space in it"),
        ({"token": "platform-ü"}, "a character that no token has"),
        ({"token": SECRET, "base_url": "http://platform.acedata.cloud"}, "Use https:// here"),
        ({"token": SECRET, "warn_below": "many"}, "Enter a number"),
        ({"token": SECRET, "warn_below": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_used_is_named(client, admin, fields, error):
    answer = client.post(URL, fields)
    assert answer.status_code == 422 and error in text_of(answer)
    assert not ProviderAccount.objects.exists()


def test_the_public_api_has_its_platform_on_another_host(client, admin):
    a_token(base_url="https://api.acedata.cloud")
    assert 'value="https://platform.acedata.cloud"' in client.get(URL).content.decode()


def test_ours_and_the_providers_sums_are_compared(client, admin, platform):
    sums = {"charged": 36_800, "charged_videos": 10, "counted": 33_120, "counted_videos": 9, "remaining": 73_600}
    connect(admin, platform, **sums)
    said = text_of(client.get(URL))
    for words in (
        "73.6 credits",
        "lasts about 14 days, at the present pace",
        "36.8 credits 10 videos",
        "33.12 credits 9 videos",
        "+3.68 credits 1 video ",
    ):
        assert words in said, said
    Pricing.objects.update_or_create(pk=1, defaults={"currency": "USD"})
    said = text_of(client.get(URL))
    assert "33.12 USD" in said and "+3.68" not in said and "Difference 1 video " in said


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"charged": 0, "counted": 0}, "nothing was charged lately"),
        ({"charged": 1_000_000, "counted": 0}, "lasts less than a day"),
        ({"charged": 1, "counted": 0}, "lasts more than a year"),
        ({"charged": 7_000, "counted": 0, "remaining": 1_200}, "lasts about 1 day,"),
        ({"charged": 7_000, "counted": 0, "remaining": -5}, "used up"),
        ({"charged": 7_000, "counted": 9_000}, "−2 credits"),
    ],
)
def test_the_pace_is_said_in_words(client, admin, platform, facts, words):
    connect(admin, platform, **({"charged_videos": 1, "counted_videos": 1} | facts))
    assert words in text_of(client.get(URL))


def test_a_failed_reading_says_since_when_and_why_and_keeps_the_figures(client, admin, platform):
    since = timezone.now().replace(month=3, day=4, hour=5, minute=6)
    connect(admin, platform, failing_since=since, failure="The platform does not answer.")
    said = text_of(client.get(URL))
    assert "Not read since 4 Mar, 05:06 . The platform does not answer. The figures are from" in said
    assert "12.5 credits" in said


def test_a_reading_is_requested_and_polled_until_it_is_there(client, admin, platform):
    connect(admin, platform)
    assert "hx-trigger" not in client.get(f"{URL}reading/", headers=HTMX).content.decode()
    answer = client.post(f"{URL}reading/", headers=HTMX)
    assert 'hx-trigger="every 2s"' in answer.content.decode() and "Reading…" in text_of(answer)
    ProviderAccount.objects.update(requested_at=timezone.now() - timedelta(minutes=1))
    answer = client.get(f"{URL}reading/", headers=HTMX)
    assert 'hx-trigger="every 10s"' in answer.content.decode() and "Waiting for the ticker" in text_of(answer)
    origin = {"Referer": "http://testserver/provider/account/#provider-account"}
    assert client.post(f"{URL}reading/", headers=origin)["Location"] == URL


def test_the_warning_is_changed_and_the_token_removed(client, admin, platform):
    connect(admin, platform, warned_at=timezone.now())
    assert "Saved." in text_of(client.post(f"{URL}warning/", {"warn_below": "5.5"}, headers=HTMX))
    account = ProviderAccount.objects.get()
    assert (account.warn_below, account.warned_at, account.is_low) == (5_500, None, False)
    assert "No changes" in text_of(client.post(f"{URL}warning/", {"warn_below": "5.5"}, headers=HTMX))
    assert "Saved." in text_of(client.post(f"{URL}warning/", {"warn_below": ""}, headers=HTMX))
    assert "No changes" in text_of(client.post(f"{URL}warning/", {"warn_below": ""}, headers=HTMX))
    answer = client.post(f"{URL}warning/", {"warn_below": "x"}, headers=HTMX)
    assert answer.status_code == 422 and "Enter a number" in text_of(answer)
    assert "removed" in text_of(client.post(f"{URL}removal/", headers=HTMX))
    assert not ProviderAccount.objects.exists()
    texts = list(AuditEntry.objects.order_by("pk").values_list("text", flat=True))
    assert texts[-3:] == [
        "Balance warning: below 5.5 credits.",
        "Balance warning: none.",
        "Platform token removed; the balance is no longer read.",
    ]
    assert "There was no platform token." in text_of(client.post(f"{URL}removal/", headers=HTMX))
