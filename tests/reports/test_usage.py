"""The usage page: every figure is compared with a count by hand."""

import csv
import io
import random
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from videos.forms import presets
from videos.models import Generation
from videos.reports import usage
from videos.reports.periods import DateRange
from videos.reports.plots import axis_ticks, stacked_bars

from ..support.factories import a_generation, a_member, a_token, an_admin

pytestmark = pytest.mark.django_db
NOVEMBER = DateRange(date(2026, 11, 1), date(2026, 11, 30))
IN_NOVEMBER = {"since": "2026-11-01", "until": "2026-11-30"}


def a_video(member, at: datetime, state="completed", *, seconds=60.0, code="", **settings) -> Generation:
    row = a_generation(member, **settings)
    ended = at + timedelta(seconds=seconds) if state in ("completed", "failed") else None
    Generation.objects.filter(pk=row.pk).update(
        created_at=at, state=state, finished_at=ended, error_code=code, amount=settings.get("amount", 1000)
    )
    return row


def at(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


@pytest.fixture
def ada():
    return a_member("ada", first_name="Ada")


@pytest.fixture
def ben():
    return a_member("ben")


def words(answer) -> str:
    return " ".join(re.sub("<[^>]+>", " ", answer.content.decode()).split())


def test_the_totals_equal_the_rows(ada, ben):
    """Recount random days row by row."""
    chance = random.Random(7)
    tokens = [a_token("one"), a_token("two"), None]
    expected: Counter = Counter()
    for _ in range(60):
        member, token = chance.choice([ada, ben]), chance.choice(tokens)
        state = chance.choice(["queued", "processing", "completed", "failed", "canceled", "unconfirmed"])
        when = at(1) + timedelta(hours=chance.randrange(-48, 31 * 24))
        row = a_video(member, when, state)
        Generation.objects.filter(pk=row.pk).update(token=token)
        if NOVEMBER.since <= when.date() <= NOVEMBER.until:
            expected[when.date(), member.pk, token and token.pk, state] += 1
    found = {(row.day, row.member_id, row.token_id, row.state): row.videos for row in usage.tallies(NOVEMBER)}
    assert found == expected
    assert all(row.amount == 1000 * row.videos for row in usage.tallies(NOVEMBER))


def test_a_day_begins_at_midnight_in_the_team_s_time_zone(ada, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    timezone.activate("Asia/Tokyo")
    try:
        a_video(ada, datetime(2026, 10, 31, 15, 30, tzinfo=UTC))  # half past midnight on 1 November there
        a_video(ada, datetime(2026, 11, 30, 15, 30, tzinfo=UTC))  # 1 December
        assert [(row.day, row.videos) for row in usage.tallies(NOVEMBER)] == [(date(2026, 11, 1), 1)]
    finally:
        timezone.deactivate()


def test_the_headline_shows_videos_and_credits(client, ada, ben):
    for day in (2, 3, 3):
        a_video(ada, at(day))
    a_video(ben, at(4), "failed", code="forbidden")
    a_video(ben, at(5), "processing")
    a_video(ben, at(6), "canceled")
    client.force_login(ada)
    text = words(client.get("/usage/", IN_NOVEMBER))
    assert "Videos 3 ready of 6" in text
    assert "Spent 3 credits 1 credit set aside." in text
    assert "Success 75 %" in text


def test_median_and_p95_are_those_of_a_sorted_list(client, ada):
    spans = list(range(1, 101))
    random.Random(1).shuffle(spans)
    for span in spans:
        a_video(ada, at(3), seconds=span)
    found = usage.result_times(NOVEMBER)
    assert (found.median, found.count) == (50.5, 100)
    assert 95 <= found.p95 <= 96
    client.force_login(ada)
    assert "95 of 100 within 1 min 35 s" in words(client.get("/usage/", IN_NOVEMBER))


def test_durations_of_a_sample_say_that_they_are_of_the_latest_videos(client, ada):
    first = a_video(ada, at(2), seconds=900)
    quick = {"state": "completed", "created_at": at(3), "finished_at": at(3) + timedelta(seconds=60)}
    Generation.objects.bulk_create(
        (
            Generation(submission=first.submission, member=ada, take=take, **quick)
            for take in range(2, usage.MAX_TIMED + 2)
        ),
        batch_size=500,
    )
    client.force_login(ada)
    assert usage.result_times(NOVEMBER).count == 2_000
    assert "95 of 100 within 1 min 00 s. Of the latest 2,000" in words(client.get("/usage/", IN_NOVEMBER))


def test_success_is_a_hundred_percent_only_without_failures(client, ada):
    row = a_video(ada, at(2), "failed", code="forbidden")
    Generation.objects.bulk_create(
        Generation(submission=row.submission, member=ada, take=take, state="completed", created_at=at(3))
        for take in range(2, 302)
    )
    client.force_login(ada)
    assert "Success 99 %" in words(client.get("/usage/", IN_NOVEMBER))
    Generation.objects.filter(pk=row.pk).update(state="completed")
    assert "Success 100 %" in words(client.get("/usage/", IN_NOVEMBER))


def test_plots_have_a_text_alternative(client, ada):
    a_video(ada, at(9))
    client.force_login(ada)
    text = client.get("/usage/", IN_NOVEMBER).content.decode()
    assert 'aria-label="1 video, fewer than one a day on average; most on 9 Nov: 1. 1 ready, 0 failed."' in text
    assert 'aria-label="1 credit, fewer than one a day on average; most on 9 Nov: 1. 1 spent, 0 set aside."' in text
    a_year = client.get("/usage/", {"since": "2025-12-01", "until": "2026-11-30"}).content.decode()
    assert "most in the week of 9 Nov 2026: 1." in a_year
    for_ever = client.get("/usage/", {"since": "2018-01-01", "until": "2026-11-30"}).content.decode()
    assert "most in Q4 2026: 1." in for_ever


def test_deleted_videos_were_paid_for_and_count(client, ada):
    row = a_video(ada, at(2), prompt="a secret heron")
    Generation.objects.filter(pk=row.pk).update(trashed_at=at(3), purged_at=at(4), prompt="")
    client.force_login(ada)
    assert "Videos 1 ready of 1" in words(client.get("/usage/", IN_NOVEMBER))


def test_failures_are_listed_with_a_message_and_a_remedy(client, ada):
    for day in (2, 3):
        latest = a_video(ada, at(day), "failed", code="forbidden", prompt=f"A crowd on day {day}")
    trashed = a_video(ada, at(4), "failed", code="forbidden", prompt="thrown away")
    Generation.objects.filter(pk=trashed.pk).update(trashed_at=at(5))
    client.force_login(ada)
    text = client.get("/usage/", IN_NOVEMBER).content.decode()
    assert "3 ×" in text
    assert "A crowd on day 3" in text and "A crowd on day 2" not in text and "thrown away" not in text
    assert f'href="/generations/{latest.uuid}/reuse/"' in text


def test_only_admins_see_tokens_on_the_usage_page(client, ada):
    token = a_token()
    token.name = "Account of the agency"
    token.save()
    row = a_video(ada, at(2))
    Generation.objects.filter(pk=row.pk).update(token=token)
    client.force_login(ada)
    assert "Account of the agency" not in client.get("/usage/", IN_NOVEMBER).content.decode()
    assert "Account of the agency" not in b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode()
    client.force_login(an_admin())
    assert "Account of the agency" in client.get("/usage/", IN_NOVEMBER).content.decode()
    assert "Account of the agency" in b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode()


def test_an_empty_page_says_what_it_will_show(client, ada):
    client.force_login(ada)
    assert "No videos were requested on these days" in words(client.get("/usage/"))


BAD = [
    {"since": "yesterday"},
    {"since": "2026-11-30", "until": "2026-11-01"},
    {"since": "0001-01-01"},
    {"until": "9999-12-31"},
    {"since": "1990-01-01", "until": "2026-01-01"},
    {"since": "\x00"},
    {"until": "0001-01-01"},
]


@pytest.mark.parametrize("sent", BAD)
def test_invalid_days_are_refused_with_a_message(client, ada, sent):
    client.force_login(ada)
    answer = client.get("/usage/", sent)
    assert answer.status_code == 422
    assert "Showing the latest 30 days." in words(answer)
    assert client.get("/usage/usage.csv", sent).status_code == 422


def test_the_number_of_queries_does_not_grow_with_the_rows(client, ada, ben, django_assert_max_num_queries):
    client.force_login(ada)
    client.get("/usage/", IN_NOVEMBER)
    for day in range(1, 29):
        for member in (ada, ben):
            a_video(member, at(day), "failed" if day % 3 else "completed", code="api_error" if day % 2 else "forbidden")
    with django_assert_max_num_queries(12):
        client.get("/usage/", IN_NOVEMBER)


# ── The file for a spreadsheet ────────────────────────────────────────────────────────────────────────────────


def test_the_file_has_the_same_sums(client, ada, ben):
    for day in (2, 2, 3):
        a_video(ada, at(day))
    a_video(ben, at(3), "failed")
    client.force_login(ada)
    answer = client.get("/usage/usage.csv", IN_NOVEMBER)
    assert answer["Content-Disposition"] == 'attachment; filename="lumaweb-2026-11-01-2026-11-30.csv"'
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode())))
    assert rows[0] == ["day", "member", "state", "videos", "credits", "simulated", "simulated credits"]
    assert sorted(rows[1:]) == [
        ["2026-11-02", "Ada", "completed", "2", "2.0", "no", "0.0"],
        ["2026-11-03", "Ada", "completed", "1", "1.0", "no", "0.0"],
        ["2026-11-03", "ben", "failed", "1", "0.0", "no", "0.0"],
    ]


