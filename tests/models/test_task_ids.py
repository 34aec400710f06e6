"""Which task belongs to a row: the answer outranks a look-up, and both outrank a callback."""

import pytest
from django.db.models import Q
from django.utils import timezone

from videos.models import ApiToken, Balance, Generation, OrphanedFile, Pricing, Verdict
from videos.provider import Result, Sent, Status

from ..support.factories import a_generation, a_member, a_result, a_token, an_error, failure, running

pytestmark = pytest.mark.django_db

LIE = {"video_id": "video-of-another", "video_url": "https://cdn.example.com/lie.mp4"}
TRUE = {"video_id": "true-video", "video_url": "https://cdn.example.com/true.mp4"}


@pytest.fixture
def row():
    a_token()
    generation = a_generation()
    assert generation.claim()
    return generation


def again(row: Generation) -> Generation:
    return Generation.objects.get(pk=row.pk)


def callback(row: Generation, result: Result) -> Verdict:
    """Record a callback with few columns loaded, as the view does."""
    return Generation.objects.only(*Generation.CALLBACK_FIELDS).get(pk=row.pk).record(result, "callback")


def kinds(row: Generation) -> list[str]:
    return list(row.events.values_list("kind", flat=True))


def in_flight_is_right() -> bool:
    held = Generation.objects.filter(state__in=["submitting", "processing"]).count()
    return ApiToken.objects.get().in_flight == held


def test_a_forged_callback_that_came_first_does_not_block_the_true_task(row):
    assert callback(row, running("lie")) is Verdict.RECORDED
    assert (again(row).state, again(row).task_id) == ("processing", "lie")
    assert row.record(running("true"), "answer") is Verdict.RECORDED
    now = again(row)
    assert (now.state, now.task_id, now.task_id_channel) == ("processing", "true", "answer")
    assert now.next_poll_at is not None
    correction = now.events.get(kind="task_corrected")
    assert "true" in correction.text
    assert "lie" in correction.text
    assert in_flight_is_right()
    assert callback(row, a_result("lie", **LIE)) is Verdict.REFUSED
    assert callback(row, a_result("true", **TRUE)) is Verdict.RECORDED
    assert again(row).video_url == TRUE["video_url"]


def test_a_failure_from_a_callback_about_another_task_is_reverted(row):
    callback(row, failure("lie"))
    assert again(row).state == "failed"
    row.record(running("true"), "answer")
    now = again(row)
    assert (now.state, now.task_id, now.error_code, now.finished_at, now.result_channel) == (
        "processing",
        "true",
        "",
        None,
        "",
    )
    assert in_flight_is_right()
    row.record(a_result("true", **TRUE), "sweep")
    assert again(row).state == "completed"


def test_a_failed_row_in_the_trash_stays_there_and_its_true_task_is_looked_up(row):
    callback(row, failure("lie"))
    again(row).trash(row.member)
    row.record(running("true"), "answer")
    now = again(row)
    assert (now.state, now.task_id) == ("failed", "true")
    assert now.next_poll_at is not None


@pytest.mark.parametrize("saved", [False, True])
def test_a_video_of_another_task_stays_until_the_look_up_brings_the_true_one(row, saved):
    callback(row, a_result("lie", **LIE))
    if saved:
        again(row).saved(video_file="videos/lie.mp4", sha256="0" * 64, size_bytes=1, duration=5.0)
    row.record(running("true"), "answer")
    now = again(row)
    assert (now.state, now.task_id, now.video_url) == ("completed", "true", LIE["video_url"])
    assert now.next_poll_at is not None
    taken = []
    assert now.record(a_result("true", **TRUE), "sweep", on_success=lambda: taken.append(1)) is Verdict.RECORDED
    now = again(row)
    assert (now.state, now.video_url, now.video_id) == ("completed", TRUE["video_url"], "true-video")
    assert (now.archive, now.video_file.name, now.sha256, now.next_poll_at) == ("remote", "", "", None)
    assert taken == [1], "the true video is saved"
    assert [orphan.file.name for orphan in OrphanedFile.objects.all()] == (["videos/lie.mp4"] if saved else [])
    assert now.record(a_result("true", **LIE), "sweep") is Verdict.KNOWN, "and that is the end of it"


def test_a_video_whose_task_id_alone_was_wrong_is_confirmed_by_the_look_up(row):
    callback(row, a_result("confused", **TRUE))
    again(row).saved(video_file="videos/true.mp4", sha256="0" * 64, size_bytes=1, duration=5.0)
    row.record(running("true"), "answer")
    again(row).record(a_result("true", **TRUE), "sweep")
    now = again(row)
    assert (now.state, now.archive, now.video_file.name, now.next_poll_at) == (
        "completed",
        "saved",
        "videos/true.mp4",
        None,
    )
    assert not OrphanedFile.objects.exists()


