"""POST /luma/videos of the sandbox: tokens, parameters and the ways to get a result."""

import io
import json
import time

import pytest
from PIL import Image

from .process import wait_for


def test_a_synchronous_response_has_the_contracts_keys_and_a_playable_video(sandbox):
    answer = sandbox.request_video("A fox crossing fresh snow").json()
    assert set(answer) == {
        "success", "task_id", "video_id", "prompt", "video_url", "video_width", "video_height", "state",
        "thumbnail_url", "thumbnail_width", "thumbnail_height",
    }  # fmt: skip
    assert answer["success"] is True and answer["state"] == "completed"
    assert answer["prompt"] == "A fox crossing fresh snow"
    frames = sandbox.frames(answer["video_url"])
    assert len(frames) == 60 and frames[0].shape == (answer["video_height"], answer["video_width"], 3)
    thumbnail = Image.open(io.BytesIO(sandbox.http.get(answer["thumbnail_url"]).content))
    assert thumbnail.format == "JPEG" and thumbnail.size == (
        answer["thumbnail_width"],
        answer["thumbnail_height"],
    )


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "no_token"),
        ("wrong", 401, "invalid_token"),
        ("sandboxes", 401, "invalid_token"),
        ("sandbox-used-up", 403, "used_up"),
        ("sandbox-limited", 429, "too_many_requests"),
    ],
)
def test_an_unusable_token_gets_its_error(sandbox, token, status, code):
    answer = sandbox.post("/luma/videos", {"prompt": "x"}, token)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code and answer.json()["trace_id"]
    assert ("retry-after" in answer.headers) == (status == 429)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "prompt is required"),
        ({"prompt": " \n"}, "prompt is required"),
        ({"prompt": 5}, "prompt must be a string"),
        ({"prompt": "x", "aspect_ratio": "5:4"}, "aspect_ratio must be one of"),
        ({"prompt": "x", "timeout": "long"}, "timeout must be a number"),
        ({"prompt": "x", "timeout": True}, "timeout must be a number"),
        ({"prompt": "x", "timeout": 0}, "timeout must be above 0"),
        ({"prompt": "x", "timeout": 10**400}, "timeout must be above 0"),
        ({"prompt": "x", "loop": "yes"}, "loop must be true or false"),
        ({"prompt": "x", "enhancement": 1}, "enhancement must be true or false"),
        ({"prompt": "x", "async": "true"}, "async must be true or false"),
        ({"prompt": "x", "callback_url": "ftp://a.example/"}, "callback_url must be an http or https URL"),
        ({"prompt": "x", "start_image_url": "no link"}, "start_image_url must be an http or https URL"),
        ({"prompt": "x", "action": "extend"}, "video_id or video_url is required"),
        ({"prompt": "x", "action": "extend", "video_id": "unknown"}, "was not found"),
        (
            {"prompt": "x", "action": "extend", "video_url": "http://127.0.0.1:9/a.mp4"},
            "video_url could not be read",
        ),
        ({"prompt": "x\ud800"}, "half of a surrogate pair"),
    ],
)
def test_a_wrong_parameter_is_rejected_with_a_message(sandbox, payload, words):
    body = json.dumps(payload).encode()
    answer = sandbox.http.post("/luma/videos", content=body, headers={"authorization": "Bearer sandbox"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"prompt": NaN}', b"[" * 100000, b"\xff\xfe"])
def test_a_body_that_is_not_a_json_object_is_rejected(sandbox, body):
    answer = sandbox.http.post("/luma/videos", content=body, headers={"authorization": "Bearer sandbox"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def test_the_three_ways_to_get_a_result(sandbox, receiver):
    held = sandbox.request_video("held").json()
    assert held["state"] == "completed" and held["video_url"]
    polled = sandbox.request_video("polled", **{"async": True}).json()
    assert polled == {"success": True, "task_id": polled["task_id"]}
    assert sandbox.wait_for_response(polled["task_id"])["video_url"]
    both = sandbox.request_video("both", callback_url=f"{receiver.url}/both", **{"async": True}).json()
    (body,) = wait_for(lambda: receiver.bodies("/both"))
    assert body["task_id"] == both["task_id"] and body["video_url"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/luma/images"), ("GET", "/luma/videos"), ("PUT", "/luma/tasks")]
)
def test_an_unknown_operation_is_a_404_no_api(sandbox, method, path):
    answer = sandbox.http.request(method, path, json={"prompt": "x"}, headers={"authorization": "Bearer sandbox"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_api") and answer.json()["trace_id"]


def test_null_means_absent(sandbox):
    names = ("action", "aspect_ratio", "start_image_url", "end_image_url", "enhancement", "loop", "timeout")
    nulls = dict.fromkeys((*names, "video_id", "video_url", "callback_url", "async"))
    assert sandbox.post("/luma/videos", {"prompt": "x"} | nulls).json()["state"] == "completed"


def test_a_body_in_chunks_is_read(sandbox):
    body = json.dumps({"prompt": "in chunks", "async": True}).encode()
    headers = {"authorization": "Bearer sandbox"}
    answer = sandbox.http.post("/luma/videos", content=iter([body[:7], body[7:]]), headers=headers)
    assert sandbox.task(answer.json()["task_id"])["request"]["prompt"] == "in chunks"


def test_slow_takes_five_times_as_long_and_a_short_timeout_returns_only_the_task_id(sandbox):
    started = time.monotonic()
    late = sandbox.request_video("[slow]", timeout=0.3)
    assert late.status_code == 200 and set(late.json()) == {"task_id"}
    assert sandbox.wait_for_response(late.json()["task_id"])["success"] is True
    assert time.monotonic() - started >= 1.0


def test_a_frame_that_cannot_be_fetched_fails_the_task(sandbox, receiver):
    receiver.files["/text.jpg"] = b"<svg>"
    for path in ("/absent.jpg", "/text.jpg"):
        answer = sandbox.request_video("a river", start_image_url=f"{receiver.url}{path}")
        assert answer.status_code == 400 and answer.json()["success"] is False
        assert "could not fetch start_image_url" in answer.json()["error"]["message"]
