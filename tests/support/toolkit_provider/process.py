"""Start the provider, and sign in there as a browser does."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from ..installation import ROOT

CLIENT = {"client_id": "lumaweb", "client_secret": "a-secret-of-the-client"}


class ToolkitProvider:
    """The running provider; `people` are claims by username."""

    def __init__(self, folder: Path, redirect_uri: str, people: dict[str, dict[str, Any]]) -> None:
        given = {"folder": str(folder), "client": CLIENT | {"redirect_uris": redirect_uri}, "people": people}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.toolkit_provider"],
            cwd=ROOT,
            env=os.environ | {"TOOLKIT_PROVIDER": json.dumps(given)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.issuer = self.process.stdout.readline().strip()
        assert self.issuer, "the provider did not start; see its error above"

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)

    def authorize(self, address: str, username: str, *, allow: bool = True) -> str:
        """Sign in and answer the page that asks for consent; return the address that the browser is sent back to."""
        with httpx.Client(trust_env=False, follow_redirects=True) as browser:
            page = browser.get(address)
            page = browser.post(page.url, data=fields(page) | {"username": username, "password": username})
            assert "authorizationForm" in page.text, page.text
            answer = fields(page) | ({"allow": "Authorize"} if allow else {})
            back = browser.post(page.url, data=answer, follow_redirects=False)
        assert back.status_code == 302, back.text
        return back.headers["Location"]


def fields(page: httpx.Response) -> dict[str, str]:
    """Return the hidden fields of a page's form."""
    found = {}
    for field in re.findall(r'<input type="hidden"[^>]*>', page.text):
        found[re.search(r'name="([^"]*)"', field)[1]] = html.unescape(re.search(r'value="([^"]*)"|$', field)[1] or "")
    return found
