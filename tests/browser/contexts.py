"""Reuse browser contexts between tests, with the cache that a member's browser has after a first visit.

A new context begins with an empty cache and a new renderer process: a fifth of a second of Chromium's processor time
and as much of the web server's in each of hundreds of tests. A context goes to the next test without pages, cookies and
storage. Its first page stays open: while it does, the renderer process stays too, and takes the next pages.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

IDLE_AT_MOST = 6  # contexts; each keeps a process
ALL = "all"


class OriginContext:
    """A browser context for the pages of one origin."""

    def __init__(self, browser: Browser, origin: str, init_script: str, options: dict) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self.context.add_init_script(init_script)
        self.origin = origin
        self._first: Page = self.context.new_page()
        self._first.goto(f"{origin}/robots.txt")
        self._session: CDPSession = self.context.new_cdp_session(self._first)
        self._permissions: list[str] = options.get("permissions", [])

    def reset(self) -> None:
        """Close all pages but the first, and delete what they stored."""
        for page in self.context.pages:
            if page is not self._first:
                page.close()
        self.context.clear_cookies()
        self.context.clear_permissions()
        if self._permissions:
            self.context.grant_permissions(self._permissions)
        self._session.send("Storage.clearDataForOrigin", {"origin": self.origin, "storageTypes": ALL})


class Contexts:
    """The contexts of one browser that no test uses at the moment."""

    def __init__(self, browser: Browser, init_script: str) -> None:
        self._browser, self._init_script = browser, init_script
        self._idle: list[tuple[str, OriginContext]] = []  # the one that was used last is the last

    @contextmanager
    def use(self, origin: str, **options) -> Iterator[BrowserContext]:
        """Take a context without pages but its first, cookies and storage for the block."""
        key = json.dumps([origin, options], sort_keys=True)
        found = next((one for one in reversed(self._idle) if one[0] == key), None)
        if found:
            self._idle.remove(found)
        else:
            found = key, OriginContext(self._browser, origin, self._init_script, options)
        yield found[1].context
        found[1].reset()
        self._idle.append(found)
        if len(self._idle) > IDLE_AT_MOST:
            self._idle.pop(0)[1].context.close()
