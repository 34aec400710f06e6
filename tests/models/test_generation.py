"""The life of a generation: every event in every state."""

from datetime import timedelta

import pytest
from django.db.models import ProtectedError
from django.utils import timezone

from videos.models import ApiToken, Generation, HoldReason, State, Submission, Verdict
from videos.models.state import HOLDS_A_SLOT
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_result, a_token, an_error, failure, running
from ..support.generation_states import in_state

pytestmark = pytest.mark.django_db


EVENTS = {
    "claim": lambda g: g.claim(),
    "running": lambda g: g.record(running(), "answer"),
    "completed": lambda g: g.record(a_result(), "callback"),
    "failed": lambda g: g.record(failure(), "callback"),
    "never sent": lambda g: g.refuse(an_error("not_sent", Sent.NEVER)),
    "refused": lambda g: g.refuse(an_error("forbidden", Sent.REFUSED, status=403)),
    "rate limited": lambda g: g.refuse(an_error("too_many_requests", Sent.REFUSED, status=429, retry_after=9)),
    "no answer": lambda g: g.refuse(an_error("no_answer", Sent.MAYBE)),
    "worker killed": lambda g: g.mark_interrupted(),
    "overdue": lambda g: g.give_up(),
    "cancel": lambda g: g.cancel(g.member),
    "dismiss": lambda g: g.dismiss(g.member),
}