def test_simulated_videos_are_not_spent_on_the_page_nor_in_the_file(client, ada, ben):
    simulated, real = a_token("sandbox-one", simulated=True), a_token("sandbox-two")
    for member, token in ((ada, simulated), (ada, simulated), (ada, real), (ben, simulated)):
        row = a_video(member, at(2))
        Generation.objects.filter(pk=row.pk).update(token=token)
    client.force_login(an_admin())
    text = words(client.get("/usage/", IN_NOVEMBER))
    assert "4 ready of 4; 3 simulated" in text
    assert "Spent 1 credit 3 credits simulated, not charged." in text
    report = usage.report(NOVEMBER)
    assert (report.members[ada.pk].spent, report.members[ben.pk].spent) == (1000, 0)
    assert report.tokens[simulated.pk].simulated_amount == 3000 and report.tokens[simulated.pk].amount == 0
    rows = list(csv.DictReader(io.StringIO(b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode())))
    assert sorted((row["member"], row["videos"], row["credits"], row["simulated credits"]) for row in rows) == [
        ("Ada", "1", "1.0", "0.0"),
        ("Ada", "2", "0.0", "2.0"),
        ("ben", "1", "0.0", "1.0"),
    ]
    assert {row["simulated"] for row in rows if row["credits"] == "0.0"} == {"yes"}


