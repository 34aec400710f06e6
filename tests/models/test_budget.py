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

from videos.forms import PricingForm
from videos.jobs import submit, sweep
from videos.models import ApiToken, AuditEntry, Balance, Generation, Member, OverBudget, Pool, Pricing, Submission
from videos.models.amounts import month_of, shown
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, an_error, failure, running
from ..support.hypothesis_profiles import example_count
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = {"form": "1", "mode": "text"}


def terms(**limits) -> Pricing:
    return Pricing.objects.update_or_create(pk=1, defaults=limits)[0]


def balance(member=None) -> tuple[int, int]:
    row = Balance.objects.get(member=member, month=month_of())
    return row.reserved, row.spent


def claimed(**settings) -> Generation:
    if not ApiToken.objects.exists():
        a_token()
    generation = a_generation(**settings)
    assert generation.claim()
    generation.refresh_from_db()
    return generation


# ── What happens to an amount ─────────────────────────────────────────────────────────────────────────────────

REFUSED = an_error("forbidden", Sent.REFUSED, status=403)
LOST = an_error("no_answer", Sent.MAYBE)
ENDS = {
    "waiting": (lambda row, ada: None, (1000, 0)),
    "canceled": (lambda row, ada: row.cancel(ada), (0, 0)),
    "sent": (lambda row, ada: row.claim(), (1000, 0)),
    "refused": (lambda row, ada: (row.claim(), row.refuse(REFUSED)), (0, 0)),
    "running": (lambda row, ada: (row.claim(), row.record(running(), "answer")), (1000, 0)),
    "completed": (lambda row, ada: (row.claim(), row.record(a_result(), "answer")), (0, 1000)),
    "told twice": (
        lambda row, ada: (row.claim(), row.record(a_result(), "answer"), row.record(a_result(), "callback")),
        (0, 1000),
    ),
    "failed": (lambda row, ada: (row.claim(), row.record(failure(), "callback")), (0, 0)),
    "unconfirmed": (lambda row, ada: (row.claim(), row.refuse(LOST)), (1000, 0)),
    "dismissed": (lambda row, ada: (row.claim(), row.refuse(LOST), row.dismiss(ada)), (0, 0)),
    "late after all": (
        lambda row, ada: (row.claim(), row.refuse(LOST), row.dismiss(ada), row.record(a_result(), "callback")),
        (0, 1000),
    ),
    "trashed while it waits": (lambda row, ada: row.trash(ada), (0, 0)),
    "made, then deleted": (
        lambda row, ada: (row.claim(), row.record(a_result(), "answer"), row.trash(ada), row.purge(ada)),
        (0, 1000),
    ),
}  # fmt: skip


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
    line, claim = submit._next_claim([])
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


# ── Over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_form_shows_its_cost_and_the_remaining_credits(client):
    ada = a_member()
    client.force_login(ada)
    assert "1 credit<" in client.get("/").content.decode()
    terms(member_limit=5000, per_generate=1500, currency="USD")
    text = client.get("/").content.decode()
    assert "1.5 USD of 5 left" in text
    assert 'data-left="5000"' in text


def test_at_the_limit_nothing_is_created_and_the_form_keeps_its_fields(client):
    an_admin("grace")
    terms(member_limit=1000)
    ada = a_member()
    client.force_login(ada)
    several = PAGE | {"several": "1", "prompt": "A heron\nA fox"}
    answer = client.post("/generations/", several, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "This takes 2 credits, and 1 of your 1 credit is left" in text and "grace can raise" in text
    assert "A heron\nA fox" in text
    assert not Generation.objects.exists() and not Submission.objects.exists()
    sums_are_those_of_the_rows()


@pytest.mark.parametrize(
    ("end", "words"), [("waiting", "1 credit, set aside"), ("canceled", "given back"), ("completed", "1 credit, spent")]
)
def test_a_video_s_page_shows_its_cost(client, end, words):
    a_token()
    row = a_generation()
    ENDS[end][0](row, row.member)
    client.force_login(row.member)
    assert words in client.get(f"/generations/{row.uuid}/").content.decode()


def test_a_retry_at_the_limit_is_refused_with_a_message(client):
    terms(member_limit=1000)
    row = claimed()
    row.record(failure(), "callback")
    a_generation(row.member)
    client.force_login(row.member)
    answer = client.post(f"/generations/{row.uuid}/retries/", follow=True)
    assert "can raise the limit" in answer.content.decode()
    assert Generation.objects.count() == 2


def test_retries_of_a_selection_stop_at_the_limit_with_a_message(client):
    terms(member_limit=2000)
    ada = a_member()
    rows = [a_generation(ada), a_generation(ada)]
    for row in rows:
        row.cancel(ada)
    a_generation(ada)
    client.force_login(ada)
    answer = client.post("/selection/retries/", {"v": [str(row.uuid) for row in rows]}, follow=True).content.decode()
    assert "Retried 1 video. The others were not retried:" in answer
    assert "can raise the limit" in answer
    assert [row.retries.count() for row in rows] == [1, 0]


def test_a_resubmitted_form_reserves_its_cost_once(client):
    client.force_login(a_member())
    form = PAGE | {"prompt": "A heron", "submission_key": str(uuid.uuid4())}
    client.post("/generations/", form)
    client.post("/generations/", form)
    assert balance() == (1000, 0)


def test_only_an_admin_sets_prices_and_limits(client):
    client.force_login(a_member())
    assert client.get("/team/budget/").status_code == 403
    assert client.post("/team/budget/", {"per_generate": "0"}).status_code == 403
    assert not Pricing.objects.exists()


def test_changes_of_prices_and_limits_are_audited(client):
    root = an_admin()
    client.force_login(root)
    sent = {"per_generate": "1.5", "per_extend": "1", "currency": "credits", "team_limit": "", "member_limit": "20"}
    assert client.post("/team/budget/", sent).status_code == 302
    now = Pricing.current()
    assert (now.per_generate, now.per_extend, now.team_limit, now.member_limit) == (1500, 1000, None, 20_000)
    assert {change.text for change in AuditEntry.objects.filter(by=root)} == {
        "Budget: a new video is now 1.5.",
        "Budget: each member is now 20.",
    }
    client.post("/team/budget/", sent)
    assert AuditEntry.objects.count() == 2, "nothing was changed the second time"


WRONG = {
    "empty": {"per_generate": ""},
    "negative": {"team_limit": "-1"},
    "no number": {"member_limit": "many"},
    "no end": {"per_extend": "1e400"},
    "not a number": {"per_generate": "NaN"},
    "too fine": {"per_generate": "0.0001"},
    "no word": {"currency": "  "},
    "unprintable": {"currency": "a\x00b"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_amount_is_refused_with_a_message(client, wrong):
    client.force_login(an_admin())
    sent = {"per_generate": "2", "per_extend": "1", "currency": "credits", "team_limit": "7", "member_limit": "20"}
    answer = client.post("/team/budget/", sent | WRONG[wrong])
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not Pricing.objects.exists() and not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("typed", "stored"), [("1", 1000), ("0.5", 500), ("0.001", 1), ("1000000", 1_000_000_000), ("0", 0)]
)
def test_amounts_are_parsed_and_formatted_without_loss(typed, stored):
    form = PricingForm({"per_generate": typed, "per_extend": "1", "currency": "credits"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["per_generate"] == stored
    assert shown(stored).replace(",", "") == typed


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
