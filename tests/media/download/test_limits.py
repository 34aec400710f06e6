"""Limits of bytes and time, and failures on the way."""

import io
import socket
import time
import tracemalloc

import pytest

from videos.media.download import DownloadFailed, fetch, probe

from ...support.download_server import VIDEO, rules


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (403, True),
        (404, True),
        (410, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_a_link_that_is_gone_is_distinguished_from_a_temporary_failure(at, status, permanent):
    to = io.BytesIO()
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/status/{status}", rules(at), to)
    assert (caught.value.status, caught.value.permanent, to.getvalue()) == (status, permanent, b"")


def test_the_cap_holds_for_an_announced_length(at):
    to = io.BytesIO()
    with pytest.raises(DownloadFailed, match="larger") as caught:
        fetch(f"{at}/video", rules(at, max_bytes=len(VIDEO) - 1), to)
    assert caught.value.permanent
    assert to.getvalue() == b""
    assert fetch(f"{at}/video", rules(at, max_bytes=len(VIDEO)), io.BytesIO()).bytes == len(VIDEO)


def test_the_cap_holds_for_an_endless_body_and_memory_stays_flat(at):
    class Sink(io.RawIOBase):
        length = 0

        def write(self, piece):
            self.length += len(piece)
            return len(piece)

    to = Sink()
    fetch(f"{at}/video", rules(at), io.BytesIO())
    tracemalloc.start()
    with pytest.raises(DownloadFailed, match="larger"):
        fetch(f"{at}/endless", rules(at, max_bytes=30_000_000), to)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 29_000_000 < to.length <= 30_000_000
    # The server's thread is measured too.
    assert peak < 3_000_000


@pytest.mark.parametrize("path", ["drip", "driphead"])
def test_a_slow_response_does_not_outlast_the_deadline(at, path):
    begin = time.monotonic()
    with pytest.raises(DownloadFailed, match="too long") as caught:
        fetch(f"{at}/{path}", rules(at, deadline=0.4), io.BytesIO())
    assert 0.3 < time.monotonic() - begin < 1.5
    assert not caught.value.permanent


def test_the_deadline_covers_the_handshake_too():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"https://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(DownloadFailed, match="too long"):
            fetch(f"{at}/a", rules(at, deadline=0.4), io.BytesIO())
        assert time.monotonic() - begin < 1.5


@pytest.mark.parametrize("path", ["short", "packed"])
def test_a_cut_or_compressed_body_is_a_temporary_failure(at, path):
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/{path}", rules(at), io.BytesIO())
    assert not caught.value.permanent


def test_a_full_disk_is_raised_to_the_caller(at):
    class Full(io.RawIOBase):
        def write(self, piece):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fetch(f"{at}/video", rules(at), Full())


def test_a_probe_reads_one_byte_and_returns_the_status(at, shelf):
    assert probe(f"{at}/video", rules(at)) == 206
    assert shelf.seen[0][1]["range"] == "bytes=0-0"
    assert probe(f"{at}/to?/video", rules(at)) == 206
    assert [probe(f"{at}/status/{status}", rules(at)) for status in (403, 404, 410, 500)] == [
        403,
        404,
        410,
        500,
    ]
    assert probe(f"{at}/endless", rules(at)) == 200
    assert probe(f"{at}/driphead", rules(at, deadline=0.3)) is None