def test_the_file_s_credits_equal_spent_and_reserved_on_the_page(client, ada):
    for state in ("completed", "failed", "canceled", "unconfirmed", "processing", "queued"):
        a_video(ada, at(2), state)
    client.force_login(ada)
    assert "Spent 1 credit 3 credits set aside." in words(client.get("/usage/", IN_NOVEMBER))
    file = b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode()
    assert sum(float(row["credits"]) for row in csv.DictReader(io.StringIO(file))) == 4


def test_two_members_of_the_same_name_are_two_lines(client, ada):
    other = a_member("ada2", first_name="Ada")
    a_video(ada, at(2))
    a_video(other, at(2))
    client.force_login(ada)
    text = words(client.get("/usage/", IN_NOVEMBER))
    assert "Ada (ada)" in text and "Ada (ada2)" in text
    rows = list(csv.reader(io.StringIO(b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode())))
    assert sorted(row[1] for row in rows[1:]) == ["Ada (ada)", "Ada (ada2)"]


def test_two_tokens_of_the_same_name_are_two_lines_for_an_admin_and_one_for_a_member(client, ada):
    for secret in ("sandbox-one", "sandbox-two"):
        row = a_video(ada, at(2))
        Generation.objects.filter(pk=row.pk).update(token=a_token(secret))
    for who, lines in ((ada, ["1"]), (an_admin(), ["1", "1"])):
        client.force_login(who)
        rows = list(csv.DictReader(io.StringIO(b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode())))
        assert len(rows) == len(lines)
        assert sum(int(row["videos"]) for row in rows) == 2


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
)
def test_no_name_is_a_formula(client, ada, name):
    ada.first_name = name
    ada.save()
    a_video(ada, at(2))
    client.force_login(ada)
    rows = list(csv.reader(io.StringIO(b"".join(client.get("/usage/usage.csv", IN_NOVEMBER)).decode())))
    assert rows[1][1] == f"'{name}"


