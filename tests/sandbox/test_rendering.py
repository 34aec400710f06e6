"""Videos of the sandbox: sizes, given frames, extensions, loops, and the processes that render them."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from videos.sandbox.rendering.video import choose_size

from .process import ENCODING_DIFFERENCE, difference, photo, resized


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21"])
def test_a_video_has_the_size_of_the_requested_ratio(ratio):
    width, height = choose_size(ratio, None, 1)
    across, down = map(int, ratio.split(":"))
    assert width % 2 == height % 2 == 0
    assert width / height == pytest.approx(across / down, rel=0.03)
    if ratio == "16:9":
        assert (width, height) == (1360, 752)


def test_a_wide_start_frame_makes_a_wide_video():
    assert choose_size(None, Image.new("RGB", (2366, 1000)), 1) == (1552, 656)
    assert choose_size("9:16", Image.new("RGB", (2366, 1000)), 1) == (752, 1360)


def test_given_frames_open_and_close_the_video(sandbox, receiver):
    one, other = photo((640, 270), 1), photo((640, 270), 2)
    receiver.files |= {"/one.jpg": one, "/other.jpg": other}
    answer = sandbox.request_video(
        "a river", start_image_url=f"{receiver.url}/one.jpg", end_image_url=f"{receiver.url}/other.jpg"
    ).json()
    assert answer["video_width"] / answer["video_height"] == pytest.approx(640 / 270, rel=0.06)
    frames = sandbox.frames(answer["video_url"])
    assert difference(frames[0], resized(one, frames[0].shape)) < ENCODING_DIFFERENCE
    assert difference(frames[-1], resized(other, frames[0].shape)) < ENCODING_DIFFERENCE
    assert difference(frames[30], frames[0]) > ENCODING_DIFFERENCE


def test_an_extension_begins_where_its_parent_ends(sandbox, receiver):
    parent = sandbox.request_video("desert dunes", aspect_ratio="3:4").json()
    end = photo((300, 400), 3)
    receiver.files["/end.jpg"] = end
    last = sandbox.frames(parent["video_url"])[-1]
    by_id = sandbox.request_video(
        "then rain", action="extend", video_id=parent["video_id"], video_url="http://127.0.0.1:9/"
    ).json()
    by_link = sandbox.request_video(
        "then snow", action="extend", video_url=parent["video_url"], end_image_url=f"{receiver.url}/end.jpg"
    ).json()
    for child in (by_id, by_link):
        frames = sandbox.frames(child["video_url"])
        assert frames[0].shape == last.shape
        assert difference(frames[0], last) < ENCODING_DIFFERENCE
    assert difference(frames[-1], resized(end, last.shape)) < ENCODING_DIFFERENCE
    foreign = sandbox.post(
        "/luma/videos", {"prompt": "x", "action": "extend", "video_id": parent["video_id"]}, "sandbox-other"
    )
    assert foreign.status_code == 400 and "was not found" in foreign.json()["error"]["message"]


def test_a_loop_ends_as_it_began(sandbox):
    for prompt in ("mountains", "sea", "volcano"):
        frames = sandbox.frames(sandbox.request_video(prompt, loop=True).json()["video_url"])
        assert difference(frames[0], frames[-1]) < 3
        assert difference(frames[0], frames[15]) > difference(frames[0], frames[-1])


def test_prompts_make_different_pictures(sandbox):
    videos = [
        sandbox.request_video(prompt, aspect_ratio="1:1").json()
        for prompt in ("city at night", "ocean", "astronauts in space")
    ]
    firsts = [sandbox.frames(video["video_url"])[20] for video in videos]
    assert all(difference(firsts[a], firsts[b]) > 12 for a, b in ((0, 1), (0, 2), (1, 2)))


def test_a_worker_that_is_killed_does_not_lose_its_video(sandbox):
    sandbox.request_video("warm")
    children = Path(f"/proc/{sandbox.process.pid}/task/{sandbox.process.pid}/children")
    if not children.exists():
        pytest.fail("this test needs /proc")
    task_id = sandbox.request_video("rendered after all", **{"async": True}).json()["task_id"]
    listed = Path(f"/proc/{sandbox.process.pid}/task").glob("*/children")
    for child in {int(pid) for entry in listed for pid in entry.read_text().split()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    assert sandbox.wait_for_response(task_id)["success"] is True
