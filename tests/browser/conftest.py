"""Fixtures of the browser tests: a browser, an installation and signed-in pages."""

import os
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, closing, contextmanager
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserType, Page, ViewportSize, expect, sync_playwright

from ..find_browser import find
from ..support.installation import Installation, Visitor
from .contexts import Contexts
from .studio import three_videos

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pages of a context share one renderer process, which lives longer than each page (contexts.py).
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    # A loopback host that browsers do not treat as a secure context: see test_copy.py.
    "--host-resolver-rules=MAP studio.test 127.0.0.1",
]

# Detects a form that the browser submits itself, leaving the page, as htmx did not process a swapped fragment.
LEFT = "left to the browser"
WATCH = f"""
addEventListener("submit", (event) => {{
    if (event.target.matches("[hx-post]") && !event.defaultPrevented) console.error("{LEFT}", event.target.action);
}});
"""
COMPLAINTS = ("Content Security Policy", LEFT)

DESK: ViewportSize = {"width": 1440, "height": 900}

expect.set_options(timeout=15_000)


@contextmanager
def launched(browser_type: BrowserType, path: str | None) -> Iterator[Browser]:
    """Run the browser at `path` during the block."""
    assert path, "No Chromium: run the tests by `make test`, which finds or installs one."
    browser = browser_type.launch(executable_path=path, args=FLAGS)
    yield browser
    browser.close()


# pytest-playwright keeps its event loop running until the session ends, and no test after that can have one of its
# own. So the browser lives as long as this folder's tests.


@pytest.fixture(scope="package")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser_type(playwright):
    return playwright.chromium


@pytest.fixture(scope="package")
def browser(browser_type):
    with launched(browser_type, os.environ.get("LUMAWEB_TEST_BROWSER") or find()) as browser:
        yield browser


@pytest.fixture(scope="package")
def browser_context_args():
    return {"viewport": DESK}


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """Start an installation as `make run` does; the sandbox calls back."""
    site = Installation(tmp_path_factory.mktemp("site")).start()
    site.add_member("ben")
    yield site
    site.stop()


@pytest.fixture(scope="package")
def polling_site(tmp_path_factory):
    """Start an installation without a public URL, which polls the provider for results."""
    site = Installation(tmp_path_factory.mktemp("deaf"), LUMAWEB_PUBLIC_URL="").start()
    site.add_member("ben")
    yield site
    site.stop()


def session_of(site: Installation, username: str) -> list[dict]:
    """Return the cookies of a new session, without the time that typing into the sign-in page takes."""
    with closing(Visitor(site.url, username).http) as http:
        return [
            {"name": one.name, "value": one.value, "url": site.url, "httpOnly": one.has_nonstandard_attr("HttpOnly")}
            for one in http.cookies.jar
        ]


@pytest.fixture(scope="package")
def sessions() -> MutableMapping[Installation, dict[str, list[dict]]]:
    """Return the session cookies of earlier tests, by installation and username."""
    return WeakKeyDictionary()


@pytest.fixture(scope="package")
def contexts(browser) -> Contexts:
    return Contexts(browser, WATCH)


@pytest.fixture
def open_page(request, browser, contexts, browser_context_args) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page without a session in a separate context; page errors fail the test.

    With `first_visit` the browser's cache is empty. Other options are passed to the new context.
    """
    # Without a graphics card every frame of an animation costs.
    motion = "no-preference" if request.node.get_closest_marker("motion") else "reduce"
    complaints: list[str] = []

    def hear(who: str, text: str) -> None:
        if any(complaint in text for complaint in COMPLAINTS):
            complaints.append(f"{who}: {text}")

    with ExitStack() as used:

        def open_page(
            site: Installation,
            who: str = "a visitor",
            *,
            first_visit: bool = False,
            viewport: ViewportSize = DESK,
            color_scheme: str | None = None,
            **options,
        ) -> Page:
            options = browser_context_args | options | {"viewport": viewport if "is_mobile" in options else DESK}
            if first_visit:
                context = used.enter_context(closing(browser.new_context(**options)))
                context.add_init_script(WATCH)
            else:
                context = used.enter_context(contexts.use(site.url, **options))
            page = context.new_page()
            # Of the page, not of the context, so that fewer contexts serve all tests.
            if viewport != options["viewport"]:
                page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=color_scheme, reduced_motion=motion)
            page.on("pageerror", lambda error: complaints.append(f"{who}: {error}"))
            page.on("console", lambda message: hear(who, message.text))
            return page

        yield open_page
    assert not complaints


@pytest.fixture
def sign_in(open_page, sessions) -> Callable[..., Page]:
    """Return a function that signs a member in and opens the studio in a new context; page errors fail the test."""

    def sign_in(site: Installation, username: str, **options) -> Page:
        page = open_page(site, username, **options)
        known = sessions.setdefault(site, {})
        # An earlier test may have ended the session.
        for is_known in (username in known, False):
            if not is_known:
                known[username] = session_of(site, username)
            page.context.add_cookies(known[username])
            page.goto(f"{site.url}/")
            if page.url == f"{site.url}/":
                return page
        raise AssertionError(f"{username} is at {page.url} after signing in")

    return sign_in


@pytest.fixture(scope="package")
def shown(site) -> dict[str, str]:
    return three_videos(site)


@pytest.fixture(scope="package")
def known(site, shown) -> dict[str, str]:
    """Return the values of the names in the addresses of pages.py: three videos, a missing one and a backup."""
    backup = site.python(
        "from django.utils import timezone\nfrom videos.models import Backup\n"
        "print(Backup.objects.create(state='done', path='/backups/one.tar', finished_at=timezone.now()).pk)"
    )
    return shown | {"missing": "00000000-0000-4000-8000-000000000000", "backup": backup}
