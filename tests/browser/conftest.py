"""A real browser on a whole installation; two members in two contexts of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, expect, sync_playwright

from ..find_browser import find
from ..installation import Installation, Visitor

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What htmx should have sent and did not: a part of the page that nobody brought to life works by a whole new page, and
# carries its member away from where they were.
LEFT = "left to the browser"
WATCH = f"""
addEventListener("submit", (event) => {{
    if (event.target.matches("[hx-post]") && !event.defaultPrevented) console.error("{LEFT}", event.target.action);
}});
"""
COMPLAINTS = ("Content Security Policy", LEFT)

expect.set_options(timeout=15_000)


@contextmanager
def launched(browser_type: BrowserType, path: str | None) -> Iterator[Browser]:
    """The browser at this path, until the end of the block."""
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
    return {"viewport": {"width": 1440, "height": 900}}


@pytest.fixture(scope="package")
def house(tmp_path_factory):
    """An installation as `make run` starts it: the sandbox calls back."""
    house = Installation(tmp_path_factory.mktemp("house")).start()
    house.add_member("ben")
    yield house
    house.stop()


@pytest.fixture(scope="package")
def deaf_house(tmp_path_factory):
    """An installation nobody can call back: results are asked for."""
    house = Installation(tmp_path_factory.mktemp("deaf"), LUMAWEB_PUBLIC_URL="").start()
    house.add_member("ben")
    yield house
    house.stop()


def session_of(house: Installation, username: str) -> list[dict]:
    """The cookies of a new session: typing a name and a password into a page each time would take twice as long."""
    with closing(Visitor(house.url, username).http) as http:
        return [
            {"name": one.name, "value": one.value, "url": house.url, "httpOnly": one.has_nonstandard_attr("HttpOnly")}
            for one in http.cookies.jar
        ]


@pytest.fixture
def sign_in(browser, browser_context_args) -> Callable[..., Page]:
    """Sign a member in, in a browser context of their own; a page whose errors fail the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def hear(username: str, text: str) -> None:
        if any(complaint in text for complaint in COMPLAINTS):
            complaints.append(f"{username}: {text}")

    def sign_in(house: Installation, username: str, **options) -> Page:
        contexts.append(context := browser.new_context(**(browser_context_args | options)))
        context.add_init_script(WATCH)
        context.add_cookies(session_of(house, username))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{username}: {error}"))
        page.on("console", lambda message: hear(username, message.text))
        page.goto(f"{house.url}/")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert not complaints