# The next state by event and state; other states do not change.
TABLE = {
    "claim": {"queued": "submitting"},
    "running": {"submitting": "processing", "unconfirmed": "processing"},
    "completed": dict.fromkeys(State.values, "completed"),
    "failed": {"submitting": "failed", "processing": "failed", "unconfirmed": "failed"},
    # In `unconfirmed` these answers came after the sweep gave up waiting: surely not started, and not sent again.
    "never sent": {"submitting": "queued", "unconfirmed": "failed"},
    "refused": {"submitting": "failed", "unconfirmed": "failed"},
    "rate limited": {"submitting": "queued", "unconfirmed": "failed"},
    "no answer": {"submitting": "unconfirmed"},
    "worker killed": {"submitting": "unconfirmed"},
    "overdue": {"processing": "failed"},
    "cancel": {"queued": "canceled"},
    "dismiss": {"unconfirmed": "failed"},
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", State.values)
def test_every_state_meets_every_event(state, event):
    generation = in_state(state)
    version, events = generation.version, generation.events.count()
    EVENTS[event](generation)
    generation.refresh_from_db()
    assert generation.state == TABLE[event].get(state, state)
    moved = state in TABLE[event] and not (state == "completed" == generation.state)
    learnt = event in ("running", "completed", "failed") and not moved and version != generation.version
    if moved:
        assert generation.version == version + 1
        assert generation.events.count() == events + 1
    elif not learnt:
        assert (generation.version, generation.events.count()) == (version, events)
    held = Generation.objects.filter(state__in=HOLDS_A_SLOT).count()
    assert ApiToken.objects.get().in_flight == held, "a slot was lost or leaked"


@pytest.mark.parametrize("state", ["failed", "unconfirmed", "canceled", "submitting", "queued"])
def test_a_late_task_id_is_always_kept(state):
    generation = in_state(state)
    generation.record(running("late"), "sweep")
    generation.refresh_from_db()
    assert generation.task_id == "late"


def test_news_about_another_task_is_refused():
    generation = in_state("processing")
    assert generation.record(a_result("another"), "callback") is Verdict.REFUSED
    generation.refresh_from_db()
    assert generation.state == "processing"
    assert generation.events.filter(kind="foreign_news").exists()


def test_one_task_never_belongs_to_two_generations():
    in_state("completed")
    second = in_state("submitting")
    assert second.record(running("task-1"), "callback") is Verdict.REFUSED
    assert second.record(running("task-1"), "answer") is Verdict.RECORDED
    second.refresh_from_db()
    assert (second.state, second.task_id) == ("unconfirmed", "")


def test_a_callback_that_beats_the_answer_completes_the_generation():
    generation = in_state("submitting")
    assert generation.record(a_result(), "callback") is Verdict.RECORDED
    assert generation.record(running(), "answer") is Verdict.KNOWN
    generation.refresh_from_db()
    assert (generation.state, generation.result_channel, generation.archive) == ("completed", "callback", "remote")


def test_a_duplicate_changes_nothing():
    generation = in_state("completed")
    version = generation.version
    assert generation.record(a_result(), "callback") is Verdict.KNOWN
    generation.refresh_from_db()
    assert generation.version == version


def test_a_claim_is_won_once():
    a_token()
    generation = a_generation()
    twin = Generation.objects.get(pk=generation.pk)
    assert generation.claim()
    assert twin.claim() is None


def test_a_claim_needs_room_at_a_token():
    token = a_token(max_in_flight=1)
    first, second = a_generation(), a_generation()
    assert first.claim()
    assert second.claim() is None
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("queued", 0)
    first.record(a_result(), "callback")
    token.refresh_from_db()
    assert token.in_flight == 0
    assert second.claim()


def test_each_claim_has_a_fresh_key():
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation()
    first = generation.claim().callback_url
    generation.refuse(an_error("not_sent", Sent.NEVER))
    ApiToken.objects.update(health="ok", limited_until=None)
    second = generation.claim().callback_url
    assert first != second
    key = second.rstrip("/").rsplit("/", 1)[1]
    assert generation.opens_with(key)
    assert not generation.opens_with(first.rstrip("/").rsplit("/", 1)[1])
    assert key not in generation.callback_key_hash


@pytest.mark.parametrize(
    ("code", "status", "health"),
    [
        ("invalid_token", 401, "invalid"),
        ("token_expired", 401, "invalid"),
        ("token_mismatched", 400, "invalid"),
        ("used_up", 403, "used_up"),
        ("disabled", 403, "invalid"),
    ],
)
def test_a_token_that_does_not_work_is_disabled_and_the_next_one_is_used(code, status, health):
    bad, good = a_token("sandbox-a", priority=1), a_token("sandbox-b", priority=2)
    generation = a_generation()
    assert generation.claim().token == bad
    generation.refuse(an_error(code, Sent.REFUSED, status=status))
    bad.refresh_from_db()
    assert (bad.health, bad.in_flight, generation.state) == (health, 0, "queued")
    assert generation.claim().token == good


def test_a_rate_limit_pauses_the_token_for_retry_after():
    token = a_token()
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("too_many_requests", Sent.REFUSED, status=429, retry_after=60))
    token.refresh_from_db()
    assert token.health == "limited"
    assert timedelta(seconds=50) < token.limited_until - timezone.now() <= timedelta(seconds=60)
    assert generation.claim() is None
    later = timezone.now() + timedelta(seconds=61)
    assert ApiToken.objects.with_room(later).exists()


@pytest.mark.parametrize("what", ["refused", "another way"])
def test_a_repeated_write_does_not_undo_a_newer_claim(what):
    # The first write was committed, but its worker saw an error; another drain has claimed the row since.
    a_token()
    generation = a_generation()
    claim = generation.claim()
    error = an_error("too_many_requests", Sent.REFUSED, status=429, retry_after=0)
    write = {"refused": lambda: generation.refuse(error, claim.owned),
             "another way": lambda: generation.next_source(1, error, claim.owned)}[what]  # fmt: skip
    assert write()
    ApiToken.objects.update(health="ok", limited_until=None)
    other = Generation.objects.get()
    assert other.claim()
    assert not write()
    assert Generation.objects.get().state == "submitting"
    assert other.claim() is None


def test_a_row_that_could_not_be_sent_for_a_day_fails():
    token = a_token()
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("not_sent", Sent.NEVER))
    assert generation.state == "queued", "a day counts from the first try, however long it waited before"
    generation.events.update(at=timezone.now() - timedelta(hours=25))
    ApiToken.objects.filter(pk=token.pk).update(health="ok", limited_until=None)
    generation.claim()
    generation.refuse(an_error("not_sent", Sent.NEVER))
    assert (generation.state, generation.error_code) == ("failed", "too_late")


