"""Changing a running sandbox: outages, revoked tokens, limits and faults."""

import contextlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from .process import ROOT, Sandbox, wait_for


def has_finished(sandbox: Sandbox, task_id: str) -> bool:
    return bool(sandbox.task(task_id, "sandbox-narrow").get("finished_at"))


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("controlled"))
    yield running
    running.stop()


@pytest.fixture
def controlled(shared_sandbox):
    """Remove the changes to the sandbox after the test, also after a failure."""
    yield shared_sandbox
    (shared_sandbox.data / "sandbox" / "control.json").unlink(missing_ok=True)
    wait_for(lambda: is_up(shared_sandbox))


@pytest.mark.parametrize("kind", ["502", "503"])
def test_an_outage_answers_html_accepts_nothing_and_ends(controlled, kind):
    task_id = controlled.submit("before the outage")
    controlled.control(outage=kind, seconds=600)
    answer = controlled.request_video(f"during {kind}")
    assert answer.status_code == int(kind) and answer.headers["content-type"] == "text/html"
    assert ("retry-after" in answer.headers) == (kind == "503")
    assert controlled.post("/luma/tasks", {"id": task_id}).status_code == int(kind)
    controlled.control(outage=None)
    assert controlled.wait_for_response(task_id)["success"] is True
    (record,) = (line for line in controlled.ledger() if line["prompt"] == f"during {kind}")
    assert (record["accepted"], record["answered"]) == (False, int(kind))


def test_an_outage_can_refuse_connections(controlled):
    controlled.control(outage="refused", seconds=600)

    def is_refused():
        try:
            httpx.get(controlled.url, trust_env=False)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:  # the port was closed before the connection was accepted
            return False
        return False

    wait_for(is_refused)
    with pytest.raises(httpx.TransportError):
        controlled.request_video("on a connection from before")
    controlled.control(outage=None)
    wait_for(lambda: not is_refused())
    assert controlled.request_video("after").status_code == 200
    records = {line["prompt"]: line for line in controlled.ledger()}
    kept = records.get("on a connection from before")  # absent if the pool opened a new connection
    assert kept is None or (kept["accepted"], kept["answered"]) == (False, 0)


def test_an_outage_ends_after_its_seconds_and_a_fault_begins_one(tmp_path):
    running = Sandbox(tmp_path)
    try:
        running.control(outage="502", seconds=0.5)
        began = time.time()
        wait_for(lambda: running.request_video("x", **{"async": True}).status_code == 200)
        assert time.time() - began < 5
        with contextlib.suppress(httpx.TransportError):  # the outage may refuse connections
            assert running.request_video("[outage]").status_code in (502, 503)
        (record,) = (line for line in running.ledger() if line["prompt"] == "[outage]")
        assert record["accepted"] is False and record["faults"] == ["outage"]
        running.control(outage=None)
        wait_for(lambda: running.process.poll() is None and is_up(running))
    finally:
        running.stop()


def is_up(running):
    try:
        return running.request_video("[fail]", **{"async": True}).status_code == 200
    except httpx.TransportError:
        return False


def test_a_revoked_token_is_rejected_and_another_token_of_its_account_still_works(controlled):
    task_id = controlled.submit("mine", token="sandbox-team")
    controlled.control(revoked=["sandbox-team"])
    for path, payload in (("/luma/videos", {"prompt": "x"}), ("/luma/tasks", {"id": task_id})):
        answer = controlled.post(path, payload, "sandbox-team")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")
    assert controlled.task(task_id, "sandbox-team:new")["id"] == task_id
    controlled.control(revoked=None)
    assert controlled.task(task_id, "sandbox-team")["id"] == task_id


def test_the_token_that_is_revoked_later_is_valid_for_one_request(controlled):
    token = "sandbox-revoked-later"
    assert controlled.post("/luma/tasks", {"ids": []}, token).status_code == 200
    with ThreadPoolExecutor(4) as pool:
        payload = {"prompt": "[fail]", "async": True}
        asked = [pool.submit(controlled.post, "/luma/videos", payload, token) for _ in range(4)]
        answers = [one.result() for one in asked]
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    task_id = next(answer.json()["task_id"] for answer in answers if answer.status_code == 200)
    assert controlled.post("/luma/tasks", {"id": task_id}, token).status_code == 401
    assert controlled.task(task_id, f"{token}:renewed")["id"] == task_id


def test_the_concurrency_limit_counts_by_account_and_does_not_limit_look_ups(tmp_path):
    narrow = Sandbox(tmp_path, concurrency=2, seconds=1)
    try:
        ids = [narrow.submit(f"{number}", "sandbox-narrow") for number in range(2)]
        full = narrow.post("/luma/videos", {"prompt": "one too many"}, "sandbox-narrow:other-key")
        assert (full.status_code, full.json()["error"]["code"]) == (429, "too_many_requests")
        assert "retry-after" not in full.headers
        assert narrow.look_up("sandbox-narrow", ids=ids)["count"] == 2
        assert narrow.submit("another account's")
        narrow.control(concurrency=3)
        assert narrow.submit("now there is room", "sandbox-narrow")
        for task_id in ids:
            wait_for(partial(has_finished, narrow, task_id))
        narrow.control(concurrency=None)
        assert narrow.submit("and now, too", "sandbox-narrow")
    finally:
        narrow.stop()


@pytest.mark.parametrize(
    ("faults", "call", "status", "code"),
    [
        ("lookup_no_api=1", {"id": "x"}, 404, "no_api"),
        ("lookup_limit=1", {"id": "x"}, 429, "too_many_requests"),
        ("lookup_page=1", {"id": "x"}, 404, None),
        ("no_listing=1", {"action": "retrieve_batch"}, 400, "api_not_implemented"),
    ],
)
def test_faults_can_be_changed_while_it_runs(controlled, faults, call, status, code):
    controlled.control(faults=faults)
    answer = controlled.post("/luma/tasks", call)
    assert answer.status_code == status
    assert code is None or answer.json()["error"]["code"] == code
    controlled.control(faults=None)
    assert controlled.post("/luma/tasks", call).status_code == 200


@pytest.mark.parametrize(
    ("faults", "status"), [("no_upload=1", 404), ("upload_forbidden=1", 403), ("upload_shape=1", 200)]
)
def test_uploads_can_be_rejected(controlled, faults, status):
    controlled.control(faults=faults)
    answer = controlled.http.post("/files/upload", files={"file": b"x"}, headers={"authorization": "Bearer sandbox"})
    assert answer.status_code == status and "url" not in answer.json()
    controlled.control(faults=None)


@pytest.mark.parametrize("change", ['{"outage": "earthquake"}', '{"colour": 1}', '{"faults": "lots=1"}', "[]", "{"])
def test_a_wrong_change_is_rejected_with_a_message(tmp_path, change):
    command = [sys.executable, "-m", "videos.sandbox", "--data-dir", str(tmp_path), "--control", change]
    stopped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert stopped.returncode != 0 and "--control" in stopped.stderr and "Traceback" not in stopped.stderr
    assert not (tmp_path / "sandbox/control.json").exists()
