"""Callbacks of the sandbox: delivery, retries, signatures and forgeries."""

import hashlib
import hmac
import json
from functools import partial

import pytest

from .process import Sandbox, wait_for


def test_a_callback_has_the_whole_result_and_no_token(sandbox, receiver):
    answer = sandbox.request_video("called back", callback_url=f"{receiver.url}/whole").json()
    assert set(answer) == {"task_id"}
    (body,) = wait_for(lambda: receiver.bodies("/whole"))
    task = sandbox.task(answer["task_id"])
    assert body == {"trace_id": task["trace_id"], **task["response"]}
    headers = next(headers for _, path, _, headers in receiver.received if path == "/whole")
    assert "Authorization" not in headers and headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [503, 404, 302])
def test_a_callback_is_repeated_after_any_status_but_2xx(sandbox, receiver, status):
    receiver.statuses[f"/again-{status}"] = [status, status, 200]
    task_id = sandbox.submit(f"again {status}", callback_url=f"{receiver.url}/again-{status}")
    wait_for(lambda: len(receiver.bodies(f"/again-{status}")) == 3)
    calls = wait_for(lambda: (made := sandbox.ledger_line(task_id)["callbacks"])[2:] and made)
    assert [call["status"] for call in calls] == [status, status, 200]
    # 1.44 % (the square of SANDBOX_SCALE) of the documented 60 s and 300 s.
    first, second, third = (call["attempted_at"] for call in calls)
    assert second - first > 0.85 and third - second > 4.3


def test_a_restart_continues_an_interrupted_delivery(tmp_path, receiver):
    receiver.statuses["/resumed"] = [500, 500, 204]
    first = Sandbox(tmp_path, scale=0.2)
    task_id = first.submit("[fail]", callback_url=f"{receiver.url}/resumed")
    wait_for(lambda: receiver.bodies("/resumed"))
    first.stop()
    second = Sandbox(tmp_path)  # with shorter pauses
    try:
        wait_for(lambda: len(receiver.bodies("/resumed")) == 3)
        calls = wait_for(lambda: (made := second.ledger_line(task_id)["callbacks"])[2:] and made)
        assert [call["status"] for call in calls] == [500, 500, 204]
    finally:
        second.stop()


def test_a_callback_is_signed_if_the_request_has_a_secret(sandbox, receiver):
    for mark, path, right in (("", "/signed", True), ("[badly_signed]", "/badly", False)):
        secret = "s3cret"
        task_id = sandbox.submit(f"{mark} signed", callback_url=f"{receiver.url}{path}", callback_secret=secret)
        wait_for(partial(receiver.bodies, path))
        raw, headers = next((raw, headers) for raw, seen, headers in receiver.raw if seen == path)
        signature = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        assert (headers["X-Callback-Signature"] == signature) is right
        assert "callback_secret" not in sandbox.task(task_id)["request"]
        assert secret not in json.dumps(sandbox.ledger_line(task_id))


def test_the_callback_of_a_failed_task_has_its_error(sandbox, receiver):
    task_id = sandbox.request_video("[fail]", callback_url=f"{receiver.url}/failed").json()["task_id"]
    (body,) = wait_for(lambda: receiver.bodies("/failed"))
    assert body["success"] is False and body["task_id"] == task_id
    assert body["error"]["code"] == "api_error" and body["trace_id"] == sandbox.task(task_id)["trace_id"]


def test_callbacks_come_twice_early_or_never(sandbox, receiver):
    sandbox.request_video("[twice]", callback_url=f"{receiver.url}/twice")
    lost = sandbox.request_video("[lost]", callback_url=f"{receiver.url}/lost").json()["task_id"]
    early = sandbox.request_video("[early]", callback_url=f"{receiver.url}/early").json()["task_id"]
    assert [body["task_id"] for body in receiver.bodies("/early")] == [early]  # before the answer
    wait_for(lambda: len(receiver.bodies("/twice")) == 2)
    sandbox.wait_for_response(lost)
    assert receiver.bodies("/lost") == []


def test_forged_callbacks_have_a_wrong_url_or_another_task(sandbox, receiver):
    task_id = sandbox.request_video("[forged]", callback_url=f"{receiver.url}/forged/key1234").json()["task_id"]
    wait_for(lambda: task_id in [body["task_id"] for body in receiver.bodies("/forged/key1234")])
    assert len(receiver.bodies("/forged/key1234")) == 2
    assert len([path for _, path, _, _ in receiver.received if path.startswith("/forged/")]) == 3


def test_a_callback_may_name_another_task_than_the_response(sandbox, receiver):
    for number, mark in enumerate(("[wrong_task]", "[wrong_task] [early]")):
        task_id = sandbox.submit(mark, callback_url=f"{receiver.url}/wrong-{number}")
        (body,) = wait_for(partial(receiver.bodies, f"/wrong-{number}"))
        assert body["task_id"] != task_id and body["video_url"] == sandbox.wait_for_response(task_id)["video_url"]
        assert sandbox.task(body["task_id"]) == {}


def test_a_callback_is_not_falsified_if_the_response_names_no_task(sandbox, receiver):
    sandbox.request_video("[wrong_task] [forged_failure] [no_task]", callback_url=f"{receiver.url}/unnamed")
    (body,) = wait_for(lambda: receiver.bodies("/unnamed"))
    assert sandbox.task(body["task_id"])["id"] == body["task_id"]


def test_a_forged_failure_of_another_task_comes_before_the_result(sandbox, receiver):
    task_id = sandbox.submit("[forged_failure]", callback_url=f"{receiver.url}/feigned")
    first, second = wait_for(lambda: (bodies := receiver.bodies("/feigned"))[1:] and bodies)
    assert first["success"] is False and first["task_id"] != task_id
    assert second["success"] is True and second["task_id"] == task_id
    kinds = wait_for(lambda: (made := sandbox.ledger_line(task_id)["callbacks"])[1:] and made)
    assert [call["kind"] for call in kinds] == ["forged", "callback"]
