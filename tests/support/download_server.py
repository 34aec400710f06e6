"""A file server with faults, and the rules to download from it."""

import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from videos.media.download import Rules, origin_of

from .serving import serve

VIDEO = bytes(range(256)) * 1024

HOSTS = frozenset({"platform.cdn.acedata.cloud", ".cdn-luma.com"})


class FaultyFiles(BaseHTTPRequestHandler):
    """A file server with a different fault at each path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        name = self.path.split("?")[0].strip("/").partition("/")
        getattr(self, f"give_{name[0]}")(name[2])

    def reply(self, status=200, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("content_length", str(len(body)))
        for key, value in headers.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_video(self, _):
        if self.headers.get("range") == "bytes=0-0":
            self.reply(206, VIDEO[:1], content_range=f"bytes 0-0/{len(VIDEO)}")
        else:
            self.reply(body=VIDEO, content_type="Video/MP4; codecs=avc1")

    def give_status(self, status):
        self.reply(int(status), b"no")

    def give_to(self, _):
        self.reply(302, location=self.path.partition("?")[2])

    def give_nowhere(self, _):
        self.reply(302)

    def give_hops(self, left):
        self.reply(307, location=f"/hops/{int(left) - 1}" if int(left) > 1 else "/video")

    def give_packed(self, _):
        self.reply(body=b"x", content_encoding="gzip")

    def give_short(self, _):
        self.reply(body=b"abc", content_length="10")
        self.close_connection = True

    def give_endless(self, _):
        self.reply(content_length=None, transfer_encoding="chunked")
        piece = b"%x\r\n%s\r\n" % (65536, b"\0" * 65536)
        with suppress(OSError):
            while True:
                self.wfile.write(piece)
        self.close_connection = True

    def drip(self, start, drop):
        self.wfile.write(start)
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(drop)
                time.sleep(0.05)
        self.close_connection = True

    def give_drip(self, _):
        self.drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"x")

    def give_driphead(self, _):
        self.drip(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x")

    def log_message(self, *_):
        """Keep the test run quiet."""


@contextmanager
def serving(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FaultyFiles)
    server.seen = []
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = serve(server)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def rules(*origins, hosts=HOSTS, max_bytes=10_000_000, deadline=10.0):
    return Rules(hosts, frozenset(origin_of(origin) for origin in origins), max_bytes, deadline)


def never(host, port):
    raise AssertionError(f"{host}:{port} was resolved")


def answers(*addresses):
    return lambda host, port: list(addresses)
