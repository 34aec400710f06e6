"""Response files as the web server reads them: forward, and again for what the socket did not accept."""

import io
import threading

import pytest

from videos.views.streams import MAX_BUCKET_STREAMS, FileSlice, GeneratedFile, TooManyStreams, stream

CONTENT = bytes(range(256)) * 40


def pieces(*sizes: int):
    at = 0
    for size in sizes:
        yield CONTENT[at : at + size]
        at += size


def sent(file, takes: list[int]) -> bytes:
    """Return what arrives through a socket that accepts so many bytes at a time, as waitress sends it."""
    file.seek(0, io.SEEK_END)
    remain = file.tell()
    file.seek(0)
    got, turn = b"", 0
    while remain:
        at = file.tell()
        data = file.read(min(500, remain))
        file.seek(at)
        taken = min(takes[turn % len(takes)], len(data))
        got += data[:taken]
        file.seek(taken, io.SEEK_CUR)
        remain -= taken
        turn += 1
    return got


@pytest.mark.parametrize("takes", [[500], [1], [499, 0, 7], [3, 0, 0, 256], [100, 400]])
def test_a_response_sent_in_small_writes_arrives_complete(takes):
    size = 3000
    assert sent(FileSlice(io.BytesIO(CONTENT), 100, size), takes) == CONTENT[100:3100]
    assert sent(GeneratedFile(pieces(30, 1, 900, 2069), size), takes) == CONTENT[:3000]


def test_a_range_ends_where_it_should_and_closes_its_file():
    file = io.BytesIO(CONTENT)
    part = FileSlice(file, 10, 5)
    assert (part.read(), part.read()) == (CONTENT[10:15], b"")
    part.close()
    assert file.closed


@pytest.mark.parametrize("short", [FileSlice(io.BytesIO(CONTENT[:50]), 0, 60), GeneratedFile(pieces(30, 20), 60)])
def test_a_source_that_ends_early_ends_the_response(short):
    with pytest.raises(OSError, match="10 bytes are missing"):
        while short.read(20):
            pass


def test_an_abandoned_archive_closes_its_file():
    closed = []

    def reading():
        try:
            yield b"x" * 100
        finally:
            closed.append(True)

    file = GeneratedFile(reading(), 200)
    file.read(10)
    file.close()
    assert closed == [True]


def test_responses_from_a_bucket_use_a_limited_number_of_threads(db):
    headers = {"Content-Type": "video/mp4"}
    open_ones = [
        stream(FileSlice(io.BytesIO(CONTENT), 0, 9), headers, from_bucket=True) for _ in range(MAX_BUCKET_STREAMS)
    ]
    source = io.BytesIO(CONTENT)
    with pytest.raises(TooManyStreams):
        stream(FileSlice(source, 0, 9), headers, from_bucket=True)
    assert source.closed
    threads = [threading.Thread(target=response.close) for response in open_ones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = stream(FileSlice(io.BytesIO(CONTENT), 0, 9), headers, from_bucket=True)
    assert (b"".join(again), again["Content-Length"]) == (CONTENT[:9], "9")
    again.close()
