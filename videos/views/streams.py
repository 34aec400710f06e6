"""Large answers as files, which the web server sends from its event loop: no thread waits for a slow client.

What has to be fetched from a bucket first would hold up the event loop. It is read in the thread of its request, for a
few clients of a process at a time, so that the other threads stay free for pages.
"""

import io
import threading
from collections.abc import Iterator

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

CHUNK = 256 * 1024
FROM_A_BUCKET = 2  # of the threads of a process (lumaweb/webserver/server.py)
_slots = threading.BoundedSemaphore(FROM_A_BUCKET)


class TooManyStreams(Exception):
    """All threads that may wait for a client are waiting; the message is for the client."""

    def __init__(self) -> None:
        super().__init__("Too many downloads are under way at the moment. Nothing is lost: try again in a minute.")


class _Readable(io.RawIOBase):
    """A file of known size that is only read."""

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
            # The web server would wait for it and never stop asking.
            raise OSError(f"{left} bytes are missing at the end.")
        self._at += len(data)
        return data

    def _data(self, size: int) -> bytes:
        raise NotImplementedError


class Part(_Readable):
    """`size` bytes of an open file from `first` on; closing it closes the file."""

    def __init__(self, file, first: int, size: int) -> None:
        super().__init__(size)
        self._file, self._first = file, first

    def _data(self, size: int) -> bytes:
        self._file.seek(self._first + self._at)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()


class Pieces(_Readable):
    """What a generator yields, `size` bytes in all. It can be read once; only the last piece again."""

    def __init__(self, pieces: Iterator[bytes], size: int) -> None:
        super().__init__(size)
        self._pieces, self._kept, self._kept_at = pieces, b"", 0

    def _data(self, size: int) -> bytes:
        if self._at < self._kept_at:
            raise OSError("What was sent already cannot be read again.")
        while self._kept_at + len(self._kept) <= self._at:
            self._kept_at += len(self._kept)
            self._kept = next(self._pieces, b"")
            if not self._kept:
                break
        start = self._at - self._kept_at
        return self._kept[start : start + size]

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close:
            close()
        super().close()


def stream(file: _Readable, headers: dict[str, str], *, status: int = 200, from_bucket: bool) -> HttpResponseBase:
    """Answer a file and close it at the end; raise TooManyStreams if it would hold a thread too many."""
    if not from_bucket:
        others = {name: value for name, value in headers.items() if name != "Content-Type"}
        # FileResponse guesses the type unless it is given apart from the other headers.
        response = FileResponse(file, status=status, content_type=headers["Content-Type"], headers=others)
        response.block_size = CHUNK
        return response
    if not _slots.acquire(blocking=False):
        file.close()
        raise TooManyStreams
    length = {"Content-Length": str(file.seek(0, io.SEEK_END))}
    file.seek(0)
    response = StreamingHttpResponse(iter(lambda: file.read(CHUNK), b""), status=status, headers=headers | length)
    response._resource_closers += [file.close, _slots.release]
    return response
