"""Roll-ups after any history: the sums of the page equal those of the rows."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.jobs import sweep
from videos.models import (
    ApiToken,
    Balance,
    Choice,
    Event,
    Generation,
    HoldReason,
    Member,
    RollUp,
    RollUpMark,
    Submission,
)
from videos.models.simulation import mark_as_simulated
from videos.provider import Sent
from videos.reports import counting, rollup_pass
from videos.reports.rollup_pass import roll_up

from ..support.factories import a_member, a_result, a_token, an_error, failure, running
from ..support.hypothesis_profiles import example_count
from ..support.rollups import (
    DAYS,
    SMALL_CHUNK,
    ZONES,
    NoCorrections,
    an_hour_passes,
    asked,
    is_exact,
    is_rolled_up,
    today,
)

some = st.integers(0, 99)

PASSES = ("pass", "pass", "short_pass", "lost_pass", "look_away", "late_pass")

STEPS = st.one_of(
    st.tuples(st.just("ask"), some, st.integers(0, DAYS - 1)),
    st.tuples(st.just("ask"), some, st.integers(0, DAYS - 1)),
    st.tuples(st.sampled_from(["send", "send", "end", "end", "end", "late_video"]), some, some),
    st.tuples(st.sampled_from(["cancel", "trash", "trash", "restore", "purge", "dismiss", "adopt"]), some, some),
    st.tuples(st.just("simulate"), some, some),
    st.tuples(st.sampled_from(["choose", "hold", "come_back", "an_hour_passes", "sweep", "move_the_team"]), some, some),
    st.tuples(st.sampled_from(PASSES), some, some),
    st.tuples(st.sampled_from(PASSES), some, some),
)  # fmt: skip

ERRORS = ("forbidden", "api_error", "timeout", "unheard_of")


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

    # Starts, admins and time.

    def simulate(self, which: int, _) -> None:
        mark_as_simulated(ApiToken.objects.filter(pk=self.tokens[which % 2].pk))
        self.seen = None

    def hold(self, *_) -> None:
        Generation.objects.hold(HoldReason.PROVIDER)

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
        """Count everything; two times in three, an hour passes, after which the pass reads no older change again."""
        while not roll_up(chunk_size=SMALL_CHUNK):
            pass
        if other % 3:
            self.an_hour_passes()

    def short_pass(self, *_) -> None:
        roll_up(seconds=0, chunk_size=SMALL_CHUNK)

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
            rollup_pass._count_older_days(self.seen, 0, SMALL_CHUNK)


setattr(History, "pass", History.pass_)


@pytest.mark.django_db
@settings(max_examples=example_count(30), deadline=None, database=None)
@given(steps=st.lists(STEPS, min_size=15, max_size=25))
def test_in_any_history_the_page_equals_the_rows(steps):
    try:
        with NoCorrections():
            history = History()
            for step in steps:
                history.happens(step)
            while not roll_up(chunk_size=SMALL_CHUNK):
                pass
            assert is_rolled_up()
            is_exact()
    finally:
        timezone.deactivate()
