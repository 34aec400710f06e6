"""A real browser on a whole installation; two members in two contexts of their own."""

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ..find_browser import find
from ..installation import PASSWORD, Installation

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

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    path = os.environ.get("LUMAWEB_TEST_BROWSER") or find()
    assert path, "No Chromium: run the tests by `make test`, which finds or installs one."
    return browser_type_launch_args | {"executable_path": path, "args": FLAGS}


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """An installation as `make run` starts it: the sandbox calls back."""
    house = Installation(tmp_path_factory.mktemp("house")).start()
    house.add_member("ben")
    yield house
    house.stop()


@pytest.fixture(scope="session")
def deaf_house(tmp_path_factory):
    """An installation nobody can call back: results are asked for."""
    house = Installation(tmp_path_factory.mktemp("deaf"), LUMAWEB_PUBLIC_URL="").start()
    yield house
    house.stop()


@pytest.fixture
def sign_in(new_context) -> Callable[..., Page]:
    """Sign a member in, in a browser context of their own; a page whose errors fail the test."""
    complaints: list[str] = []

    def sign_in(house: Installation, username: str, **options) -> Page:
        context: BrowserContext = new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{username}: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{username}: {message.text}") if "Content Security Policy" in message.text else None
            ),
        )
        page.goto(f"{house.url}/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{house.url}/")
        return page

    yield sign_in
    assert not complaints
