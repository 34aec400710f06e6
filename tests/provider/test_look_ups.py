"""Look-ups of one task and of several."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest

from videos.provider import LumaClient, ProviderError, Result, Status, new_client

from ..support.provider_answers import (
    FAILED,
    LINK,
    TASK,
    TRACE,
    VIDEO,
    WHOLE,
    answered,
    failure,
    golden,
    look,
    look_at_two,
)
from ..support.provider_urls import START


def test_one_task_is_read():
    assert answered(look, body=golden("task_completed"))[0] == replace(WHOLE, trace_id=TRACE)
    assert answered(look, body=golden("task_failed"))[0] == FAILED


@pytest.mark.parametrize("name", ["task_running", "task_running_empty_response"])
def test_a_running_task_is_read(name):
    result, _ = answered(lambda client: client.task(VIDEO), body=golden(name))
    assert result == Result(VIDEO, trace_id=TRACE)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, golden("task_absent")),
        (200, b""),
        (200, b"null"),
        (404, b""),
        (404, b"{}"),
        (404, b'{"error": {"code": "not_found", "message": "no such task"}}'),
        (404, golden("error_404_task_not_found")),
    ],
)
def test_an_unknown_task_is_none(status, body):
    assert answered(look, status, body)[0] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html>nginx</html>", "http_404"),
        (golden("error_404_no_api"), "no_api"),
        (golden("error_404_api_not_implemented"), "api_not_implemented"),
        (b'{"detail": "Not Found"}', "not_found"),
        (b'{"error": {"code": "route_gone", "message": "moved"}}', "route_gone"),
    ],
)
def test_a_404_of_the_endpoint_says_nothing_about_a_task(body, code):
    error = failure(look, 404, body)
    assert error.code == code


def test_a_batch_is_read_and_absent_tasks_are_absent():
    found, _ = answered(lambda client: client.tasks([TASK, VIDEO, "gone"]), body=golden("batch"))
    assert found == {TASK: replace(WHOLE, trace_id=TRACE), VIDEO: Result(VIDEO, trace_id=TRACE)}
    assert answered(look_at_two, body=golden("batch_empty"))[0] == {}
    assert answered(look_at_two, body=b'{"count": 0}')[0] == {}


def test_a_task_that_was_not_requested_is_ignored():
    assert answered(lambda client: client.tasks(["other"]), body=golden("batch"))[0] == {}
    assert failure(lambda client: client.task("other"), body=golden("task_completed")).code == "unreadable"


def batches(answer):
    """Look up 50 tasks at a provider that answers each batch with `answer(ids)`: status and body."""
    ids = [f"task-{number}" for number in range(50)]
    calls = []

    def wire(request):
        calls.append(json.loads(request.content)["ids"])
        status, body = answer(calls[-1])
        return httpx.Response(status, content=body)

    async def run():
        async with new_client(httpx.MockTransport(wire)) as client:
            return await LumaClient("https://api.example", "secret", client=client).tasks(ids)

    return run, calls


def as_items(ids):
    return 200, json.dumps({"items": [{"id": task_id, "response": {}} for task_id in ids]}).encode()


@pytest.mark.parametrize(
    "bad",
    [(200, b"{" * 5_000), (200, b"<html>"), (400, b'{"error": {"code": "bad_request"}}'), (413, b""), (422, b"{}")],
)
def test_one_unreadable_task_does_not_hide_the_others_of_its_batch(bad):
    run, calls = batches(lambda ids: bad if "task-30" in ids else as_items(ids))
    found = asyncio.run(run())
    assert found.keys() == {f"task-{number}" for number in range(50)} - {"task-30"}
    assert len(calls) < 15


def test_an_unreadable_task_among_unknown_ones_is_no_failure():
    run, _ = batches(lambda ids: (200, b"<html>") if "task-30" in ids else (200, b'{"items": [], "count": 0}'))
    assert asyncio.run(run()) == {}


@pytest.mark.parametrize(
    ("status", "body", "calls_at_most"), [(502, b"<html>", 1), (401, b"", 1), (429, b"", 1), (200, b"<html>", 7)]
)
def test_a_failing_batch_is_not_repeated_for_each_task(status, body, calls_at_most):
    run, calls = batches(lambda ids: (status, body))
    with pytest.raises(ProviderError):
        asyncio.run(run())
    assert len(calls) <= calls_at_most


@pytest.mark.parametrize("item", [None, 7, "x", [], {}, {"id": None}, {"id": {"a": 1}}, {"id": "other"}])
def test_an_unexpected_item_is_skipped(item):
    body = json.dumps({"items": [item, {"task_id": TASK, "response": {"video_url": LINK}}]}).encode()
    assert answered(look_at_two, body=body)[0].keys() == {TASK}


def test_no_ids_send_nothing_and_too_many_raise_an_error():
    assert answered(lambda client: client.tasks([])) == ({}, [])
    with pytest.raises(ValueError, match="50"):
        answered(lambda client: client.tasks(str(n) for n in range(51)))
    assert answered(lambda client: client.tasks(str(n) for n in range(50)), body=b'{"items": []}')[0] == {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"finished_at": 1.5}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {}}, Status.RUNNING),
        ({"finished_at": 1.5, "response": "text"}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {"success": False}}, Status.FAILED),
        ({"response": {"success": False}}, Status.RUNNING),
        ({"response": {"video_url": LINK}}, Status.COMPLETED),
        ({"response": {"error": "no"}}, Status.RUNNING),
        ({"response": {"success": False, "error": "temporary"}}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {"success": False, "error": "temporary"}}, Status.FAILED),
        ({"finished_at": 1.5, "response": {"error": "broke"}}, Status.FAILED),
        ({"response": {"success": False, "error": "temporary", "state": "failure"}}, Status.FAILED),
        ({"response": {"task_id": TASK, "state": "processing"}}, Status.RUNNING),
        ({"response": {"success": False, "error": {"code": "task_failed"}}}, Status.FAILED),
        ({"success": False, "error": {"code": "task_failed"}, "response": None}, Status.FAILED),
        ({"finished_at": None, "response": None, "request": {"start_image_url": START}}, Status.RUNNING),
        ({"video_url": LINK}, Status.COMPLETED),
        ({"video_url": LINK, "response": {"success": False, "error": {"code": "x"}}}, Status.COMPLETED),
    ],
)
def test_the_fields_of_a_task_are_read(fields, status):
    result, _ = answered(look, body=json.dumps({"id": TASK, **fields}).encode())
    assert (result.task_id, result.status) == (TASK, status)


@pytest.mark.parametrize("call", [look, look_at_two])
def test_an_error_inside_a_200_lookup_is_an_error(call):
    assert failure(call, 200, golden("error_401_invalid_token")).code == "invalid_token"
    assert failure(call, 200, b'{"surprise": 1}').code == "unreadable"
