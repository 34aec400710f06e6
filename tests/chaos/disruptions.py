"""Disruptions other than kills: the provider down, the database locked, the disk full, a token revoked."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from ..support.installation import ROOT, Installation

OUTAGES = ("refused", "502", "503")
SECOND_TOKEN = "sandbox-second:{}"  # tokens of one account, which can read each other's tasks
LOCK_FACTOR = 2.5  # times the seconds of other disruptions: longer than SQLite waits for a lock
MAX_WRITE = 64 * 1024 * 1024  # bytes


@dataclass
class Disruptions:
    """Causes one disruption after the other, each for some seconds; counts says how often each kind happened."""

    installation: Installation
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    port_closed_at: list[float] = field(default_factory=list)  # Unix seconds at which an outage closed the port
    _tokens_used: int = 0

    def run(self, rounds: int, seconds: float, rng: random.Random) -> None:
        """Cause each disruption so many times in so many seconds."""
        kinds: dict[str, Callable[[random.Random], None]] = {
            "outage": self._outage,
            "locked": self._lock_database,
            "revoked": self._revoke_token,
        }
        if os.path.ismount(self.installation.folder):
            kinds["full"] = self._fill_disk
        plan = list(kinds) * rounds
        rng.shuffle(plan)
        began, gap = time.monotonic(), seconds / (len(plan) + 1)
        for turn, kind in enumerate(plan):
            due = began + gap * (turn + rng.uniform(0.6, 1.0))
            time.sleep(max(0.0, due - time.monotonic()))
            kinds[kind](rng)
            self.counts[kind] += 1

    def add_second_token(self) -> None:
        """Add the token that is revoked later."""
        self.installation.python(
            "from videos.models import ApiToken\n"
            "first = ApiToken.objects.get()\n"
            "token = ApiToken(name='second', base_url=first.base_url, max_in_flight=first.max_in_flight)\n"
            f"token.secret = {SECOND_TOKEN.format(0)!r}\n"
            "token.save()"
        )

    def _outage(self, rng: random.Random) -> None:
        """Stop the provider: refuse connections, or answer a gateway's error pages."""
        kind = rng.choice(OUTAGES)
        self._change_sandbox(outage=kind, seconds=self.seconds)
        if kind == "refused":
            self.port_closed_at.append(time.time())
        time.sleep(self.seconds)

    def _lock_database(self, rng: random.Random) -> None:
        """Hold the lock that every write needs, longer than the product waits for it."""
        if connection.vendor == "sqlite":
            database = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None, timeout=60)
            database.execute("BEGIN IMMEDIATE")
            time.sleep(LOCK_FACTOR * self.seconds)
            database.execute("ROLLBACK")
            database.close()
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE videos_generation IN EXCLUSIVE MODE")
            time.sleep(LOCK_FACTOR * self.seconds)

    def _fill_disk(self, rng: random.Random) -> None:
        """Fill the disk of the database and the media, and keep it full."""
        ballast = self.installation.folder / "ballast"
        end = time.monotonic() + self.seconds
        try:
            while time.monotonic() < end:
                _append_until_full(ballast)
                time.sleep(0.2)
        finally:
            ballast.unlink()

    def _revoke_token(self, rng: random.Random) -> None:
        """Revoke the second token; later replace it by another token of its account, as an admin does."""
        self._change_sandbox(revoked=[SECOND_TOKEN.format(self._tokens_used)])
        time.sleep(self.seconds)
        self._tokens_used += 1
        secret = SECOND_TOKEN.format(self._tokens_used)
        self.installation.python(
            f"from videos.models import ApiToken\nApiToken.objects.get(name='second').rotate({secret!r}, None)"
        )

    def _change_sandbox(self, **change: object) -> None:
        subprocess.run(
            [sys.executable, "-m", "videos.sandbox", "--control", json.dumps(change)],
            cwd=ROOT,
            env=self.installation.env,
            check=True,
            capture_output=True,
            timeout=60,
        )


def _append_until_full(file: Path) -> None:
    """Append zeros until the disk takes no more."""
    with file.open("ab", buffering=0) as handle:
        size = MAX_WRITE
        while size >= 512:
            try:
                if handle.write(bytes(size)) < size:
                    size //= 2
            except OSError:
                size //= 2
