"""Firefox and WebKitGTK as Debian packages them, which Playwright does not drive.

Installs missing packages in the same way as find_browser.py installs Chromium's; the test fails if that fails.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from ..find_browser import Missing, install
from ..support.installation import a_free_port

WIDTH, HEIGHT = 1440, 900
# H.264. Chromium contains a decoder.
DECODERS = ("gstreamer1.0-libav", "gstreamer1.0-plugins-good")
FIREFOX_PACKAGES = ("firefox-esr", *DECODERS)
WEBKIT_PACKAGES = ("webkit2gtk-driver", "xvfb", *DECODERS)
FIREFOX_NAMES = ("firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox")
PREFERENCES = {"datareporting.policy.dataSubmissionEnabled": False, "browser.shell.checkDefaultBrowser": False}


class Engine:
    """One interface to both browsers. Methods take CSS selectors, and wait up to 60 s until the element can be used."""

    def __init__(self, driver: Any, go: Callable[[str], Any], run: Callable[..., Any]) -> None:
        self.driver, self.open, self.run = driver, go, run

    def click(self, selector: str) -> None:
        self._use(selector, lambda element: element.click())

    def type(self, selector: str, keys: str) -> None:
        self._use(selector, lambda element: element.send_keys(keys))

    def wait(self, condition: str, *values: Any, seconds: float = 60) -> Any:
        """Return the value of a JavaScript expression, in which `$` selects an element, once it is true."""
        script = f"const $ = (one) => document.querySelector(one); return {condition}"
        end = time.monotonic() + seconds
        while not (value := self.run(script, *values)):
            assert time.monotonic() < end, f"not within {seconds} s: {condition}\n{self.run(SHOWN)}"
            time.sleep(0.1)
        return value

    def _use(self, selector: str, use: Callable[[Any], object]) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                use(self.driver.find_element("css selector", selector))
                return
            except (Refused, WebDriverException) as refused:
                assert time.monotonic() < end, f"{selector}: {refused}"
                time.sleep(0.1)


class Refused(Exception):
    """Firefox refused a command."""


class Marionette:
    """Firefox's own automation protocol: Debian has no geckodriver, and Mozilla's client needs Python 3.12 or older."""

    def __init__(self, port: int) -> None:
        self.lines = connected(port).makefile("rwb")
        self._receive()  # the greeting, with the version of the protocol
        self.send("NewSession")

    def send(self, command: str, **values: Any) -> Any:
        """Send a WebDriver command and return its result; raise Refused."""
        text = json.dumps([0, 1, f"WebDriver:{command}", values])
        self.lines.write(f"{len(text)}:{text}".encode())
        self.lines.flush()
        _, _, error, result = self._receive()
        if error:
            raise Refused(f"{error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def _receive(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self.lines.read(1)
        return json.loads(self.lines.read(int(length[:-1])))

    def find_element(self, using: str, value: str) -> "FirefoxElement":
        (element,) = self.send("FindElement", using=using, value=value).values()
        return FirefoxElement(self, element)


@dataclass
class FirefoxElement:
    client: Marionette
    id: str

    def click(self) -> None:
        self.client.send("ElementClick", id=self.id)

    def send_keys(self, keys: str) -> None:
        self.client.send("ElementSendKeys", id=self.id, text=keys)


def connected(port: int) -> socket.socket:
    """Connect to Firefox, which may still be starting."""
    end = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            assert time.monotonic() < end, "Firefox does not listen for commands"
            time.sleep(0.1)


SHOWN = "return document.body.innerText.slice(0, 2000)"


# ── Finding and installing ────────────────────────────────────────────────────────────────────────────────────


def firefox_path() -> str | None:
    return next(filter(None, map(shutil.which, FIREFOX_NAMES)), None)


def webkit_path() -> str | None:
    """The browser that WebKitWebDriver starts, which is not on PATH."""
    if not shutil.which("WebKitWebDriver") or not shutil.which("Xvfb"):
        return None
    return next((str(path) for path in Path("/usr").glob("lib*/**/webkit2gtk-4.1/MiniBrowser")), None)


def has_packages(names: tuple[str, ...]) -> bool:
    """Whether Debian's packages are installed; true without dpkg, where they have other names."""
    if not shutil.which("dpkg-query"):
        return True
    query = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\n", *names], capture_output=True, text=True)
    return query.returncode == 0 and set(query.stdout.split()) == {"installed"}


def prepared(find: Callable[[], str | None], packages: tuple[str, ...]) -> str:
    """Return the path that `find` returns, after installing missing packages."""
    reason = "they contain no known browser"
    if not find() or not has_packages(packages):
        try:
            install(list(packages))
        except Missing as missing:
            reason = str(missing)
    path = find()
    assert path and has_packages(packages), f"This test needs the packages {', '.join(packages)}, and {reason}"
    return path


# ── Running ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    """Run a command during the block, without output."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def firefox() -> Iterator[Engine]:
    """Run Firefox with a new profile."""
    path = prepared(firefox_path, FIREFOX_PACKAGES)
    port = a_free_port()
    preferences = PREFERENCES | {"marionette.port": port}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    with TemporaryDirectory() as home:
        Path(home, "user.js").write_text("\n".join(lines))
        command = [path, "--headless", "--marionette", "--no-remote", "--profile", home]
        with running(command, env=os.environ | {"HOME": home}):
            client = Marionette(port)
            client.send("SetWindowRect", width=WIDTH, height=HEIGHT)
            yield Engine(
                client,
                lambda url: client.send("Navigate", url=url),
                lambda script, *values: client.send("ExecuteScript", script=script, args=values),
            )


@contextmanager
def display() -> Iterator[str]:
    """Run an X server without a screen and return its name."""
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    with running(command, pass_fds=[theirs]):
        os.close(theirs)
        with open(ours) as number:
            yield f":{number.readline().strip()}"


@contextmanager
def webkit() -> Iterator[Engine]:
    """Run WebKitGTK's MiniBrowser on a separate virtual display."""
    options = Options()
    options.binary_location = prepared(webkit_path, WEBKIT_PACKAGES)
    options.add_argument("--automation")
    # A short path, because it contains sockets.
    with display() as name, TemporaryDirectory() as home:
        env = os.environ | {"DISPLAY": name, "HOME": home, "XDG_RUNTIME_DIR": home}
        driver = webdriver.WebKitGTK(options=options, service=Service(shutil.which("WebKitWebDriver"), env=env))
        try:
            driver.set_window_rect(0, 0, WIDTH, HEIGHT)
            yield Engine(driver, driver.get, driver.execute_script)
        finally:
            driver.quit()
