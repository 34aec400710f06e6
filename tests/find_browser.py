"""Print the path of a Chromium that runs, for the browser tests; install the packages they need.

That is a Chromium, the libraries that Playwright's driver is linked with, and ps. LUMAWEB_TEST_BROWSER names a browser;
else the usual names on PATH and Playwright's own are tried. What is missing comes by apt-get (as root, or by sudo
without a password), a browser otherwise by Playwright's download. Where that fails, one sentence says what to install,
and it exits 1: the browser tests are never left out silently.

Beside a Chromium that was found, Debian's headless shell is preferred, and installed where that is possible: the same
engine without the parts that draw windows needs a third less time. It knows no notifications.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)
BROWSER_PACKAGES = ("chromium", "fonts-liberation")
HEADLESS_SHELL = "chromium-headless-shell"  # the command and its package
PLAYWRIGHT = (sys.executable, "-m", "playwright")
WHERE_PLAYWRIGHTS_OWN_IS = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")


class Missing(Exception):
    """The tests cannot run here; the message is one sentence that says what to install."""


def output(*command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command with its output captured; one that cannot be run or takes too long counts as failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def last_line(failed: subprocess.CompletedProcess[str]) -> str:
    return (failed.stderr.strip() or failed.stdout.strip() or f"status {failed.returncode}").splitlines()[-1].strip()


# ── The browser ───────────────────────────────────────────────────────────────────────────────────────────────


def candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    yield from (str(path) for path in APPLICATIONS if path.exists())
    # In a separate process: the caller may be using Playwright already, and the driver may not run here.
    yield from output(sys.executable, "-c", WHERE_PLAYWRIGHTS_OWN_IS).stdout.split("\n")[:1]


def runs(path: str) -> bool:
    """Whether it is a browser: Ubuntu's chromium-browser, for one, may only say where to get it."""
    done = output(path, "--version")
    return done.returncode == 0 and "chrom" in done.stdout.lower()


def find() -> str | None:
    return next(filter(runs, filter(None, candidates())), None)


def find_whole() -> str | None:
    """The browser for tests of what a headless shell lacks."""
    given = os.environ.get("LUMAWEB_TEST_BROWSER")
    return given if given and HEADLESS_SHELL not in given else find()


# ── What else the tests need ──────────────────────────────────────────────────────────────────────────────────


def other_packages() -> list[str]:
    """The Debian packages of what is missing beside the browser; raise Missing where it is in no package."""
    return ([] if shutil.which("ps") else ["procps"]) + packages_of_the_driver()


def packages_of_the_driver() -> list[str]:
    """The package of the library that Playwright's driver lacks; the loader names one at a time."""
    started = output(*PLAYWRIGHT, "--version")
    if started.returncode == 0:
        return []
    lacking = re.search(r"error while loading shared libraries: ([^:\s]+): cannot open", started.stderr)
    if not lacking:
        raise Missing(f"Playwright's driver does not run here: {last_line(started)}")
    return [package_of(lacking[1])]


def package_of(library: str) -> str:
    """The Debian package of a shared library, by Debian's rule for their names: libatomic1 for libatomic.so.1."""
    name, _, version = library.lower().replace("_", "-").partition(".so")
    version = version.removeprefix(".")
    return f"{name}-{version}" if name[-1:].isdigit() and version else name + version


# ── Installing ────────────────────────────────────────────────────────────────────────────────────────────────


def as_root() -> list[str]:
    """What to put before a command that root has to run; raise Missing where nothing helps."""
    if not shutil.which("apt-get"):
        raise Missing("there is no apt-get")
    if os.geteuid() == 0:
        return []
    if output("sudo", "-n", "true").returncode:
        raise Missing("only root can install them")
    return ["sudo", "-n"]


def install(packages: list[str]) -> None:
    """Install Debian packages; raise Missing with the reason where that fails."""
    root = as_root()
    print(f"Installing {', '.join(packages)} for the tests", file=sys.stderr)
    updated = output(*root, *APT_GET, "update", seconds=300)
    done = output(*root, *APT_GET, "install", "-y", "--no-install-recommends", *packages, seconds=900)
    if done.returncode:
        raise Missing(last_line(updated if updated.returncode else done))


def download_browser() -> str | None:
    """Let Playwright download its own Chromium; its path, if it runs here."""
    print("Downloading a Chromium for the tests", file=sys.stderr)
    output(*PLAYWRIGHT, "install", "chromium", seconds=600)
    return find()


def headless_shell() -> str | None:
    """The path of the headless shell, which is installed if possible; without it the tests only take longer."""
    if not shutil.which(HEADLESS_SHELL) and output("apt-cache", "show", HEADLESS_SHELL).returncode == 0:
        try:
            install([HEADLESS_SHELL])
        except Missing as reason:
            print(f"The tests do without {HEADLESS_SHELL}: {reason}", file=sys.stderr)
    path = shutil.which(HEADLESS_SHELL)
    return path if path and runs(path) else None


def prepared(given: str | None) -> str:
    """The path of a browser, with everything else in place; raise Missing."""
    installed: set[str] = set()
    while True:
        browser = given or find()
        others = other_packages()
        if browser and not others:
            return browser
        # The browser comes last and apart: not every system with apt-get has a package of that name.
        wanted = others or list(BROWSER_PACKAGES)
        try:
            if installed.issuperset(wanted):
                raise Missing("they are installed and do not work")
            install(wanted)
            installed.update(wanted)
        except Missing as reason:
            if not others and (browser := download_browser()):
                return browser
            everything = [*others, *(() if browser else BROWSER_PACKAGES)]
            alternative = "" if browser else ", or set LUMAWEB_TEST_BROWSER to the path of a Chromium or Google Chrome"
            raise Missing(
                f"The tests need Debian's packages {', '.join(everything)}, and {reason}: "
                f"apt-get install {' '.join(everything)}{alternative}"
            ) from None


def main() -> int:
    given = os.environ.get("LUMAWEB_TEST_BROWSER")
    try:
        if given and not runs(given):
            raise Missing(f"LUMAWEB_TEST_BROWSER is {given!r}, which does not run.")
        browser = prepared(given)
        print(given or headless_shell() or browser)
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
