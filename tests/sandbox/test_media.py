"""Videos and thumbnails of the sandbox: byte ranges and damaged files."""

import time

import httpx
import pytest


def test_media_is_served_in_ranges(sandbox):
    url = sandbox.request_video("a lake").json()["video_url"]
    whole = sandbox.http.get(url)
    assert whole.headers["content-type"] == "video/mp4" and whole.headers["accept-ranges"] == "bytes"
    assert whole.content[4:8] == b"ftyp" and whole.content.index(b"moov") < whole.content.index(b"mdat")
    size = len(whole.content)
    for asked, start, stop in (("0-99", 0, 100), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)):
        part = sandbox.http.get(url, headers={"range": f"bytes={asked}"})
        assert part.status_code == 206 and part.content == whole.content[start:stop]
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    assert sandbox.http.get(url, headers={"range": f"bytes={size}-"}).status_code == 416
    head = sandbox.http.head(url)
    assert head.content == b"" and int(head.headers["content-length"]) == size
    assert sandbox.http.get(url.replace(".mp4", "x.mp4")).status_code == 404


def test_media_can_be_forbidden_for_a_while(sandbox):
    answer = sandbox.request_video("[forbid_media]").json()
    assert sandbox.http.get(answer["video_url"]).status_code == 403


def test_the_first_two_downloads_of_a_half_file_have_its_half_length(sandbox):
    url = sandbox.request_video("[half] a lake").json()["video_url"]
    sandbox.http.head(url)  # not counted as a download
    first, second, third = (sandbox.http.get(url) for _ in range(3))
    assert first.content == second.content and first.status_code == 200
    assert first.content.startswith(third.content[:8]) and b"moov" in first.content
    assert len(first.content) == len(third.content) // 2


def test_a_cut_file_ends_before_its_content_length(sandbox):
    url = sandbox.request_video("[cut] a lake").json()["video_url"]
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            sandbox.http.get(url)
    assert sandbox.http.get(url).status_code == 200


@pytest.mark.parametrize(
    ("mark", "status", "content_type", "begins"),
    [
        ("empty", 200, "video/mp4", b""),
        ("webpage", 200, "text/html", b"<html>"),
        ("login", 302, "text/html", b"<html>"),
        ("wrong_kind", 200, "video/mp4", b"\xff\xd8\xff"),
    ],
)
def test_two_downloads_get_something_other_than_the_video(sandbox, mark, status, content_type, begins):
    url = sandbox.request_video(f"[{mark}] a lake").json()["video_url"]
    for _ in range(2):
        got = sandbox.http.get(url)
        assert (got.status_code, got.headers["content-type"]) == (status, content_type)
        assert got.content.startswith(begins) and (begins or not got.content)
    assert sandbox.http.get(url).content[4:8] == b"ftyp"


def test_a_stale_link_is_replaced_by_the_next_look_up(sandbox):
    answer = sandbox.request_video("[stale_link] a lake").json()
    assert sandbox.http.get(answer["video_url"]).status_code == 404
    fresh = sandbox.task(answer["task_id"])["response"]["video_url"]
    assert fresh != answer["video_url"] and sandbox.http.get(fresh).status_code == 200


def test_a_link_to_a_foreign_host_is_replaced_by_the_second_look_up(sandbox):
    task_id = sandbox.submit("[foreign_host] a lake")
    first = sandbox.wait_for_response(task_id)["video_url"]
    assert not first.startswith(sandbox.url)
    assert sandbox.http.get(sandbox.task(task_id)["response"]["video_url"]).status_code == 200


def test_a_slow_thumbnail_takes_a_second_for_each_byte_and_a_missing_one_is_404(sandbox):
    dripping = sandbox.request_video("[slow_thumbnail] a lake").json()["thumbnail_url"]
    began = time.monotonic()
    with sandbox.http.stream("GET", dripping) as answer:
        assert int(answer.headers["content-length"]) > 1000
        parts = answer.iter_raw()
        assert sum(len(next(parts)) for _ in range(3)) < 10
    assert time.monotonic() - began > 1.5
    assert sandbox.http.get(sandbox.request_video("[no_thumbnail]").json()["thumbnail_url"]).status_code == 404
