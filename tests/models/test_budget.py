"""Costs are reserved at submission, settled with the video, and refunded without one."""

import contextlib
import threading
import uuid
from datetime import date, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.jobs import submit, sweep
from videos.models import ApiToken, Balance, Generation, Member, OverBudget, Pool, Pricing, Submission
from videos.provider import Sent

from ..support.budgets import ENDS, LOST, balance, claimed, terms
from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error, failure, running
from ..support.hypothesis_profiles import example_count
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)


# ── What happens to an amount ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ENDS)
def test_the_state_of_an_amount_follows_its_video(end):
    happen, expected = ENDS[end]
    a_token()
    row = a_generation()
    happen(row, row.member)
    assert balance() == balance(row.member) == expected
    sums_are_those_of_the_rows()


def test_the_price_on_the_day_of_submission_counts():
    terms(per_generate=1500, per_extend=250)
    row = a_generation()
    extension = a_generation(action="extend", source_video_id="video-1")
    terms(per_generate=9000)
    assert balance() == (1750, 0)
    row.cancel(row.member)
    extension.cancel(row.member)
    assert balance() == (0, 0)


def test_an_amount_is_settled_in_the_month_of_submission():
    a_token()
    row = a_generation()
    last_month = date(2026, 1, 1)
    Generation.objects.update(month=last_month)
    Balance.objects.update(month=last_month)
    row.claim()
    row.record(a_result(), "answer")
    assert {(one.month, one.spent) for one in Balance.objects.all()} == {(last_month, 1000)}


def test_a_late_video_is_charged_even_over_the_limit():
    a_token()
    row = a_generation()
    row.claim()
    row.refuse(LOST)
    row.dismiss(row.member)
    terms(team_limit=0, member_limit=0)
    row.record(a_result(), "callback")
    assert balance() == balance(row.member) == (0, 1000)


def test_an_adopted_video_is_charged_even_over_the_limit():
    terms(team_limit=0)
    token = a_token()
    Submission.objects.open(
        an_admin(), uuid.uuid4(), 1, event="adopted", ignore_limits=True, state="unconfirmed", token=token
    )
    assert balance() == (1000, 0)
    sums_are_those_of_the_rows()


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────────────

# The team's limit, everybody's, an exception (False: none), and how many of ten single videos are admitted.
LIMITS = {
    "no limit": (None, None, False, 10),
    "the team's": (4000, None, False, 4),
    "everybody's": (None, 3000, False, 3),
    "the narrower one, the team's": (2000, 3000, False, 2),
    "the narrower one, the member's": (5000, 1000, False, 1),
    "an exception that is wider": (None, 1000, 6000, 6),
    "an exception that is narrower": (None, 8000, 2000, 2),
    "an exception without a limit": (None, 1000, None, 10),
    "an exception does not widen the team's": (3000, 1000, None, 3),
    "nothing": (0, None, False, 0),
    "a piece of one left": (1500, None, False, 1),
}


@pytest.mark.parametrize("limits", LIMITS)
def test_the_narrower_limit_counts(limits):
    team, everybody, own, admitted = LIMITS[limits]
    terms(team_limit=team, member_limit=everybody)
    ada = a_member(own_limit=own is not False, monthly_limit=own or (0 if own == 0 and own is not False else None))
    made = 0
    for _ in range(10):
        try:
            a_generation(ada)
            made += 1
        except OverBudget:
            pass
    assert made == admitted == Generation.objects.count()
    sums_are_those_of_the_rows()


def test_either_all_takes_are_accepted_or_none():
    terms(member_limit=3000)
    with pytest.raises(OverBudget):
        a_generation(takes=4)
    assert not Generation.objects.exists() and not Submission.objects.exists()
    sums_are_those_of_the_rows()
    a_generation(takes=3)
    assert balance() == (3000, 0)


def test_one_member_s_limit_does_not_affect_others():
    terms(member_limit=1000)
    ada, ben = a_member("ada"), a_member("ben")
    a_generation(ada)
    a_generation(ben)
    with pytest.raises(OverBudget, match="your"):
        a_generation(ada)


def test_refunded_credits_can_be_used_again():
    terms(member_limit=1000)
    row = a_generation()
    row.cancel(row.member)
    a_generation(row.member)


def test_the_message_names_the_remaining_credits_and_who_can_raise_the_limit():
    an_admin("grace")
    terms(member_limit=20_000, per_generate=7000)
    ada = a_member()
    a_generation(ada, takes=2)
    with pytest.raises(OverBudget) as refused:
        a_generation(ada)
    assert "This takes 7 credits, and 6 of your 20 credits are left" in str(refused.value)
    assert "grace can raise the limit" in str(refused.value)


def admitted(members: list[Member]) -> int:
    """Return how many of these concurrent submissions, each in a separate thread and connection, are accepted."""
    together = threading.Barrier(len(members))
    outcomes, errors = [], []

    def submit(member: Member) -> None:
        try:
            together.wait()
            Submission.objects.open(member, uuid.uuid4(), 1, prompt="A heron")
            outcomes.append(True)
        except OverBudget:
            outcomes.append(False)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=submit, args=[member]) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(outcomes) == len(members)
    assert outcomes.count(True) == Generation.objects.count()
    return outcomes.count(True)


