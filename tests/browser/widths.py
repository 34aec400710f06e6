"""The widths of windows at which pages are checked."""

from collections.abc import Iterable

from playwright.sync_api import Page

WIDTHS = (360, 390, 768, 1024, 1440, 1920, 2560)


def assert_no_wider_than_the_window(pages: Iterable[tuple[Page, str]]) -> None:
    """Open each address in its page, and fail if one scrolls sideways."""
    for page, address in pages:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.title()
