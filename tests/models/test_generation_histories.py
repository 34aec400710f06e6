"""Random histories of claims, answers, callbacks, sweeps and kills, compared with what a provider would charge.

The oracle knows nothing of states: it remembers for each POST whether the provider accepted it and what we can know
of that, and allows a new one only where all earlier ones surely were not.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.jobs import results, sweep
from videos.models import ApiToken, Balance, Event, Generation, Member, Submission, Verdict
from videos.models.circuit import AS_NEW
from videos.models.state import HOLDS_A_SLOT
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_result, a_token, an_error, failure, running
from ..support.hypothesis_profiles import example_count
from ..support.ledger import sums_are_those_of_the_rows

MOST_ROWS = 7
# Events that tell something without changing the row.
NO_STEP = ("foreign_news", "retried")
# The states that may follow a state from which a row never returns to the queue.
NO_WAY_BACK = {
    "completed": {"completed"},
    "failed": {"failed", "completed"},
    "canceled": {"canceled"},
    "unconfirmed": {"unconfirmed", "processing", "completed", "failed"},
}
# What the provider does with a POST: whether it was accepted, and how that looks from here.
FATES = {
    "accepted": (True, None),
    "answer lost": (True, an_error("no_answer", Sent.MAYBE)),
    "server error": (True, an_error("api_error", Sent.MAYBE, status=500)),
    "gateway error": (False, an_error("api_error", Sent.MAYBE, status=502)),
    "never sent": (False, an_error("not_sent", Sent.NEVER)),
    "rate limited": (False, an_error("too_many_requests", Sent.REFUSED, status=429, retry_after=30)),
    "used up": (False, an_error("used_up", Sent.REFUSED, status=403)),
    "moderated": (False, an_error("forbidden", Sent.REFUSED, status=403)),
    "unheard of": (False, an_error("http_418", Sent.REFUSED, status=418)),
}
some = st.integers(0, 99)
mostly = st.sampled_from([True, True, True, True, False])
# A step: the name of what happens, and with what.
SEND = st.tuples(
    st.just("claim_and_send"),
    some,
    st.sampled_from(sorted(FATES)),
    mostly,
    st.sampled_from(["answered", "answered", "killed", "still under way"]),
    mostly,
    mostly,
)
STEPS = st.one_of(
    SEND,
    SEND,
    st.tuples(st.just("hear_at_last"), some),
    st.tuples(
        st.just("use_the_page"),
        st.sampled_from(["ask", "look", "cancel", "dismiss", "dismiss", "retry", "retry"]),
        some,
        mostly,
    ),
    st.tuples(st.just("tick"), mostly),
    st.tuples(st.just("call_back"), some, st.booleans()),
    st.tuples(st.just("mislead"), some, some, st.booleans()),
)


@dataclass
class Post:
    """One POST as the provider knows it. `copy` is the sender's instance of the row, possibly stale."""

    copy: Generation
    fate: str
    task: str  # "" where it was not accepted
    makes_a_video: bool
    surely_unpaid: bool = False

    @property
    def result(self):
        return a_result(self.task) if self.makes_a_video else failure(self.task)