def test_a_video_of_another_task_goes_while_the_true_one_runs(row):
    callback(row, a_result("lie", **LIE))
    again(row).saved(video_file="videos/lie.mp4", sha256="0" * 64, size_bytes=1, duration=5.0)
    row.record(running("true"), "answer")
    again(row).record(running("true"), "sweep")
    now = again(row)
    assert (now.state, now.video_url, now.video_file.name, now.archive) == ("processing", "", "", "")
    assert now.next_poll_at is not None
    assert in_flight_is_right()
    assert OrphanedFile.objects.get().file.name == "videos/lie.mp4"
    again(row).record(a_result("true", **TRUE), "callback")
    assert again(row).video_url == TRUE["video_url"]


def test_a_video_of_another_task_is_no_success_when_the_true_one_failed(row):
    Pricing.objects.create(pk=1)
    callback(row, a_result("lie", **LIE))
    row.record(running("true"), "answer")
    again(row).record(failure("true"), "sweep")
    now = again(row)
    assert (now.state, now.error_code, now.video_url, now.next_poll_at) == ("failed", "api_error", "", None)
    assert all(balance.spent == 0 for balance in Balance.objects.all())


def test_an_unknown_true_task_does_not_remove_a_video(row):
    """The provider may have named the wrong task in its answer: the existing video is kept."""
    callback(row, a_result("other", **LIE))
    row.record(running("true"), "answer")
    again(row).schedule_next_poll()
    now = again(row)
    assert (now.state, now.video_url) == ("completed", LIE["video_url"])
    assert now.next_poll_at > now.changed_at


def test_a_complete_result_in_the_answer_replaces_the_video_of_another_task(row):
    callback(row, a_result("lie", **LIE))
    row.record(a_result("true", **TRUE), "answer")
    now = again(row)
    assert (now.task_id, now.video_url, now.result_channel) == ("true", TRUE["video_url"], "answer")


def test_a_failure_in_the_answer_outranks_a_callback_about_another_task(row):
    callback(row, running("lie"))
    row.record(failure("true"), "answer")
    assert (again(row).state, again(row).task_id) == ("failed", "true")


def test_an_answer_that_confirms_the_callback_s_task_makes_it_certain(row):
    callback(row, running("task-1"))
    assert again(row).task_id_channel == "callback"
    assert row.record(running("task-1"), "answer") is Verdict.KNOWN
    assert again(row).task_id_channel == "answer"
    assert callback(row, a_result("lie", **LIE)) is Verdict.REFUSED
    callback(row, a_result("task-1", **TRUE))
    assert (again(row).state, again(row).task_id_channel) == ("completed", "answer")


def test_a_second_answer_with_another_task_changes_nothing_and_is_noted(row):
    row.record(running("first"), "answer")
    assert row.record(running("second"), "answer") is Verdict.REFUSED
    assert again(row).task_id == "first"
    assert "second" in row.events.get(kind="foreign_news").text


def test_a_failure_that_only_a_callback_reports_is_looked_up_once(row):
    callback(row, failure("task-1"))
    assert again(row).next_poll_at is not None
    again(row).record(failure("task-1"), "sweep")
    assert again(row).next_poll_at is None
    assert again(row).state == "failed"


def test_a_failure_of_a_task_that_the_answer_named_needs_no_look_up(row):
    row.record(running("task-1"), "answer")
    callback(row, failure("task-1"))
    assert again(row).next_poll_at is None


def test_a_requeued_row_is_not_sent_again_once_its_task_is_known(row):
    row.refuse(an_error("too_many_requests", Sent.REFUSED, status=429))
    assert again(row).state == "queued"
    callback(row, running("task-1"))
    assert again(row).state == "processing"
    assert again(row).claim() is None
    assert in_flight_is_right()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (an_error("api_error", Sent.MAYBE, status=500, task_id="named"), "unconfirmed"),
        (an_error("forbidden", Sent.REFUSED, status=403, task_id="named"), "failed"),
        (an_error("too_many_requests", Sent.REFUSED, status=429, task_id="named"), "unconfirmed"),
        (an_error("invalid_token", Sent.REFUSED, status=401, task_id="named"), "unconfirmed"),
    ],
    ids=lambda value: value.code if hasattr(value, "code") else value,
)  # fmt: skip
def test_an_error_that_names_a_task_keeps_it_and_is_not_sent_again(row, error, state):
    row.refuse_with_task(error, Q(attempts=1))
    now = again(row)
    assert (now.state, now.task_id, now.task_id_channel) == (state, "named", "answer")
    assert now.next_poll_at <= timezone.now()
    now.record(a_result("named", **TRUE), "sweep")
    assert again(row).state == "completed"


