"""Send large responses as files, which the web server reads in its event loop, so that slow clients hold no threads.

A read from a bucket would block the event loop, so the request's thread does it. Each process serves only a few such
clients at a time, which keeps the other threads free for pages.
"""

import io
import threading
from collections.abc import Iterator
from typing import IO

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

CHUNK_SIZE = 256 * 1024
MAX_BUCKET_STREAMS = 2  # of the threads of a process (lumaweb/server/server.py)
_bucket_streams = threading.BoundedSemaphore(MAX_BUCKET_STREAMS)


class TooManyStreams(Exception):
    """Too many clients download from the bucket; the message is a sentence for the client."""

    def __init__(self) -> None:
        super().__init__("Too many downloads are in progress. Try again in a minute.")


class _ReadOnlyFile(io.RawIOBase):
    """A read-only, seekable file of known size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (-1: all that are left). Raises OSError where the source ends too soon."""
        left = max(0, self._size - self._at)
        wanted = left if size < 0 else min(size, left)
        data = self._data(wanted)
        if wanted and not data:
            # Otherwise the web server would read again without end.
            raise OSError(f"{left} bytes are missing at the end.")
        self._at += len(data)
        return data

    def _data(self, size: int) -> bytes:
        raise NotImplementedError


class FileSlice(_ReadOnlyFile):
    """A slice of an open file: `size` bytes from offset `first`. Closing the slice closes the file."""

    def __init__(self, file: IO[bytes], first: int, size: int) -> None:
        super().__init__(size)
        self._file, self._first = file, first

    def _data(self, size: int) -> bytes:
        self._file.seek(self._first + self._at)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()


class GeneratedFile(_ReadOnlyFile):
    """A file of `size` bytes made from a generator. Only the last chunk can be read a second time."""

    def __init__(self, chunks: Iterator[bytes], size: int) -> None:
        super().__init__(size)
        self._chunks, self._last, self._last_at = chunks, b"", 0

    def _data(self, size: int) -> bytes:
        if self._at < self._last_at:
            raise OSError("Only the last chunk can be read again.")
        while self._last_at + len(self._last) <= self._at:
            self._last_at += len(self._last)
            self._last = next(self._chunks, b"")
            if not self._last:
                break
        start = self._at - self._last_at
        return self._last[start : start + size]

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close:
            close()
        super().close()


def stream(file: _ReadOnlyFile, headers: dict[str, str], *, status: int = 200, from_bucket: bool) -> HttpResponseBase:
    """Return a response that sends a file and closes it; raise TooManyStreams at the limit for files in a bucket."""
    if not from_bucket:
        others = {name: value for name, value in headers.items() if name != "Content-Type"}
        # FileResponse guesses the type unless it is given apart from the other headers.
        whole = FileResponse(file, status=status, content_type=headers["Content-Type"], headers=others)
        whole.block_size = CHUNK_SIZE
        return whole
    if not _bucket_streams.acquire(blocking=False):
        file.close()
        raise TooManyStreams
    length = {"Content-Length": str(file.seek(0, io.SEEK_END))}
    file.seek(0)
    chunks = iter(lambda: file.read(CHUNK_SIZE), b"")
    response = StreamingHttpResponse(chunks, status=status, headers=headers | length)
    response._resource_closers += [file.close, _bucket_streams.release]  # type: ignore[attr-defined]  # noqa: SLF001  not public, not in the stubs
    return response
