"""Troubles that are no kills: the provider away, the storage locked or full, a token refused."""

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
LOCKED = 2.5  # times the seconds of another trouble: longer than SQLite waits for a lock
SPARE_BYTES = 64 * 1024 * 1024  # that a full disk is refilled with at most, at a time


@dataclass
class Troubles:
    """One after the other, spread over the storm; `happened` counts them, `seconds` is how long each lasts."""

    house: Installation
    seconds: float
    happened: Counter[str] = field(default_factory=Counter)
    tokens_used: int = 0
    closings: list[float] = field(default_factory=list)  # Unix times at which the provider's port was closed

    def plan(self) -> list[str]:
        """Name each trouble that this installation can be given."""
        kinds = ["outage", "locked", "revoked"]
        if os.path.ismount(self.house.folder):
            kinds.append("full")
        return kinds

    def rage(self, rounds: int, seconds: float, luck: random.Random) -> None:
        """Give the installation each trouble so many times in the time given."""
        plan = self.plan() * rounds
        luck.shuffle(plan)
        began, gap = time.monotonic(), seconds / (len(plan) + 1)
        for turn, kind in enumerate(plan):
            due = began + gap * (turn + luck.uniform(0.6, 1.0))
            time.sleep(max(0.0, due - time.monotonic()))
            acts: dict[str, Callable[[random.Random], None]] = {
                "outage": self.outage, "locked": self.locked, "revoked": self.revoked, "full": self.full,
            }  # fmt: skip
            acts[kind](luck)
            self.happened[kind] += 1

    def outage(self, luck: random.Random) -> None:
        """Take the provider away: no connection, or a gateway's pages."""
        kind = luck.choice(OUTAGES)
        self.control(outage=kind, seconds=self.seconds)
        if kind == "refused":
            self.closings.append(time.time())
        time.sleep(self.seconds)

    def locked(self, luck: random.Random) -> None:
        """Hold the lock that every write needs, longer than the database waits for it."""
        if connection.vendor == "sqlite":
            other = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None, timeout=60)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(LOCKED * self.seconds)
            other.execute("ROLLBACK")
            other.close()
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE videos_generation IN EXCLUSIVE MODE")
            time.sleep(LOCKED * self.seconds)

    def full(self, luck: random.Random) -> None:
        """Fill the disk of the database and the media, and keep it full."""
        ballast = self.house.folder / "ballast"
        end = time.monotonic() + self.seconds
        try:
            while time.monotonic() < end:
                fill(ballast)
                time.sleep(0.2)
        finally:
            ballast.unlink()

    def revoked(self, luck: random.Random) -> None:
        """Have the provider refuse the second token for a while; then an admin enters another of the same account."""
        self.control(revoked=[SECOND_TOKEN.format(self.tokens_used)])
        time.sleep(self.seconds)
        self.tokens_used += 1
        secret = SECOND_TOKEN.format(self.tokens_used)
        self.house.python(
            f"from videos.models import ApiToken\nApiToken.objects.get(name='second').rotate({secret!r}, None)"
        )

    def add_second_token(self) -> None:
        self.house.python(
            "from videos.models import ApiToken\n"
            "first = ApiToken.objects.get()\n"
            "token = ApiToken(name='second', base_url=first.base_url, max_in_flight=first.max_in_flight)\n"
            f"token.secret = {SECOND_TOKEN.format(0)!r}\n"
            "token.save()"
        )

    def control(self, **change: object) -> None:
        """Change the running sandbox."""
        subprocess.run(
            [sys.executable, "-m", "videos.sandbox", "--control", json.dumps(change)],
            cwd=ROOT, env=self.house.env, check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def fill(file: Path) -> None:
    """Append zeros until the disk takes no more."""
    with file.open("ab", buffering=0) as handle:
        size = SPARE_BYTES
        while size >= 512:
            try:
                if handle.write(bytes(size)) < size:
                    size //= 2
            except OSError:
                size //= 2
