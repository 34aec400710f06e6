"""Interrupted downloads: the browser requests the rest of the file and ends with all of it."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from ..support.installation import Installation
from ..support.slow_clients import studio

MB = 1024**2
CUT_AFTER = 3 * MB
CLICK = """(address) => {
    const link = Object.assign(document.createElement("a"), { href: address, download: "" });
    document.body.append(link);
    link.click();
}"""


class Relay:
    """A TCP relay to a port. It closes the first download after CUT_AFTER bytes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []  # the heads of all requests for a download
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for target in (self._up, self._down):
                    threading.Thread(target=target, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"download=1" in data.partition(b"\r\n")[0]:
                    self.asked.append(data.decode("latin-1"))
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
                sent += len(data)
                if sent > CUT_AFTER and not self._is_cut:
                    self._is_cut = True
                    break
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("downloads")).start(only=("web",))
    try:
        yield site.port, studio(site)
    finally:
        site.stop()


@pytest.mark.parametrize("whose", ["member", "guest"])
def test_a_download_that_breaks_is_resumed_to_the_last_byte(web, browser, whose):
    port, filled = web
    relay = Relay(port)
    context = browser.new_context()
    try:
        path, letter = f"/generations/{filled.uuids[0]}/video", b"A"
        if whose == "member":
            pairs = [pair.split("=", 1) for pair in filled.cookies.split("; ")]
            context.add_cookies([{"name": name, "value": value, "url": relay.url} for name, value in pairs])
        else:
            path, letter = filled.guest, b"D"
        page = context.new_page()
        page.goto(f"{relay.url}/robots.txt")
        with page.expect_download(timeout=30_000) as download:
            page.evaluate(CLICK, f"{path}?download=1")
        content = Path(download.value.path()).read_bytes()
    finally:
        context.close()
        relay.close()
    assert content == letter * (20 * MB - 8) + b"the end."
    first, second = relay.asked
    assert "Range: bytes=" not in first and "Range: bytes=" in second
