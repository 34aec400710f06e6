"""Roll-ups equal the rows, after every step of random histories and under concurrent writes."""

import logging
import threading
import uuid
from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.jobs import sweep
from videos.models import ApiToken, Balance, Choice, Event, Generation, Member, RollUp, RollUpMark, Submission
from videos.models.budget import RESERVED, SPENT
from videos.models.rollup import BEGINNING
from videos.provider import Sent
from videos.reports import counting, rollup_pass, rollups
from videos.reports.periods import DateRange
from videos.reports.rollup_pass import roll_up
from videos.reports.usage import OUTCOMES, report, tallies

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error, failure, running
from ..support.hypothesis_profiles import example_count

DAYS = 12
PIECE = 3


def today() -> date:
    return timezone.localdate()


def asked(member: Member, days_ago: int = 0, **extra) -> Generation:
    """Create a generation submitted on another day, which nothing in the product can do."""
    row = a_generation(member, **extra)
    Generation.objects.filter(submission=row.submission).update(created_at=timezone.now() - timedelta(days=days_ago))
    return Generation.objects.get(pk=row.pk)


def counted_by_hand(within: DateRange) -> tuple:
    """Count everything that the page shows from the rows."""
    sums: dict[tuple, Counter] = {}
    failed: Counter = Counter()
    latest: dict[str, int] = {}
    for row in Generation.objects.order_by("pk"):
        day = timezone.localdate(row.created_at)
        if not within.since <= day <= within.until:
            continue
        for key in (("day", day), ("member", row.member_id), ("token", row.token_id)):
            one = sums.setdefault(key, Counter())
            one[OUTCOMES.get(row.state, "open")] += 1
            one["spent"] += row.amount if row.state in SPENT else 0
            one["reserved"] += row.amount if row.state in RESERVED else 0
        if row.state == "failed":
            failed[row.error_code] += 1
            if not row.trashed_at:
                latest[row.error_code] = row.pk
    return {key: +one for key, one in sums.items()}, failed, latest


def told(within: DateRange) -> tuple:
    """Return the same figures from the models."""
    found = report(within)
    kinds = {"day": found.days, "member": found.members, "token": found.tokens}
    sums = {
        (kind, key): +Counter(one.videos | Counter(spent=one.spent, reserved=one.reserved))
        for kind, those in kinds.items()
        for key, one in those.items()
    }
    failed: Counter = Counter()
    latest: dict[str, int] = {}
    for row in rollups.read_totals(within.since, within.until)["failure"]:
        failed[row.key] += row.videos
        if row.latest:
            latest[row.key] = max(row.latest, latest.get(row.key, 0))
    assert sum(failure.videos for failure in found.failures) == failed.total()
    return sums, failed, latest


def is_exact() -> None:
    day = timedelta(days=1)
    for since, until in (
        (date(2001, 1, 1), today() + 2 * day),
        (today() - 5 * day, today() - 2 * day),
    ):
        within = DateRange(since, until)
        assert told(within) == counted_by_hand(within), (since, until)


def an_hour_passes() -> None:
    """Make all rows and the mark one hour older, within the same days."""
    an_hour = timedelta(hours=1)
    Generation.objects.update(changed_at=F("changed_at") - an_hour)
    RollUpMark.objects.update(at=F("at") - an_hour)


def is_rolled_up() -> bool:
    """Return True if nothing has to be counted from the rows."""
    mark = RollUpMark.current()
    return bool(mark and mark.since == BEGINNING and not mark.changed_days(date(2001, 1, 1), date(2999, 1, 1)))


