"""Open connections that do not send the rest of a request or do not read the response."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx

from .cookies import cookie_named
from .installation import Installation

BOUNDARY = "x" * 30
SEED = """
import uuid
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from videos.models import Generation, Member, Share, Submission
ada = Member.objects.get()
for number in range({videos}):
    submission, _ = Submission.objects.open(ada, uuid.uuid4(), 1, prompt=f"video {{number}}")
    row = submission.generations.get()
    content = bytes([65 + number]) * ({size} - 8) + b"the end."
    name = default_storage.save(f"videos/{{row.uuid.hex[:2]}}/{{row.uuid}}.mp4", ContentFile(content))
    Generation.objects.filter(pk=row.pk).update(
        state="completed", archive="saved", video_file=name, size_bytes={size}, sha256=str(number) * 64)
    row.refresh_from_db()
    print(row.uuid)
share = Share.objects.create_for(row, ada, days=1, chain=False, with_prompt=False)
print(f"{{share.secret_path}}{{row.uuid}}/video")
"""


@dataclass(frozen=True)
class Studio:
    """An installation whose member has saved videos, as paths, and one of them shared: what slow clients ask for."""

    origin: str
    cookies: str
    csrf: str
    uuids: list[str]
    guest: str  # the path of the shared video, for which no account is needed

    def get(self, path: str, *headers: str) -> bytes:
        return self._head("GET", path, *headers) + b"\r\n"

    def post(self, path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
        """A request whose body may be shorter than it says."""
        about = (f"Content-Length: {len(body) if length is None else length}", *headers)
        return self._head("POST", path, *about) + b"\r\n" + body

    def _head(self, method: str, path: str, *headers: str) -> bytes:
        host, referer = self.origin.partition("://")[2], f"{self.origin}/"
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {host}",
            f"Referer: {referer}",
            f"Cookie: {self.cookies}",
            *headers,
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def requests(self) -> dict[str, bytes]:
        """One request of each kind of slow client."""
        form = "application/x-www-form-urlencoded"
        fields = "&".join([f"csrfmiddlewaretoken={self.csrf}", *(f"v={uuid}" for uuid in self.uuids)])
        return {
            "half a header": self.get("/")[:-20],
            "half a body": self.post(
                "/generations/", b"-" * 600_000, f"Content-Type: multipart/form-data; boundary={BOUNDARY}", length=10**6
            ),
            "an unread video": self.get(f"/generations/{self.uuids[0]}/video"),
            "an unread ZIP": self.post("/selection/zip/", fields.encode(), f"Content-Type: {form}"),
            "an unread shared video": replace(self, cookies="none=0").get(self.guest),
        }


def studio(site: Installation, videos: int = 4, size: int = 20 * 1024**2, member: httpx.Client | None = None) -> Studio:
    """Fill an installation that runs and whose only member is ada; `member` is ada's client, behind a proxy if any."""
    *uuids, shared = site.python(SEED.format(videos=videos, size=size)).split()
    member = member or site.visitor().http
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in member.cookies.jar)
    origin = str(member.base_url).rstrip("/")
    return Studio(origin, cookies, cookie_named(member, "csrf")[1], uuids, shared)


@contextmanager
def connected(
    port: int, requests: list[bytes], *, window: int = 4096, tls: ssl.SSLContext | None = None
) -> Iterator[list[socket.socket]]:
    """Send each request on a separate connection, then leave the connections alone."""
    lines = []
    try:
        for request in requests:
            line = socket.socket()
            # What the kernel takes in is not read by anybody, and would hide a small answer.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            line.settimeout(10)
            line.connect(("127.0.0.1", port))
            if tls:
                line = tls.wrap_socket(line, server_hostname="localhost")
            lines.append(line)
            line.sendall(request)
        yield lines
    finally:
        for line in lines:
            line.close()