def test_forty_concurrent_members_get_the_team_s_remaining_ten():
    terms(team_limit=10_000)
    assert admitted([a_member(f"member-{number}") for number in range(40)]) == 10
    assert balance() == (10_000, 0)
    sums_are_those_of_the_rows()


def test_forty_concurrent_tabs_of_a_member_get_their_remaining_ten():
    terms(member_limit=10_000)
    assert admitted([a_member()] * 40) == 10
    sums_are_those_of_the_rows()


def test_forty_concurrent_submissions_without_a_limit_are_all_counted():
    assert admitted([a_member(f"member-{number}") for number in range(5)] * 8) == 40
    sums_are_those_of_the_rows()


# ── The token's day ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_at_its_daily_limit_hands_over_to_the_next():
    small, large = a_token(daily_limit=2000, priority=1), a_token("other", priority=2)
    rows = [a_generation() for _ in range(3)]
    claims = [row.claim() for row in rows]
    assert [claim.token for claim in claims] == [small, small, large]
    sums_are_those_of_the_rows()


def test_a_video_too_expensive_for_today_does_not_block_cheaper_ones():
    a_token(daily_limit=1000)
    Pricing.current().save()
    Pricing.objects.update(per_generate=2000, per_extend=1000)
    costly = [a_generation() for _ in range(51)]
    cheap = a_generation(action="extend", source_video_id="v-1")
    line, claim = submit._next_claim([], lambda: False)
    assert (line, claim.generation) == ([], cheap)
    assert submit.has_sendable() is False, "a drain that could send nothing would be woken again and again"
    assert {row.state for row in Generation.objects.filter(pk__in=[row.pk for row in costly])} == {"queued"}


def test_rows_wait_for_a_token_at_its_daily_limit_and_say_why():
    a_token(daily_limit=1000)
    first, second = a_generation(), a_generation()
    assert first.claim()
    assert not second.claim()
    second.refresh_from_db()
    assert second.state == "queued"
    assert Pool.current().wait.key == "day"
    tomorrow = timezone.now() + timedelta(days=1)
    assert second.claim(tomorrow)


def test_unsent_videos_do_not_count_for_the_daily_limit():
    token = a_token(daily_limit=1000)
    row = a_generation()
    row.claim()
    row.refuse(an_error("not_sent", Sent.NEVER))
    token.refresh_from_db()
    assert token.day_used == 0
    assert row.claim(timezone.now() + timedelta(minutes=10)), "after the token's rest"


def test_a_failure_of_yesterday_refunds_nothing_today():
    token = a_token(daily_limit=1000)
    old = claimed()
    old.record(running(), "answer")
    Generation.objects.filter(pk=old.pk).update(claimed_on=timezone.localdate() - timedelta(days=1))
    ApiToken.objects.update(day=timezone.localdate() - timedelta(days=1))
    old.refresh_from_db()
    new = a_generation()
    assert new.claim()
    old.record(failure(), "sweep")
    token.refresh_from_db()
    assert (token.day, token.day_used) == (timezone.localdate(), 1000)
    sums_are_those_of_the_rows()


def test_a_daily_limit_below_the_price_of_any_video_is_reported():
    a_token(daily_limit=500)
    a_generation()
    assert Pool.current().wait.key == "day"
    assert not ApiToken.objects.with_room(amount=1000).exists()


# ── The sums and the rows ─────────────────────────────────────────────────────────────────────────────────────

ACTS = {
    "claim": lambda row, ada, task: row.claim(),
    "run": lambda row, ada, task: row.record(running(task), "answer"),
    "complete": lambda row, ada, task: row.record(a_result(task), "callback"),
    "fail": lambda row, ada, task: row.record(failure(task), "sweep"),
    "lose": lambda row, ada, task: row.refuse(LOST),
    "cancel": lambda row, ada, task: row.cancel(ada),
    "dismiss": lambda row, ada, task: row.dismiss(ada),
    "retry": lambda row, ada, task: Submission.objects.retry(row, ada),
    "trash": lambda row, ada, task: row.trash(ada),
    "purge": lambda row, ada, task: row.purge(ada),
    "adopt": lambda row, ada, task: row.adopt(ada, ApiToken.objects.order_by("-pk").first()),
    "sweep": lambda row, ada, task: sweep.sweep(),
}
STEPS = st.sampled_from(["ask", "ask", "claim", *ACTS])


@pytest.mark.django_db
@settings(max_examples=example_count(80), deadline=None, database=None, derandomize=True)
@given(steps=st.lists(st.tuples(STEPS, st.integers(0, 9), st.sampled_from([0, 333, 1000, 2500])), max_size=40))
def test_the_stored_sums_always_equal_those_of_the_rows(steps):
    members = [Member.objects.get_or_create(username=name)[0] for name in ("ada", "ben")]
    if not ApiToken.objects.exists():
        a_token(daily_limit=6000), a_token("sandbox-2")
    for number, (step, which, price) in enumerate(steps):
        terms(per_generate=price, member_limit=9000)
        rows = list(Generation.objects.all())
        with contextlib.suppress(OverBudget):
            if step == "ask" or not rows:
                a_generation(members[which % 2], takes=1 + which % 4)
            else:
                row = rows[which % len(rows)]
                ACTS[step](row, members[0], row.task_id or f"task-{row.pk}-{number}")
        sums_are_those_of_the_rows()
