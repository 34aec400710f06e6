"""Print the path of a Chromium that runs, for the browser tests; install one if there is none.

LUMAWEB_TEST_BROWSER names one; else the usual names on PATH and Playwright's own are tried, then apt-get (as
root, or by sudo without a password), then Playwright's download. Without a browser it says what to do and
exits 1: the browser tests are never left out silently.
"""

import os
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


def candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    yield from (str(path) for path in APPLICATIONS if path.exists())
    yield from playwrights_own()


def playwrights_own() -> Iterator[str]:
    """Ask Playwright where the browser it would download is, if it has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if Path(path).exists():
        yield path


def runs(path: str) -> bool:
    """Whether it is a browser: Ubuntu's chromium-browser, for one, may only say where to get it."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "chrom" in done.stdout.lower()


def find() -> str | None:
    return next(filter(runs, candidates()), None)


def install() -> Iterator[str]:
    """Try the ways to a browser, one after the other; each yields what was tried."""
    if apt_get := shutil.which("apt-get"):
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not as_root or succeeds(["sudo", "-n", "true"]):
            environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
            succeeds([*as_root, apt_get, "update", "-qq"])
            succeeds([*as_root, *environment, apt_get, "install", "-qq", "-y", "chromium"])
            yield "apt-get install chromium"
    succeeds([sys.executable, "-m", "playwright", "install", "chromium"])
    yield "playwright install chromium"


def succeeds(command: list[str]) -> bool:
    """Run it with what it says on standard error: standard output is for the path."""
    try:
        return subprocess.run(command, stdout=sys.stderr, timeout=600, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return False


def main() -> int:
    if given := os.environ.get("LUMAWEB_TEST_BROWSER"):
        if runs(given):
            print(given)
            return 0
        print(f"LUMAWEB_TEST_BROWSER is {given!r}, which does not run.", file=sys.stderr)
        return 1
    path = find()
    if path is None:
        print("Installing a Chromium for the browser tests", file=sys.stderr)
        for _way in install():
            path = find()
            if path:
                break
    if path is None:
        print(
            "The browser tests need a Chromium, and it could not be installed. Install Chromium or "
            "Google Chrome, or set LUMAWEB_TEST_BROWSER to the path of one.",
            file=sys.stderr,
        )
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