def test_a_retry_by_the_author_and_one_by_an_admin_create_one_video():
    generation = in_state("unconfirmed")
    first, _ = Submission.objects.retry(generation, generation.member)
    second, made = Submission.objects.retry(generation, a_member("boss"))
    assert (first, made) == (second, False)


def test_a_task_id_that_comes_after_the_end_is_looked_up():
    generation = in_state("unconfirmed")
    generation.dismiss(generation.member)
    generation.record(running("late"), "answer")
    assert generation.state == "failed"
    assert generation in Generation.objects.due_for_polling(timezone.now() + timedelta(seconds=1))


def test_a_timed_out_video_is_looked_up_for_one_more_day():
    generation = in_state("processing")
    assert generation.give_up()
    assert generation in Generation.objects.due_for_polling(timezone.now() + timedelta(hours=2))
    Generation.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    generation.refresh_from_db()
    generation.schedule_next_poll()
    generation.refresh_from_db()
    assert generation.next_poll_at is None


def test_secret_urls_quoted_by_the_provider_are_redacted():
    generation = in_state("submitting")
    error = an_error("bad_request", Sent.REFUSED, status=400)
    error.message = "start_image_url https://films.example.com/frames/SECRETKEY.jpg could not be fetched"
    generation.refuse(error)
    kept = generation.error_message + "".join(generation.events.values_list("text", flat=True))
    assert "SECRETKEY" not in kept
    assert "could not be fetched" in kept


def test_a_new_provider_pauses_the_old_tokens_and_holds_queued_rows():
    a_token()
    generation = a_generation()
    other = a_token("real", base_url="https://api.acedata.cloud")
    assert ApiToken.objects.pause_other_providers(other.base_url) == 1
    assert Generation.objects.hold(HoldReason.PROVIDER) == 1
    assert generation.claim() is None
    assert Generation.objects.get().explanation.title == "Held"


def test_the_queue_is_fair_among_members():
    ada, ben = a_member("ada"), a_member("ben")
    batch = [a_generation(ada) for _ in range(5)]
    single = a_generation(ben)
    line = Generation.objects.next_to_submit(10)
    assert line.index(single) == 1
    assert [row for row in line if row.member == ada] == batch


def test_a_submission_key_makes_one_submission():
    member = a_member()
    key = "6f1c2a3e-0000-4000-8000-000000000001"
    first, made = Submission.objects.open(member, key, 2, prompt="A fox")
    again, made_again = Submission.objects.open(member, key, 2, prompt="A fox")
    assert (made, made_again) == (True, False)
    assert first == again
    assert Generation.objects.count() == 2


def test_members_and_tokens_with_work_cannot_be_deleted():
    generation = in_state("processing")
    with pytest.raises(ProtectedError):
        generation.member.delete()
    with pytest.raises(ProtectedError):
        generation.token.delete()


def test_a_second_retry_creates_no_second_video():
    generation = in_state("failed")
    first, made = Submission.objects.retry(generation, generation.member)
    again, made_again = Submission.objects.retry(generation, generation.member)
    assert (made, made_again) == (True, False)
    assert first == again
    assert generation.retries.get().prompt == generation.prompt


def test_running_and_completed_videos_cannot_be_retried():
    for state in ("queued", "submitting", "processing", "completed"):
        assert Submission.objects.retry(in_state(state, task_id=f"task {state}"), a_member(state)) == (None, False)


@pytest.mark.parametrize("state", ["failed", "unconfirmed"])
def test_each_failure_has_a_message(state):
    news = in_state(state).explanation
    assert news.title
    assert news.text


def test_a_secret_is_stored_encrypted_and_only_its_last_characters_are_shown():
    token = a_token("sandbox-very-secret-1234")
    raw = bytes(ApiToken.objects.values_list("encrypted", flat=True).get())
    assert b"secret" not in raw
    assert token.last_four == "1234"
    assert ApiToken.objects.get().secret == "sandbox-very-secret-1234"
    assert "secret" not in f"{token} {token!r}"