class NeverMended(logging.Handler):
    """Fail if a pass corrects a sum: only wrong clocks need corrections, and none are wrong here."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())

    def __enter__(self) -> None:
        rollup_pass.logger.addHandler(self)

    def __exit__(self, *_) -> None:
        rollup_pass.logger.removeHandler(self)


# ── Histories ─────────────────────────────────────────────────────────────────────────────────────────────────

some = st.integers(0, 99)
PASSES = ("pass", "pass", "short_pass", "lost_pass", "look_away", "late_pass")
STEPS = st.one_of(
    st.tuples(st.just("ask"), some, st.integers(0, DAYS - 1)),
    st.tuples(st.just("ask"), some, st.integers(0, DAYS - 1)),
    st.tuples(st.sampled_from(["send", "send", "end", "end", "end", "late_video"]), some, some),
    st.tuples(st.sampled_from(["cancel", "trash", "trash", "restore", "purge", "dismiss", "adopt"]), some, some),
    st.tuples(st.sampled_from(["choose", "hold", "come_back", "an_hour_passes", "sweep", "move_the_team"]), some, some),
    st.tuples(st.sampled_from(PASSES), some, some),
    st.tuples(st.sampled_from(PASSES), some, some),
)  # fmt: skip
ERRORS = ("forbidden", "api_error", "timeout", "unheard_of")
ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Chatham")


class History:
    """Two members and two tokens over some days."""

    def __init__(self) -> None:
        for model in (RollUp, RollUpMark, Event, Generation, Submission, ApiToken, Balance):
            model.objects.all().delete()
        self.members = [Member.objects.filter(username=name).first() or a_member(name) for name in ("ada", "ben")]
        self.tokens = [a_token(f"sandbox-{number}", base_url=f"http://127.0.0.1:{9 + number}") for number in range(2)]
        self.seen: RollUpMark | None = None
        self.number = 0
        self.ask(1, 0)

    def happens(self, step: tuple) -> None:
        name, one, other = step
        getattr(self, name)(one, other)
        is_exact()

    def any_row(self, which: int, *states: str, **those) -> Generation | None:
        rows = list(Generation.objects.filter(**({"state__in": states} if states else {}), **those).order_by("pk"))
        return rows[which % len(rows)] if rows else None

    # Members.

    def ask(self, which: int, days_ago: int) -> None:
        asked(self.members[which % 2], days_ago, takes=1 + which % 2, action="extend" if which % 5 == 0 else "generate")

    def cancel(self, which: int, _) -> None:
        if row := self.any_row(which, "queued"):
            row.cancel(row.member)

    def trash(self, which: int, _) -> None:
        self.any_row(which).trash(self.members[0])

    def restore(self, which: int, _) -> None:
        if row := self.any_row(which, trashed_at__isnull=False):
            row.restore(row.member)

    def purge(self, which: int, _) -> None:
        if row := self.any_row(which, trashed_at__isnull=False):
            row.purge()

    def dismiss(self, which: int, _) -> None:
        if row := self.any_row(which, "unconfirmed"):
            row.dismiss(row.member)

    def choose(self, which: int, other: int) -> None:
        self.any_row(which).choose(Choice.PICKED if other % 2 else Choice.REJECTED, self.members[1])

    # Workers and the provider.

    def send(self, which: int, other: int) -> None:
        row = self.any_row(which, "queued")
        if not row or not row.claim():
            return
        if other % 3 == 0:
            sent = (Sent.MAYBE, Sent.NEVER, Sent.REFUSED)[other % 9 // 3]
            row.refuse(an_error(ERRORS[other % 4], sent, status=500 if sent is Sent.MAYBE else 403))
        else:
            self.number += 1
            row.record(running(f"task-{self.number}"), "answer")

    def end(self, which: int, other: int) -> None:
        row = self.any_row(which, "processing", "submitting")
        if row:
            task = row.task_id or f"early-{row.pk}"
            row.record(a_result(task) if other % 3 else failure(task, ERRORS[other % 4]), "callback")

    def late_video(self, which: int, _) -> None:
        if row := self.any_row(which, "failed", "unconfirmed"):
            row.record(a_result(row.task_id or f"late-{row.pk}"), "callback")

    def adopt(self, which: int, other: int) -> None:
        if row := self.any_row(which, "canceled", "failed", "unconfirmed", task_id=""):
            row.adopt(self.members[0], self.tokens[other % 2])

    # Admins and time.

    def hold(self, *_) -> None:
        Generation.objects.hold()

    def come_back(self, *_) -> None:
        Generation.objects.hold_after_restore()

    def sweep(self, *_) -> None:
        sweep.sweep()

    def an_hour_passes(self, *_) -> None:
        an_hour_passes()
        self.seen = None

    def move_the_team(self, which: int, _) -> None:
        timezone.activate(ZONES[which % len(ZONES)])

    # Passes.

    def pass_(self, _, other: int) -> None:
        """All is counted; mostly long enough before what follows that nothing else is looked at any more."""
        while not roll_up(chunk_size=PIECE):
            pass
        if other % 3:
            self.an_hour_passes()

    def short_pass(self, *_) -> None:
        roll_up(seconds=0, chunk_size=PIECE)

    def lost_pass(self, which: int, _) -> None:
        """Kill a pass after it counted a day and before it moved the mark."""
        if (mark := RollUpMark.current()) and mark.since:
            day = today() - timedelta(days=which % DAYS)
            mark.replace(
                day,
                day + counting.ONE_DAY,
                counting.group_tallies(counting.count_videos((day, day + counting.ONE_DAY))),
            )

    def look_away(self, *_) -> None:
        """Let a second pass read the mark and then pause."""
        self.seen = RollUpMark.current()

    def late_pass(self, *_) -> None:
        """Let the paused pass continue with what it had read."""
        if self.seen and self.seen.zone == timezone.get_current_timezone_name():
            rollup_pass._recount_changed_days(self.seen, 0)
            rollup_pass._count_older_days(self.seen, 0, PIECE)


setattr(History, "pass", History.pass_)


@pytest.mark.django_db
@settings(max_examples=example_count(30), deadline=None, database=None)
@given(steps=st.lists(STEPS, min_size=15, max_size=25))
def test_in_any_history_the_page_equals_the_rows(steps):
    try:
        with NeverMended():
            history = History()
            for step in steps:
                history.happens(step)
            while not roll_up(chunk_size=PIECE):
                pass
            assert is_rolled_up()
            is_exact()
    finally:
        timezone.deactivate()


# ── What a pass does ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ada(db) -> Member:
    return a_member("ada")


def test_once_rolled_up_nothing_is_counted_from_the_rows(ada):
    for days_ago in range(DAYS):
        asked(ada, days_ago)
    assert roll_up() and is_rolled_up()
    # Where a sum is wrong by hand and its day did not change, what is read is what was counted ahead.
    RollUp.objects.filter(by="token", day=today()).update(videos=70)
    assert report(DateRange(today(), today())).total.requested == 70


def test_a_change_is_shown_at_once_and_recounts_only_its_day(ada):
    rows = [asked(ada, days_ago) for days_ago in range(DAYS)]
    roll_up()
    rows[4].cancel(ada)
    assert RollUpMark.current().changed_days(date(2001, 1, 1), today()) == [today() - timedelta(days=4)]
    is_exact()
    with NeverMended():
        roll_up()
    assert is_rolled_up()
    is_exact()


def test_rows_older_than_the_roll_ups_are_counted_in_chunks(ada):
    for days_ago in range(DAYS):
        asked(ada, days_ago, takes=2)
    passes = 0
    while not roll_up(seconds=0, chunk_size=PIECE):
        passes += 1
        is_exact()
    assert passes >= 3
    assert is_rolled_up()


def test_changes_beyond_one_round_are_counted_in_the_next_ones(ada):
    rows = [asked(ada, days_ago) for days_ago in range(DAYS)]
    roll_up()
    for row in rows:
        row.cancel(ada)
    passes = 1
    while not roll_up(seconds=0, chunk_size=PIECE):
        passes += 1
        is_exact()
    assert 1 < passes <= DAYS
    assert is_rolled_up()


def test_an_idle_installation_writes_no_sums(ada):
    asked(ada)
    roll_up()
    before = set(RollUp.objects.values_list("pk", flat=True)), RollUpMark.objects.get().version
    roll_up()
    assert (set(RollUp.objects.values_list("pk", flat=True)), RollUpMark.objects.get().version) == before


def test_of_two_concurrent_passes_one_gives_way(ada):
    row = asked(ada)
    roll_up()
    slow = RollUpMark.current()
    day = (today(), today() + counting.ONE_DAY)
    old = counting.group_tallies(counting.count_videos(day))
    row.cancel(ada)
    roll_up()
    assert not slow.replace(*day, old)
    is_exact()


def test_the_ticker_updates_the_roll_ups(ada):
    asked(ada, 2)
    sweep.sweep()
    assert is_rolled_up()


def test_a_new_time_zone_recounts_everything(ada):
    for hours in range(0, 72, 5):
        row = asked(ada)
        Generation.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    an_hour_passes()
    asked(ada)  # so that the others are no longer among the latest changes
    roll_up()
    for zone in ZONES:
        with timezone.override(zone):
            is_exact()
            while not roll_up(chunk_size=PIECE):
                is_exact()
            assert is_rolled_up()
            is_exact()


def test_a_time_far_in_the_future_is_ignored(ada):
    row = asked(ada)
    roll_up()
    RollUpMark.objects.update(at=timezone.now() + timedelta(days=3))
    row.cancel(ada)
    assert RollUpMark.current() is None
    is_exact()
    roll_up()
    assert is_rolled_up()


def test_a_change_by_a_clock_that_is_minutes_behind_is_seen(ada):
    row = asked(ada)
    an_hour_passes()
    asked(ada)
    roll_up()
    row.cancel(ada)
    Generation.objects.filter(pk=row.pk).update(changed_at=timezone.now() - timedelta(minutes=10))
    is_exact()
    roll_up()
    is_exact()


def test_a_wrong_sum_is_logged_and_corrected(ada, caplog):
    for days_ago in range(DAYS):
        asked(ada, days_ago)
    roll_up()
    wrong = today() - timedelta(days=9)
    RollUp.objects.filter(day=wrong, by="member").update(amount=5)
    with caplog.at_level(logging.ERROR):
        for _ in range(DAYS + 2):
            roll_up(chunk_size=1)
    assert [record.getMessage() for record in caplog.records] == [
        f"the usage sums of {wrong} did not match their videos; recounting"
    ]
    is_exact()


def test_purged_failures_are_counted_and_not_shown(ada):
    first, last = (asked(ada, prompt=f"take {number}") for number in range(2))
    for row in (first, last):
        row.claim() if a_token(uuid.uuid4().hex) else None
        row.refuse(an_error("forbidden", Sent.REFUSED, status=403))
    roll_up()
    within = DateRange(today(), today())
    assert report(within).failures[0].latest == last
    last.trash(ada)
    assert report(within).failures[0].latest == first
    roll_up()
    assert (report(within).failures[0].videos, report(within).failures[0].latest) == (2, first)


def test_the_page_makes_a_constant_number_of_queries(client, ada, django_assert_num_queries):
    """With roll-ups, without, and with days that changed since."""
    client.force_login(an_admin())
    address = f"/usage/?since={today() - timedelta(days=400)}&until={today()}"
    rows = [asked(ada, days_ago) for days_ago in range(3)]
    while not roll_up():
        pass
    client.get(address)  # the first page also notes that somebody is here
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    few = len(queries)
    assert few <= 15
    rows += [asked(ada, days_ago % 300) for days_ago in range(0, 6000, 31)]
    while not roll_up():
        pass
    with django_assert_num_queries(few):
        client.get(address)
    for row in rows[::9]:
        row.cancel(ada)
    # What changed is counted in one more.
    with django_assert_num_queries(few + 1):
        client.get(address)


# ── All at once ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_under_concurrent_writes_the_sums_always_equal_the_rows():
    """Writers, passes and readers run in threads; each reader compares its figures with a full count."""
    members = [a_member(f"member{number}") for number in range(3)]
    for number in range(60):
        asked(members[number % 3], number % DAYS)
    errors: list[BaseException] = []
    busy = len(members)
    reads = passes = 0

    def writer(member: Member) -> None:
        nonlocal busy
        try:
            for number, row in enumerate(Generation.objects.filter(member=member)):
                row.cancel(member)
                if number % 2:
                    row.trash(member)
                if number % 4 == 1:
                    row.purge()
                asked_now = a_generation(member)
                if number % 3:
                    asked_now.cancel(member)
        finally:
            busy -= 1

    def passing() -> None:
        nonlocal passes
        while busy:
            roll_up(seconds=0.01, chunk_size=20)
            passes += 1

    def reader() -> None:
        nonlocal reads
        within = (today() - timedelta(days=DAYS), today())
        while busy:
            with rollups.snapshot():
                ahead = rollups.read_totals(*within)
                now = counting.group_tallies(counting.count_videos((within[0], within[1] + counting.ONE_DAY)))
            expected, found = Counter(), Counter()
            for row in now:
                expected[row.by, row.key, row.state] += row.videos
                expected[row.by, row.key, row.state, "amount"] += row.amount
            for by in RollUp.By.values:
                for row in ahead[by]:
                    found[by, row.key, row.state] += row.videos
                    found[by, row.key, row.state, "amount"] += row.amount
            assert found == expected
            reads += 1

    def guarded(work, *args) -> None:
        try:
            work(*args)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(writer, member)) for member in members]
    threads += [threading.Thread(target=guarded, args=(work,)) for work in (passing, passing, reader, reader)]
    with NeverMended():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors
    assert reads and passes
    while not roll_up():
        pass
    assert is_rolled_up()
    is_exact()
    assert sum(row.videos for row in tallies(DateRange(today() - timedelta(days=DAYS), today()))) == 120
