"""Responses: ranges, downloads, HEAD, no body."""

import http.client
import subprocess

import httpx
import pytest

from ..support.web_server import MB


@pytest.mark.parametrize("whose", ["member", "guest"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=1000-", 1000, 20 * MB - 1),
        ("bytes=0-", 0, 20 * MB - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=-8", 20 * MB - 8, 20 * MB - 1),
        (f"bytes={20 * MB - 3}-", 20 * MB - 3, 20 * MB - 1),
    ],
)
def test_a_range_request_is_answered_completely(web, whose, asked, first, last):
    path = f"/generations/{web.uuids[3]}/video" if whose == "member" else web.guest
    answer = httpx.get(web.origin + path, headers={"Range": asked, "Cookie": web.cookies}, timeout=20)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{20 * MB}"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.content == (b"D" * (20 * MB - 8) + b"the end.")[first : last + 1]


@pytest.mark.servers
@pytest.mark.parametrize("whose", ["member", "guest"])
@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_an_interrupted_download_is_resumed_to_the_last_byte(web, tmp_path, whose, tool):
    whole, file = b"D" * (20 * MB - 8) + b"the end.", tmp_path / "film.mp4"
    file.write_bytes(whole[: 3 * MB])
    path = f"/generations/{web.uuids[3]}/video" if whose == "member" else web.guest
    words = {
        "curl": ["curl", "-sS", "--fail", "-C", "-", "-o", str(file)],
        "wget": ["wget", "-q", "-c", "-O", str(file)],
    }[tool]
    cookie = ["--header", f"Cookie: {web.cookies}"] if whose == "member" else []
    subprocess.run([*words, *cookie, web.origin + path], check=True, timeout=60)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("path", ["/robots.txt", "/generations/{}/video", "/healthz"])
def test_head_is_answered_without_a_body(server, web, path):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.request("HEAD", path.format(web.uuids[0]), headers={"Cookie": web.cookies})
    answer = line.getresponse()
    assert answer.status == 200 and int(answer.headers["Content-Length"]) > 0
    answer.read()
    kept = line.sock
    line.request("GET", "/healthz")
    # Bytes of a body would be read as the beginning of this answer.
    assert line.getresponse().read() == b'{"ok": true}'
    assert line.sock is kept is not None
    line.close()


@pytest.mark.parametrize("path", ["/generations/{}/video", "/live/?since=9999999999&known=&newest=999999&top=1"])
def test_an_answer_without_a_body_keeps_the_connection(server, web, path):
    """Every open page polls, and would reconnect each time."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):
        known = {"If-None-Match": f'"{"0" * 64}"', "HX-Request": "true"}
        line.request("GET", path.format(web.uuids[0]), headers={"Cookie": web.cookies} | known)
        answer = line.getresponse()
        answer.read()
        assert answer.status in (204, 304)
        assert answer.headers["Connection"] is None and line.sock is not None
    line.close()
