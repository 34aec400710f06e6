"""Members who request videos over HTTP, and repeat each request until it is answered."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from django.db import close_old_connections

from videos.models import Generation

from ..support.cookies import cookie_named
from ..support.installation import PASSWORD, Installation

SUBJECTS = ("a fox in the snow", "rain on a tin roof", "a lighthouse at dusk", "paper boats", "a red kite", "two moons")
TAKES = (1, 1, 1, 1, 2, 3)
EXTENSION_SHARE = 0.08
EXTRA_SECONDS = 120  # after the planned end, until an unanswered request fails the run


@dataclass
class Members:
    """Counts the generations requested, and the requests that the web server did not answer.

    single_takes gives each generation a different prompt: without callbacks, the audit matches requests by prompt.
    """

    installation: Installation
    single_takes: bool
    requested: int = 0
    unanswered: int = 0

    def submit(self, username: str, number: int, seconds: float, rng: random.Random) -> None:
        """Request some generations as one member, evenly spread over some seconds."""
        began = time.monotonic()
        deadline = began + seconds + EXTRA_SECONDS
        with httpx.Client(base_url=self.installation.url, timeout=10, trust_env=False) as http:
            self._repeat(lambda: http.get("/login/"), deadline)
            response = self._repeat(lambda: _post(http, "/login/", username=username, password=PASSWORD), deadline)
            assert response.status_code == 302, response.text
            done = 0
            while done < number:
                time.sleep(max(0.0, began + seconds * done / number - time.monotonic()))
                takes = 1 if self.single_takes else min(rng.choice(TAKES), number - done)
                # The key makes a repeated request the same submission.
                fields = {"submission_key": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "count": str(takes)}
                fields |= {"prompt": f"{rng.choice(SUBJECTS)}, {username}'s {done}", "mode": "text"}
                if rng.random() < EXTENSION_SHARE and (parent := _random_video_id(rng)):
                    fields |= {"mode": "extend", "action": "extend", "video_id": parent}
                response = self._repeat(lambda data=fields: _post(http, "/generations/", **data), deadline)
                assert response.status_code in (200, 302), response.text
                done += takes
                self.requested += takes

    def _repeat(self, send: Callable[[], httpx.Response], deadline: float) -> httpx.Response:
        """Send a request until the web server answers it without a server error."""
        while True:
            try:
                response = send()
                if response.status_code < 500:
                    return response
                reason = f"{response.status_code}: {response.text[:500]}"
            except httpx.TransportError as error:
                reason = repr(error)
            self.unanswered += 1
            assert time.monotonic() < deadline, f"the web server does not come back: {reason}"
            time.sleep(0.5)


def _post(http: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return http.post(path, data=fields | {"csrfmiddlewaretoken": cookie_named(http, "csrf")[1]})


def _random_video_id(rng: random.Random) -> str:
    """Return the id of a finished video, "" while there is none."""
    close_old_connections()
    ids = list(Generation.objects.filter(state="completed").values_list("video_id", flat=True)[:50])
    return rng.choice(ids) if ids else ""
