"""POST /luma/tasks of the sandbox: single tasks, batches, the list of an account's tasks, deletion."""

import sqlite3
import time

import pytest

from .process import Sandbox, wait_for

SEEN_KEYS = {"_id", "id", "api_id", "application_id", "credential_id", "user_id", "created_at", "started_at"}


def test_a_running_task_is_processing_and_a_finished_one_has_its_result(sandbox):
    request = {"prompt": "[slow] mine", "async": True, "aspect_ratio": "1:1", "callback_url": "http://127.0.0.1:9/"}
    task_id = sandbox.submit(token="sandbox-team", **request)
    running = sandbox.task(task_id, "sandbox-team")
    assert running["request"] == request and "finished_at" not in running and "elapsed" not in running
    assert running["response"] == {"task_id": task_id, "state": "processing"}
    assert set(running) == SEEN_KEYS | {"trace_id", "request", "response", "data"}
    assert running["created_at"] <= running["started_at"] <= time.time()
    done = wait_for(lambda: (task := sandbox.task(task_id, "sandbox-team")).get("finished_at") and task)
    assert done["elapsed"] == pytest.approx(done["finished_at"] - done["started_at"], abs=0.001)
    assert done["elapsed"] >= 1.0 and done["response"]["video_url"]
    assert done["trace_id"] == running["trace_id"]


def test_a_task_is_readable_only_with_a_token_of_its_account(sandbox):
    task_id = sandbox.submit(token="sandbox-team")
    assert sandbox.task(task_id) == {}
    assert sandbox.look_up(action="retrieve_batch", ids=[task_id]) == {"items": [], "count": 0}
    assert sandbox.task(task_id, "sandbox-team")["id"] == task_id


def test_task_id_is_an_alias_of_id_and_action_is_optional(sandbox):
    task_id = sandbox.submit()
    for payload in (
        {"action": "retrieve", "task_id": task_id},
        {"task_id": task_id},
        {"id": task_id},
        {"action": None, "id": task_id, "ids": None, "task_id": None},
    ):
        assert sandbox.look_up(**payload)["id"] == task_id
    assert sandbox.look_up(ids=[task_id])["count"] == 1
    for payload in ({}, {"action": "retrieve"}, {"id": 5}, {"ids": "text"}, {"ids": [5]}):
        answer = sandbox.post("/luma/tasks", payload)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_data_has_a_state_for_the_command_line_client(sandbox):
    good, bad = sandbox.submit(), sandbox.submit("[fail]")
    assert sandbox.task(sandbox.submit("[slow]"))["data"]["state"] == "processing"
    sandbox.wait_for_response(good), sandbox.wait_for_response(bad)
    assert sandbox.task(good)["data"]["state"] == "completed" and sandbox.task(good)["data"]["video_url"]
    assert sandbox.task(bad)["data"]["state"] == "failed"


def test_a_batch_has_the_existing_tasks_and_their_number(sandbox):
    ids = [sandbox.submit(f"batch {number}") for number in range(2)]
    answer = sandbox.look_up(action="retrieve_batch", ids=[*ids, "unknown", ids[0]])
    assert [item["id"] for item in answer["items"]] == ids and answer["count"] == 2


def test_a_batch_without_ids_lists_the_tasks_of_the_account_newest_first(sandbox):
    ids = [sandbox.submit(f"[fail] {number}", "sandbox-lister") for number in range(5)]
    sandbox.submit("another account's", "sandbox-other")
    listed = sandbox.look_up("sandbox-lister", action="retrieve_batch", ids=None)
    assert [item["id"] for item in listed["items"]] == ids[::-1] and listed["count"] == 5
    assert [item["request"]["prompt"] for item in listed["items"]] == [f"[fail] {number}" for number in (4, 3, 2, 1, 0)]
    page = sandbox.look_up("sandbox-lister", action="retrieve_batch", limit=2, offset=1)
    assert [item["id"] for item in page["items"]] == [ids[3], ids[2]] and page["count"] == 5
    assert sandbox.look_up("sandbox-lister", action="retrieve_batch", offset=5) == {"items": [], "count": 5}


def test_a_list_can_be_limited_by_creation_time(sandbox):
    ids = [sandbox.submit(f"[fail] {number}", "sandbox-dated") for number in range(4)]
    created = [sandbox.task(task_id, "sandbox-dated")["created_at"] for task_id in ids]

    def between(**bounds):
        return [item["id"] for item in sandbox.look_up("sandbox-dated", action="retrieve_batch", **bounds)["items"]]

    assert between(created_at_min=created[1]) == ids[:0:-1]
    assert between(created_at_max=created[1]) == ids[1::-1]
    assert between(created_at_min=created[1], created_at_max=created[2]) == [ids[2], ids[1]]
    assert between(created_at_min=str(created[3]), created_at_max=None) == [ids[3]]
    assert between(created_at_min=created[3] + 3600) == []


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"offset": "many"}, {"created_at_min": True}, {"created_at_max": []}])
def test_a_list_with_a_wrong_bound_is_rejected(sandbox, wrong):
    answer = sandbox.post("/luma/tasks", {"action": "retrieve_batch", **wrong})
    assert answer.status_code == 400 and next(iter(wrong)) in answer.json()["error"]["message"]


def test_deletion_removes_a_task_and_its_video_but_not_the_record(sandbox):
    task_id = sandbox.submit()
    link = sandbox.wait_for_response(task_id)["video_url"]
    assert sandbox.post("/luma/tasks", {"action": "delete", "id": task_id}, "sandbox-other").status_code == 404
    assert sandbox.look_up(action="delete", id=task_id) == {"id": task_id, "deleted": True}
    assert sandbox.task(task_id) == {} and sandbox.http.get(link).status_code == 404
    assert sandbox.post("/luma/tasks", {"action": "delete", "id": task_id}).json()["error"]["code"] == "task_not_found"
    assert task_id in [line["task_id"] for line in sandbox.ledger()]


def test_an_unknown_action_is_not_implemented(sandbox):
    answer = sandbox.post("/luma/tasks", {"action": "archive", "id": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "api_not_implemented")


def test_a_ledger_of_an_earlier_version_is_upgraded(tmp_path):
    first = Sandbox(tmp_path)
    task_id = first.submit()
    first.wait_for_response(task_id)
    first.stop()
    database = sqlite3.connect(tmp_path / "sandbox/ledger.sqlite3")
    with database:
        database.execute("DROP INDEX tasks_listed")
        for name in ("started_at", "deleted"):
            database.execute(f"ALTER TABLE tasks DROP COLUMN {name}")
    database.close()
    second = Sandbox(tmp_path)
    try:
        kept = second.task(task_id)
        assert kept["started_at"] == kept["created_at"] and kept["response"]["video_url"]
        assert second.look_up(action="retrieve_batch")["count"] == 1
    finally:
        second.stop()
