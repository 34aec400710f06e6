"""The provider's listing: requests, pages, and providers without one."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from videos.provider import ProviderError, Sent, Status, has_no_listing

from ..support.provider_answers import answered, failure, golden

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def listed(*items):
    return json.dumps({"items": items, "count": len(items)}).encode()


def read(*items):
    return answered(lambda client: client.list_tasks(), body=listed(*items))[0]


def test_a_page_is_requested_without_ids_and_by_whole_seconds():
    _, seen = answered(
        lambda client: client.list_tasks(
            200, since=NOON + timedelta(seconds=0.7), until=NOON + timedelta(seconds=60.2)
        ),
        body=listed(),
    )
    assert json.loads(seen[0].content) == {
        "action": "retrieve_batch",
        "limit": 100,
        "offset": 200,
        "created_at_min": int(NOON.timestamp()),
        "created_at_max": int(NOON.timestamp()) + 61,
    }
    assert seen[0].url.path == "/luma/tasks"


def test_a_page_without_bounds_names_none():
    _, seen = answered(lambda client: client.list_tasks(), body=listed())
    assert json.loads(seen[0].content) == {"action": "retrieve_batch", "limit": 100, "offset": 0}


def test_a_page_is_read_with_its_requests():
    task = json.loads(golden("task_completed"))
    page = read(task, {"id": "running", "created_at": NOON.timestamp()})
    assert [one.result.status for one in page.tasks] == [Status.COMPLETED, Status.RUNNING]
    assert page.tasks[0].result.request.prompt == task["request"]["prompt"]
    assert page.tasks[1].created_at == NOON


@pytest.mark.parametrize(
    ("created_at", "moment"),
    [
        (NOON.timestamp(), NOON),
        (NOON.timestamp() * 1000, NOON),
        ("2026-11-27T12:00:00Z", NOON),
        ("2026-11-27T13:00:00+01:00", NOON),
        ("2026-11-27T12:00:00", NOON),
        (None, None),
        ("yesterday", None),
        (True, None),
        (-5, None),
        (0, None),
        (1e300, None),
        ([], None),
    ],
)
def test_timestamps_in_any_format_are_read(created_at, moment):
    assert read({"id": "one", "created_at": created_at}).tasks[0].created_at == moment


def test_an_item_without_an_id_counts_and_is_skipped():
    page = read(
        {"id": "one"}, {"prompt": "no id"}, "text", None, {"task_id": "two"}, {"response": {"task_id": "three"}}
    )
    assert [one.result.task_id for one in page.tasks] == ["one", "two", "three"]
    assert page.received == 6


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (400, golden("error_400_bad_request"), True),
        (400, golden("error_400_api_not_implemented"), True),
        (404, b"<html>nginx</html>", True),
        (405, b"", True),
        (422, b'{"detail": "ids is required"}', True),
        (501, b"", True),
        (200, b'{"surprise": 1}', True),
        (200, b"<html>", True),
        (400, golden("error_400_token_mismatched"), False),
        (401, golden("error_401_invalid_token"), False),
        (403, golden("error_403_forbidden"), False),
        (429, golden("error_429_too_many_requests"), False),
        (500, golden("error_500_api_error"), False),
        (502, b"<html>", False),
        (200, golden("error_401_invalid_token"), False),
    ],
)
def test_a_provider_without_a_listing_is_distinguished_from_a_failing_one(status, body, missing):
    assert has_no_listing(failure(lambda client: client.list_tasks(), status, body)) is missing


def test_a_timeout_says_nothing_about_the_listing():
    assert not has_no_listing(ProviderError("no_answer", "", sent=Sent.MAYBE))
    assert not has_no_listing(ProviderError("not_sent", "", sent=Sent.NEVER))


def test_an_empty_page_may_come_without_items():
    page, _ = answered(lambda client: client.list_tasks(), body=b'{"count": 0}')
    assert (page.tasks, page.received) == ((), 0)