class History:
    """One installation, its members and its provider."""

    def __init__(self) -> None:
        for model in (Event, Generation, Submission, ApiToken, Balance):
            if model is Generation:
                model.objects.update(retry_of=None)
            model.objects.all().delete()
        self.member = Member.objects.first() or a_member()
        for number, limit in enumerate((2, 1)):
            a_token(f"sandbox-{number}", max_in_flight=limit)
        self.posts: dict[int, list[Post]] = defaultdict(list)
        self.under_way: list[Post] = []
        self.seen: dict[int, tuple] = {}
        self.copies: list[Generation] = []  # as a process read them at some time
        self.number = 0
        self.ask(takes=4)

    def happens(self, step: tuple) -> None:
        """Take one step, if it applies, and check the invariants after it."""
        name, *given_to_it = step
        if not {"hear_at_last": self.under_way, "call_back": self.accepted(), "mislead": self.accepted()}.get(
            name, True
        ):
            return
        getattr(self, name)(*given_to_it)
        self.nothing_is_paid_twice()
        self.rows_change_by_whole_steps()
        self.slots_are_those_of_the_rows()
        self.a_row_knows_its_own_task_only()

    # ── Members ─────────────────────────────────────────────────────────────────────────────────────────

    def use_the_page(self, what: str, which: int, sensible: bool) -> None:
        if what in ("ask", "retry") and len(self.seen) >= MOST_ROWS:
            return
        if what == "ask":
            self.ask(takes=1 + which % 2)
            return
        state = {"cancel": "queued", "dismiss": "unconfirmed", "retry": "failed"}.get(what, "")
        copy = self.pick(self.those_now(state, sensible), which)
        if what == "look":
            self.copies.append(Generation.objects.get(pk=copy.pk))
        else:
            # A retry is a new generation: the member wants its POST, which counts separately.
            if what == "retry":
                Submission.objects.retry(copy, self.member)
            else:
                getattr(copy, what)(self.member)
            self.copies += Generation.objects.exclude(pk__in=[known.pk for known in self.copies])

    def ask(self, takes: int) -> None:
        a_generation(self.member, takes=takes)
        self.copies += Generation.objects.exclude(pk__in=[known.pk for known in self.copies])

    # ── Workers ─────────────────────────────────────────────────────────────────────────────────────────

    def claim_and_send(
        self, which: int, fate: str, makes_a_video: bool, then: str, sensible: bool, mended: bool
    ) -> None:
        if mended:
            self.mend_the_tokens()
        copy = self.pick(self.those_now("queued", sensible), which)
        now = Generation.objects.get(pk=copy.pk)
        due = now.state == "queued" and now.not_before <= timezone.now()
        sendable = due and ApiToken.objects.with_room().exists()
        claim = copy.claim()
        assert bool(claim) == sendable
        if not claim:
            return
        assert all(post.surely_unpaid for post in self.posts[copy.pk]), "a POST that may have been paid is repeated"
        token = ApiToken.objects.get(pk=claim.token.pk)
        assert token.in_flight <= token.max_in_flight
        accepted, _ = FATES[fate]
        self.number += 1
        sender_s_copy = Generation.objects.get(pk=copy.pk)
        post = Post(sender_s_copy, fate, f"task-{self.number}" if accepted else "", makes_a_video)
        self.posts[copy.pk].append(post)
        self.rows_change_by_whole_steps()
        if then == "answered":
            self.hear(post)
        elif then == "still under way":
            self.under_way.append(post)

    def hear_at_last(self, which: int) -> None:
        post = self.pick(self.under_way, which)
        self.under_way.remove(post)
        self.hear(post)

    @staticmethod
    def hear(post: Post) -> None:
        _, error = FATES[post.fate]
        if error is None:
            post.copy.record(running(post.task), "answer")
            return
        post.surely_unpaid = error.sent is not Sent.MAYBE
        post.copy.refuse(error)

    def tick(self, asks: bool) -> None:
        """Let so much time pass that even a running POST may be given up as interrupted."""
        Generation.objects.filter(state="submitting").update(submitted_at=timezone.now() - timedelta(minutes=10))
        sweep.sweep()
        assert not Generation.objects.filter(state="submitting").exists()
        self.rows_change_by_whole_steps()
        if asks:
            Generation.objects.filter(next_poll_at__isnull=False).update(next_poll_at=timezone.now())
            for row in Generation.objects.due_for_polling():
                results.record_result(row, self.owner(row.task_id).result, "sweep")

    def mend_the_tokens(self) -> None:
        ApiToken.objects.update(**AS_NEW)
        Generation.objects.filter(state="queued").update(not_before=timezone.now())

    # ── The provider ────────────────────────────────────────────────────────────────────────────────────

    def call_back(self, which: int, old_copy: bool) -> None:
        """Deliver a callback before the answer, late or twice, to a process with a possibly stale row."""
        self.deliver(self.pick(self.accepted(), which), old_copy)

    def mislead(self, which: int, other: int, video: bool) -> None:
        """News of a task that is nobody's or another generation's, to a row whose own task is known; and of a known
        task of one generation to a row whose own is not."""
        task = Generation.objects.get(pk=self.pick(self.accepted(), which).copy.pk).task_id
        row = Generation.objects.get(pk=self.pick(self.copies, other).pk)
        if row.task_id:
            wrong = task if task not in ("", row.task_id) else "nobody's"
            assert row.record(a_result(wrong) if video else failure(wrong), "callback") is Verdict.REFUSED
        elif task and row.token_id == self.owner(task).copy.token_id:
            assert row.record(running(task), "callback") is Verdict.REFUSED

    # ── What must hold after every step ─────────────────────────────────────────────────────────────────

    def nothing_is_paid_twice(self) -> None:
        for posts in self.posts.values():
            assert sum(bool(post.task) for post in posts) <= 1

    def rows_change_by_whole_steps(self) -> None:
        for row in Generation.objects.all():
            steps = row.events.exclude(kind__in=NO_STEP).count()
            facts = (
                row.state,
                row.task_id,
                row.token_id,
                row.error_code,
                row.archive,
                row.attempts,
                row.result_channel,
            )
            version, before, steps_before = self.seen.get(row.pk, (row.version, facts, steps))
            assert row.version - version == (facts != before) == steps - steps_before, (before, facts)
            assert row.state in NO_WAY_BACK.get(before[0], {row.state})
            if before[1]:
                assert row.task_id == before[1]
            self.seen[row.pk] = (row.version, facts, steps)

    def slots_are_those_of_the_rows(self) -> None:
        for token in ApiToken.objects.all():
            assert token.in_flight == token.generations.filter(state__in=HOLDS_A_SLOT).count()
            assert token.sending == token.generations.filter(state="submitting").count()
        sums_are_those_of_the_rows()

    def a_row_knows_its_own_task_only(self) -> None:
        for row in Generation.objects.exclude(task_id=""):
            assert self.owner(row.task_id).copy.pk == row.pk

    def ends(self) -> None:
        """Deliver all callbacks: no video may be lost."""
        for post in self.accepted():
            self.deliver(post, old_copy=False)
            row = Generation.objects.get(pk=post.copy.pk)
            assert row.task_id == post.task
            assert row.state == ("completed" if post.makes_a_video else "failed")
        self.tick(asks=True)
        self.slots_are_those_of_the_rows()

    # ── Words used above ────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def pick(rows: list, which: int):
        return rows[which % len(rows)]

    def those_now(self, state: str, sensible: bool) -> list[Generation]:
        """Return instances of rows in this state; of any row if there are none, or sometimes at random."""
        pks = set(Generation.objects.filter(state=state).values_list("pk", flat=True)) if sensible else set()
        return [copy for copy in self.copies if copy.pk in pks] or self.copies

    def accepted(self) -> list[Post]:
        return [post for posts in self.posts.values() for post in posts if post.task]

    def owner(self, task: str) -> Post:
        return next(post for post in self.accepted() if post.task == task)

    def deliver(self, post: Post, old_copy: bool) -> None:
        old = [copy for copy in self.copies if copy.pk == post.copy.pk]
        row = old[0] if old_copy and old else Generation.objects.get(pk=post.copy.pk)
        assert results.record_result(row, post.result, "callback") is not Verdict.REFUSED


@pytest.mark.django_db
@settings(max_examples=example_count(60), deadline=None, database=None)
@given(steps=st.lists(STEPS, min_size=20, max_size=30))
def test_in_any_history_nothing_is_paid_twice_and_no_video_is_lost(steps):
    history = History()
    for step in steps:
        history.happens(step)
    history.ends()
