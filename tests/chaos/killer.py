"""Kills processes of an installation, every second time while a POST is in progress."""

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import close_old_connections

from videos.models import Generation

from ..support.installation import Installation
from .processes import ProcessTree, Target, kill
from .recovery import measure_recovery
from .threads import Threads

# Targets in turn. For the first list the killer waits until a POST is in progress.
DURING_A_POST = [
    "worker connected",
    "worker connected",
    "worker cluster",
    "worker connected",
    "sandbox",
    "worker connected",
    "worker connected",
    "worker cluster",
    "worker connected",
]
AT_ANY_TIME = [
    "web master",
    "media connected",
    "ticker",
    "web worker",
    "media cluster",
    "sandbox",
    "worker process",
    "web worker",
    "ticker",
    "media process",
    "worker sentinel",
]
# The others take up to a minute to recover: an idle queue process may hold its queue's lock, which the watchdog
# notices after 45 s, and a file that was being saved waits for its lease.
QUICK_TO_RECOVER = ["web master", "ticker", "web worker", "sandbox"]
SENDERS = ("worker connected", "worker cluster", "sandbox")
ARRIVAL_TIME = timedelta(seconds=0.2)  # after which a POST has certainly reached the provider
POST_TIMEOUT = 12.0  # seconds to wait for a POST


@dataclass
class Kill:
    """One kill: its target, the state of the work it hit, and the seconds until the program worked again."""

    target: str
    pid: int
    leader: int  # of the program that the process belonged to
    at: float  # Unix seconds
    state: str
    generations: list[uuid.UUID] = field(default_factory=list)  # whose POST was in progress before and after the kill
    recovery_seconds: float = float("nan")


@dataclass
class Killer:
    """Kills one process after the other; quick avoids targets and moments that take a minute to recover from."""

    installation: Installation
    quick: bool
    kills: list[Kill] = field(default_factory=list)

    def run(self, number: int, seconds: float, rng: random.Random) -> None:
        """Kill so many times in so many seconds, then wait until everything works again."""
        at_any_time = QUICK_TO_RECOVER if self.quick else AT_ANY_TIME
        plan = [
            (DURING_A_POST[turn // 2 % len(DURING_A_POST)], True)
            if turn % 2 == 0
            else (at_any_time[turn // 2 % len(at_any_time)], False)
            for turn in range(number)
        ]
        rng.shuffle(plan)
        began, gap = time.monotonic(), seconds / (number + 1)
        recoveries = Threads()
        for turn, (name, during_a_post) in enumerate(plan):
            due = began + gap * (turn + rng.uniform(0.6, 1.4))
            time.sleep(max(0.0, due - time.monotonic()))
            done = self._kill_when_due(name, during_a_post, rng)
            if done:
                recoveries.start(self._measure_recovery, done)
            elif len(plan) < 2 * number:
                plan.append((name, during_a_post))  # the target exited before the kill: repeat it later
        recoveries.join()

    def _kill_when_due(self, name: str, during_a_post: bool, rng: random.Random) -> Kill | None:
        """Find a target by name, wait for a POST if required, and kill it; None if there is no such target."""
        deadline = time.monotonic() + POST_TIMEOUT
        while True:
            close_old_connections()
            targets = ProcessTree(self._root).targets(self.installation.sandbox_port).get(name, [])
            if targets and (not during_a_post or self._is_post_in_progress()):
                break
            if time.monotonic() > deadline:
                if not targets and name.endswith("connected"):
                    name = name.replace("connected", "cluster")
                    deadline += POST_TIMEOUT
                    continue
                if not targets:
                    return None
                break
            time.sleep(0.01)
        return self._kill(rng.choice(targets))

    def _kill(self, target: Target) -> Kill | None:
        """Kill a target and record what it hit; None if it ended before."""
        was_processing = Generation.objects.filter(state="processing").exists()
        was_saving = Generation.objects.filter(archive="remote").exists()
        leader = ProcessTree(self._root).program(target.name.partition(" ")[0]) or 0
        at = time.time()
        if not kill(target, self._root):
            return None
        # Includes rows claimed between the choice of the moment and the kill, but none claimed after it.
        hit = sorted(_submitting(submitted_at__lte=datetime.now(UTC))) if target.name in SENDERS else []
        if hit:
            state = "submitting"
        elif target.name.startswith("media") and was_saving:
            state = "saving"
        else:
            state = "processing" if was_processing else "at rest"
        done = Kill(target.name, target.pid, leader, at, state, hit)
        self.kills.append(done)
        return done

    def _measure_recovery(self, done: Kill) -> None:
        done.recovery_seconds = measure_recovery(self.installation, done.target, done.pid, done.leader, done.at)

    @property
    def _root(self) -> int:
        assert self.installation.process is not None
        return self.installation.process.pid

    def _is_post_in_progress(self) -> bool:
        if not _submitting():
            return False
        if not self.quick:
            return True
        # The callback of a POST that has not arrived yet never comes, and its row would stay unconfirmed for long.
        return not _submitting(submitted_at__gt=datetime.now(UTC) - ARRIVAL_TIME)


def _submitting(**conditions: object) -> set[uuid.UUID]:
    return set(Generation.objects.filter(state="submitting", **conditions).values_list("uuid", flat=True))