# ── Days and bars ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("days", "step", "bars"),
    [(1, "day", 1), (30, "day", 30), (62, "day", 62), (63, "week", 10), (365, "week", 53), (1800, "month", 60)],
)
def test_there_are_never_too_many_bars(days, step, bars):
    within = DateRange(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days - 1))
    assert within.step == step
    assert abs(len(within.periods) - bars) <= 1
    assert len(DateRange(date(2017, 1, 1), date(2026, 12, 31)).periods) == 40


def test_every_day_of_a_range_falls_into_one_of_its_periods():
    for length in (20, 200, 2000):
        within = DateRange(date(2024, 2, 27), date(2024, 2, 27) + timedelta(days=length))
        days = [within.since + timedelta(days=number) for number in range(within.days)]
        assert {within.period_of(day) for day in days} == set(within.periods)


@pytest.mark.parametrize(
    ("most", "whole", "ticks"),
    [
        (0, True, [1, 0]),
        (1, True, [1, 0]),
        (3, True, [3, 2, 1, 0]),
        (5, True, [6, 4, 2, 0]),
        (11, True, [15, 10, 5, 0]),
        (99, True, [100, 50, 0]),
        (101, True, [150, 100, 50, 0]),
        (4999, True, [6000, 4000, 2000, 0]),
        (0, False, [1, 0]),
        (0.3, False, [0.3, 0.2, 0.1, 0]),
        (11.5, False, [15, 10, 5, 0]),
    ],
)
def test_an_axis_has_a_few_round_numbers(most, whole, ticks):
    assert axis_ticks(most, integer=whole) == ticks


@pytest.mark.parametrize("most", [*range(1, 130), 999, 1001, 12_345, 10**9])
def test_no_bar_is_higher_than_its_axis_and_none_counts_half_a_video(most):
    ticks = axis_ticks(most, integer=True)
    assert most <= ticks[0] <= 2 * most
    assert 2 <= len(ticks) <= 5
    assert all(tick == int(tick) for tick in ticks)


def test_stacked_bars_begin_at_zero_and_do_not_overlap():
    plot = stacked_bars(["a", "b"], [{"ready": 3, "failed": 1, "other": 0}, {"ready": 0, "failed": 5, "other": 0}])
    first, second = plot.bars
    assert [(piece.kind, piece.y, piece.height) for piece in first.segments] == [
        ("ready", 50, 50),
        ("failed", 33.333, 16.667),
    ]
    assert [(piece.kind, piece.y, piece.height) for piece in second.segments] == [("failed", 16.667, 83.333)]
    assert [bar.tooltip for bar in plot.bars] == ["a: 4", "b: 5"]
    assert plot.ticks == ["6", "4", "2", "0"] and plot.labels == ["a", "b"]
    assert plot.grid == [0, 33.333, 66.667, 100]


def test_the_preset_ranges_match_their_labels():
    ranges = presets(date(2026, 3, 5))
    assert ranges["7 days"] == DateRange(date(2026, 2, 27), date(2026, 3, 5))
    assert ranges["Last month"] == DateRange(date(2026, 2, 1), date(2026, 2, 28))
    assert ranges["This month"].days == 5