def test_an_error_that_names_a_task_outranks_a_callback_about_another(row):
    callback(row, running("lie"))
    row.refuse_with_task(an_error("api_error", Sent.MAYBE, status=500, task_id="named"), Q(attempts=1))
    assert (again(row).state, again(row).task_id) == ("processing", "named")


def test_an_error_of_an_earlier_claim_that_names_a_task_does_not_touch_a_later_one(row):
    row.refuse(an_error("too_many_requests", Sent.REFUSED, status=429))
    ApiToken.objects.update(health="ok", limited_until=None)
    later = again(row)
    assert later.claim()
    row.refuse_with_task(an_error("api_error", Sent.MAYBE, status=500, task_id="named"), Q(attempts=1))
    assert (again(row).state, again(row).task_id) == ("submitting", "")


# ── Two rows, one task ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def two(row):
    other = a_generation(a_member("ben"))
    assert other.claim()
    return row, other


def test_two_answers_with_one_task_are_noted_on_both_rows(two):
    first, second = two
    first.record(running("shared"), "answer")
    assert second.record(running("shared"), "answer") is Verdict.RECORDED
    one, other = again(first), again(second)
    assert (one.state, one.task_id, one.error_code) == ("processing", "shared", "same_task")
    assert (other.state, other.task_id, other.error_code) == ("unconfirmed", "", "same_task")
    assert str(other.uuid) in one.events.get(kind="same_task").text
    assert str(one.uuid) in other.events.get(kind="same_task").text
    assert "one video or two" in other.explanation.text
    assert one.explanation.title == other.explanation.title == "Same task as another video"
    assert in_flight_is_right()
    assert Generation.objects.stuck_submitting().count() == 0
    # The video belongs to the first row, which keeps its message.
    one.record(a_result("shared", **TRUE), "sweep")
    assert (again(first).state, again(first).error_code) == ("completed", "same_task")


def test_an_answer_takes_its_task_from_a_row_that_only_a_callback_gave_it(two):
    liar, true = two
    callback(liar, a_result("task-1", **TRUE))
    again(liar).saved(video_file="videos/stolen.mp4", sha256="0" * 64, size_bytes=1, duration=5.0)
    assert true.record(running("task-1"), "answer") is Verdict.RECORDED
    assert (again(true).state, again(true).task_id) == ("processing", "task-1")
    assert (again(liar).state, again(liar).task_id, again(liar).video_url) == ("unconfirmed", "", "")
    assert OrphanedFile.objects.get().file.name == "videos/stolen.mp4"
    assert in_flight_is_right()
    assert liar.record(running("its own"), "answer") is Verdict.RECORDED
    assert (again(liar).state, again(liar).task_id) == ("processing", "its own")


def test_a_callback_with_another_row_s_task_changes_neither_and_is_noted_on_both(two):
    first, second = two
    first.record(running("shared"), "answer")
    assert callback(second, a_result("shared", **TRUE)) is Verdict.REFUSED
    assert (again(second).state, again(second).task_id) == ("submitting", "")
    assert "foreign_news" in kinds(first)
    assert "foreign_news" in kinds(second)
    second.record(running("its own"), "answer")
    assert again(second).task_id == "its own"


def test_an_unknown_task_is_dropped_if_only_a_callback_named_it(row):
    callback(row, running("lie"))
    assert again(row).forget_task("The provider knows no such task.")
    now = again(row)
    assert (now.state, now.task_id, now.task_id_channel) == ("unconfirmed", "", "")
    assert in_flight_is_right()
    callback(row, a_result("true", **TRUE))
    assert again(row).state == "completed"


def test_a_task_that_the_answer_named_is_never_dropped(row):
    row.record(running("true"), "answer")
    assert not again(row).forget_task("The provider knows no such task.")
    assert again(row).task_id == "true"


def test_a_completed_row_with_a_certain_task_accepts_no_other_video(row):
    row.record(running("task-1"), "answer")
    row.record(a_result("task-1", **TRUE), "callback")
    for channel in ("callback", "sweep", "answer"):
        assert again(row).record(a_result("task-1", **LIE), channel) is Verdict.KNOWN
        assert again(row).record(Result(task_id="task-1", status=Status.FAILED), channel) is Verdict.KNOWN
    assert again(row).video_url == TRUE["video_url"]
