"""Faults of the sandbox's responses, tasks and look-ups, on request and by chance."""

import re
import subprocess
import sys

import httpx
import pytest

from videos.sandbox import options
from videos.sandbox.faults import FAULTS

from .process import ROOT, Sandbox, wait_for

JSON, HTML = "application/json", "text/html"


@pytest.mark.parametrize(("mark", "error"), [("hang", httpx.ReadTimeout), ("drop", httpx.RemoteProtocolError)])
def test_a_lost_response_does_not_stop_the_video(sandbox, receiver, mark, error):
    with pytest.raises(error):
        sandbox.post("/luma/videos", {"prompt": f"[{mark}]", "callback_url": f"{receiver.url}/{mark}"}, timeout=0.6)
    (body,) = wait_for(lambda: receiver.bodies(f"/{mark}"))
    assert body["success"] is True
    line = next(line for line in sandbox.ledger() if line["task_id"] == body["task_id"])
    assert line["accepted"] is True and line["answered"] == 0


@pytest.mark.parametrize(
    ("mark", "status", "code", "accepted"),
    [
        ("refuse", 403, "forbidden", False),
        ("limit", 429, "too_many_requests", False),
        ("busy", 429, "too_many_requests", False),
        ("unknown_400", 400, "prompt_not_supported", False),
        ("unknown_403", 403, "region_not_supported", False),
        ("not_found_page", 404, None, False),
        ("error", 500, "api_error", True),
        ("error_used_up", 500, "used_up", True),
        ("named_error", 500, "api_error", True),
        ("gateway", 502, None, True),
        ("unavailable", 503, None, True),
        ("gateway_timeout", 504, "upstream_timeout", True),
        ("request_timeout", 408, None, True),
        ("conflict", 409, "conflict", True),
        ("closed", 499, None, True),
        ("redirect", 302, None, True),
        ("see_other", 303, None, True),
        ("page", 200, None, True),
        ("answer 402 odd_code", 402, "odd_code", False),
        ("answer 401", 401, None, False),
        ("answer 507 odd_code", 507, "odd_code", True),
        ("answer 308", 308, None, False),
    ],
)
def test_each_canned_response_and_whether_its_task_runs(sandbox, mark, status, code, accepted):
    answer = sandbox.request_video(f"[{mark}] x", **{"async": True})
    assert answer.status_code == status
    assert answer.headers["content-type"] == (JSON if code else HTML)
    assert ("retry-after" in answer.headers) == (mark in ("limit", "unavailable"))
    assert ("location" in answer.headers) == (300 <= status < 400)
    (record,) = (line for line in sandbox.ledger() if line["prompt"] == f"[{mark}] x")
    assert record["accepted"] is accepted and record["answered"] == status and record["faults"] == [mark]
    if accepted:
        assert sandbox.wait_for_response(record["task_id"])["success"] is True
    if code:
        assert answer.json()["error"]["code"] == code and answer.json()["trace_id"]
        names_task = mark in ("named_error", "gateway_timeout")
        assert answer.json().get("task_id") == (record["task_id"] if names_task else None) == record["named"]


def test_a_response_without_a_task(sandbox):
    answer = sandbox.request_video("[no_task]", **{"async": True})
    assert answer.status_code == 200 and set(answer.json()) == {"success", "trace_id"}
    assert sandbox.ledger()[-1]["accepted"] is True and sandbox.ledger()[-1]["named"] is None


def test_a_task_that_fails_or_is_canceled(sandbox):
    failing = sandbox.request_video("please [fail]")
    assert failing.status_code == 500 and failing.json()["success"] is False
    assert failing.json()["error"]["code"] == "api_error" and failing.json()["trace_id"]
    task_id = sandbox.submit("[cancel]")
    response = sandbox.wait_for_response(task_id)
    assert set(response) == {"task_id", "state"}
    assert response["state"].lower() in ("failed", "failure", "error", "cancelled", "canceled", "rejected")


def test_two_requests_are_answered_with_one_task_id(sandbox):
    first = sandbox.submit("one", token="sandbox-twins")
    second = sandbox.submit("two [equal_id]", token="sandbox-twins")
    assert first == second
    records = [line for line in sandbox.ledger() if line["prompt"] in ("one", "two [equal_id]")]
    assert [line["named"] for line in records] == [first, first]
    assert records[0]["task_id"] == first != records[1]["task_id"]


def test_transient_errors_are_plain_strings_while_the_task_runs(sandbox, receiver):
    task_id = sandbox.submit("[transient] [slow]", callback_url=f"{receiver.url}/transient")
    running = sandbox.task(task_id)
    assert running["response"]["success"] is False and isinstance(running["response"]["error"], str)
    assert "finished_at" not in running and "state" not in running["response"]
    assert sandbox.wait_for_response(task_id)["success"] is True
    first, last = wait_for(lambda: (bodies := receiver.bodies("/transient"))[1:] and bodies)
    assert isinstance(first["error"], str) and last["video_url"]


def test_a_bare_task_has_no_response_an_empty_one_or_null_while_it_runs(sandbox):
    task_id = sandbox.submit("[bare] [slow]")
    seen = {str(sandbox.task(task_id).get("response", "absent")) for _ in range(40)}
    assert seen == {"absent", "{}", "None"}
    assert sandbox.wait_for_response(task_id)["state"] == "completed"


def test_a_sparse_result_has_only_the_video_and_float_sizes(sandbox):
    response = sandbox.wait_for_response(sandbox.submit("[sparse]"))
    assert set(response) == {"task_id", "video_id", "prompt", "video_url", "video_width", "video_height"}
    assert isinstance(response["video_width"], float)


def test_a_poisoned_task_makes_five_of_its_look_ups_fail(sandbox):
    good, bad = sandbox.submit("good"), sandbox.submit("[poison]")
    for payload in [{"id": bad}, *[{"ids": [good, bad]}] * 4]:
        assert sandbox.post("/luma/tasks", payload).status_code == 500
        assert sandbox.task(good)["id"] == good
    assert sandbox.look_up(ids=[good, bad])["count"] == 2


def test_faults_happen_by_chance(tmp_path):
    faulty = Sandbox(tmp_path, faults="limit=1,lookup=1")
    try:
        assert faulty.request_video().status_code == 429
        assert faulty.post("/luma/tasks", {"action": "retrieve", "id": "x"}).status_code == 500
    finally:
        faulty.stop()


def test_by_chance_half_of_the_ambiguous_responses_have_a_task(tmp_path):
    faulty = Sandbox(tmp_path, faults="conflict=1")
    try:
        for _ in range(24):
            assert faulty.request_video("[fail]", **{"async": True}).status_code == 409
        assert {line["accepted"] for line in faulty.ledger()} == {True, False}
    finally:
        faulty.stop()


def test_every_fault_and_setting_is_in_the_help_and_in_the_manual():
    command = [sys.executable, "-m", "videos.sandbox", "--help"]
    help_text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs/contributor/sandbox.md").read_text()
    assert [name for name in FAULTS if f"    {name} " not in help_text] == []
    assert [name for name in FAULTS if f"`{name}`" not in page] == []
    for variable in set(re.findall("SANDBOX_[A-Z_]+", (ROOT / options.__file__).read_text())):
        assert variable in help_text and f"| `{variable}` |" in page
