"""The sandbox provider over real HTTP, as a client of the contract meets it."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from videos.sandbox.rendering.clip import choose_size
from videos.sandbox.scenery.caption import clean, draw_text, is_covered, split_runs

from .process import ALIKE, ROOT, Sandbox, difference, fitted, photo, wait_for


def test_a_synchronous_answer_is_the_contracts_result_and_plays(sandbox):
    answer = sandbox.make("A fox crossing fresh snow").json()
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


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21"])
def test_a_clip_has_the_size_of_the_asked_ratio(ratio):
    width, height = choose_size(ratio, None, 1)
    across, down = map(int, ratio.split(":"))
    assert width % 2 == height % 2 == 0
    assert width / height == pytest.approx(across / down, rel=0.03)
    if ratio == "16:9":
        assert (width, height) == (1360, 752)


def test_a_wide_start_frame_makes_the_contracts_wide_clip():
    assert choose_size(None, Image.new("RGB", (2366, 1000)), 1) == (1552, 656)
    assert choose_size("9:16", Image.new("RGB", (2366, 1000)), 1) == (752, 1360)


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
def test_a_token_that_may_not_is_told_so(sandbox, token, status, code):
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
def test_a_wrong_parameter_is_refused_with_a_sentence(sandbox, payload, words):
    body = json.dumps(payload).encode()
    answer = sandbox.http.post("/luma/videos", content=body, headers={"authorization": "Bearer sandbox"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"prompt": NaN}', b"[" * 100000, b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_refused(sandbox, body):
    answer = sandbox.http.post("/luma/videos", content=body, headers={"authorization": "Bearer sandbox"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def test_the_three_ways_to_get_a_result(sandbox, listener):
    held = sandbox.make("held").json()
    assert held["state"] == "completed" and held["video_url"]
    polled = sandbox.make("polled", **{"async": True}).json()
    assert polled == {"success": True, "task_id": polled["task_id"]}
    assert sandbox.finished(polled["task_id"])["video_url"]
    both = sandbox.make("both", callback_url=f"{listener.url}/both", **{"async": True}).json()
    (body,) = wait_for(lambda: listener.bodies("/both"))
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


def test_slow_takes_five_times_as_long_and_a_short_timeout_brings_the_task_id_alone(sandbox):
    started = time.monotonic()
    late = sandbox.make("[slow]", timeout=0.3)
    assert late.status_code == 200 and set(late.json()) == {"task_id"}
    assert sandbox.finished(late.json()["task_id"])["success"] is True
    assert time.monotonic() - started >= 1.0


def test_given_frames_open_and_close_the_clip(sandbox, listener):
    one, other = photo((640, 270), 1), photo((640, 270), 2)
    listener.files |= {"/one.jpg": one, "/other.jpg": other}
    answer = sandbox.make(
        "a river", start_image_url=f"{listener.url}/one.jpg", end_image_url=f"{listener.url}/other.jpg"
    ).json()
    assert answer["video_width"] / answer["video_height"] == pytest.approx(640 / 270, rel=0.06)
    frames = sandbox.frames(answer["video_url"])
    assert difference(frames[0], fitted(one, frames[0].shape)) < ALIKE
    assert difference(frames[-1], fitted(other, frames[0].shape)) < ALIKE
    assert difference(frames[30], frames[0]) > ALIKE


def test_a_frame_that_cannot_be_fetched_fails_the_task(sandbox, listener):
    listener.files["/text.jpg"] = b"<svg>"
    for path in ("/absent.jpg", "/text.jpg"):
        answer = sandbox.make("a river", start_image_url=f"{listener.url}{path}")
        assert answer.status_code == 400 and answer.json()["success"] is False
        assert "could not fetch start_image_url" in answer.json()["error"]["message"]


def test_an_extension_begins_where_its_parent_ends(sandbox, listener):
    parent = sandbox.make("desert dunes", aspect_ratio="3:4").json()
    end = photo((300, 400), 3)
    listener.files["/end.jpg"] = end
    last = sandbox.frames(parent["video_url"])[-1]
    by_id = sandbox.make(
        "then rain", action="extend", video_id=parent["video_id"], video_url="http://127.0.0.1:9/"
    ).json()
    by_link = sandbox.make(
        "then snow", action="extend", video_url=parent["video_url"], end_image_url=f"{listener.url}/end.jpg"
    ).json()
    for child in (by_id, by_link):
        frames = sandbox.frames(child["video_url"])
        assert frames[0].shape == last.shape
        assert difference(frames[0], last) < ALIKE
    assert difference(frames[-1], fitted(end, last.shape)) < ALIKE
    foreign = sandbox.post(
        "/luma/videos", {"prompt": "x", "action": "extend", "video_id": parent["video_id"]}, "sandbox-other"
    )
    assert foreign.status_code == 400 and "was not found" in foreign.json()["error"]["message"]


def test_a_loop_ends_as_it_began(sandbox):
    for prompt in ("mountains", "sea", "volcano"):
        frames = sandbox.frames(sandbox.make(prompt, loop=True).json()["video_url"])
        assert difference(frames[0], frames[-1]) < 3
        assert difference(frames[0], frames[15]) > difference(frames[0], frames[-1])


def test_prompts_make_different_pictures(sandbox):
    clips = [
        sandbox.make(prompt, aspect_ratio="1:1").json() for prompt in ("city at night", "ocean", "astronauts in space")
    ]
    firsts = [sandbox.frames(clip["video_url"])[20] for clip in clips]
    assert all(difference(firsts[a], firsts[b]) > 12 for a, b in ((0, 1), (0, 2), (1, 2)))


def test_a_restart_keeps_tasks_and_files_and_finishes_what_was_open(tmp_path, listener):
    first = Sandbox(tmp_path, seconds=1.5)
    try:
        task_id = first.make("kept", callback_url=f"{listener.url}/kept").json()["task_id"]
        cut_off = first.process
        stopping = time.monotonic()
    finally:
        first.stop()
    assert cut_off.returncode == 0 and time.monotonic() - stopping < 3
    second = Sandbox(tmp_path, seconds=1.5)
    try:
        result = second.finished(task_id)
        assert second.frames(result["video_url"])
        wait_for(lambda: listener.bodies("/kept"))
    finally:
        second.stop(signal.SIGKILL)
    third = Sandbox(tmp_path)
    try:
        kept = third.task(task_id)["response"]
        assert kept["video_id"] == result["video_id"] and kept["video_url"].startswith(third.url)
        assert third.http.get(kept["video_url"]).status_code == 200
        assert [line["accepted"] for line in third.ledger()] == [True]
    finally:
        third.stop(signal.SIGINT)


def test_two_hundred_posts_are_held_at_once(tmp_path):
    crowd = Sandbox(tmp_path, accept_seconds=5, seconds=60)
    try:
        limits = httpx.Limits(max_connections=200)
        with (
            httpx.Client(base_url=crowd.url, timeout=60, limits=limits, trust_env=False) as client,
            ThreadPoolExecutor(200) as pool,
        ):

            def ask(number):
                payload = {"prompt": f"[fail] {number}", "async": True}
                return client.post("/luma/videos", json=payload, headers={"authorization": "Bearer sandbox"})

            answers = list(pool.map(ask, range(200)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["task_id"] for answer in answers}) == 200
        held = [(line["received_at"], line["answered_at"]) for line in crowd.ledger()]
        # Not all 200: a busy machine needs a part of the five seconds to send them.
        assert max(sum(since <= at < until for since, until in held) for at, _ in held) > 100
    finally:
        crowd.stop()


def test_a_wrong_setting_stops_the_start_with_a_sentence():
    command = [sys.executable, "-m", "videos.sandbox", "--faults", "lots=1"]
    stopped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert stopped.returncode != 0 and "name=probability" in stopped.stderr


@pytest.mark.parametrize(
    "text",
    [
        "Où ça, naïve façade?",
        "Łódź, żółć, Škoda, İstanbul",
        "Туман над лесом, їжак, ђак",
        "Θάλασσα και ουρανός",
    ],
)
def test_the_caption_font_has_latin_cyrillic_and_greek(text):
    assert split_runs(clean(text)) == [(clean(text), True)]


def test_what_the_font_lacks_becomes_a_pattern_and_only_that():
    assert [run for run, covered in split_runs("Kyoto 京都 at dawn") if not covered] == ["京都"]
    assert not any(is_covered(mark) for mark in "漢ع😀한")
    pictures = {}
    for text in ("京都", "東海", "京都 "):
        picture = Image.new("L", (90, 50))
        draw_text(picture, (5, 40), text, 36, 255)
        pictures[text] = np.asarray(picture)
    assert pictures["京都"].any() and difference(pictures["京都"], pictures["東海"]) > 1
    assert difference(pictures["京都"], pictures["京都 "]) == 0


def test_a_worker_that_is_killed_does_not_lose_its_clip(sandbox):
    sandbox.make("warm")
    children = Path(f"/proc/{sandbox.process.pid}/task/{sandbox.process.pid}/children")
    if not children.exists():
        pytest.fail("this test needs /proc")
    task_id = sandbox.make("rendered after all", **{"async": True}).json()["task_id"]
    listed = Path(f"/proc/{sandbox.process.pid}/task").glob("*/children")
    for child in {int(pid) for entry in listed for pid in entry.read_text().split()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    assert sandbox.finished(task_id)["success"] is True
