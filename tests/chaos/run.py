"""One run: start an installation, disturb it, let it settle, and audit it. Needs Django set up for its database."""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from uuid import UUID

from django.db import close_old_connections

from videos.models import Generation
from videos.models.state import OPEN, SUBMITTING_AT_MOST

from ..support.installation import Installation
from .audit import Findings, compare, read_ledger
from .disruptions import Disruptions
from .killer import Kill, Killer
from .members import Members
from .report import print_tables, print_violations
from .scenario import Scenario

FAULTS = {
    "lost": 0.08, "twice": 0.05, "early": 0.05, "late": 0.04, "forged": 0.04,
    "forged_failure": 0.03, "wrong_task": 0.03, "equal_id": 0.01,
    "hang": 0.012, "drop": 0.03, "limit": 0.04, "error": 0.02, "gateway": 0.02, "named_error": 0.02,
    "slow": 0.04, "transient": 0.04, "lookup": 0.05, "refuse": 0.02, "fail": 0.02,
    "half": 0.04, "webpage": 0.02, "forbid_media": 0.03, "slow_thumbnail": 0.03,
}  # fmt: skip
# Half of these responses are sent before anything is accepted, and without callbacks nothing can tell that. Rare ones
# leave few such rows beside those that the provider's list of tasks does settle.
POLLED_FAULTS = {"error": 0.001, "gateway": 0.001, "named_error": 0.004}
# Short runs have no time for a POST that hangs for 30 s, a link that is forbidden for 15 s, or a look-up an hour later.
SLOW_FAULTS = ("hang", "forbid_media", "late", "lost", "equal_id", "wrong_task", "slow_thumbnail")
PASSED_ON = ("DATABASE_URL", "REDIS_URL", "LUMAWEB_SECRET_KEY", "LUMAWEB_ENCRYPTION_KEYS")
USERNAMES = ("ada", "ben", "cleo")
MAX_UNCONFIRMED = 5  # in runs without callbacks
SCENARIO_SHARE = 0.55  # of the time given
STANDSTILL_SECONDS = 90.0  # without progress, after which open generations count as stuck


def run(options: argparse.Namespace, folder: Path) -> bool:
    """Run everything and print the report; return whether nothing was violated."""
    began = time.monotonic()
    installation = Installation(folder, **_environment(options)).start()
    members = Members(installation, single_takes=options.polled)
    killer = Killer(installation, quick=options.gentle)
    disruptions = Disruptions(installation, seconds=3 if options.gentle else 10)
    try:
        for username in USERNAMES[1:]:
            installation.add_member(username)
        disruptions.add_second_token()
        _log(f"seed {options.seed}: {options.generations} generations, {options.kills} kills")
        scenario = Scenario(members, killer, disruptions, options.seed)
        seconds = options.minutes * 60 * SCENARIO_SHARE
        scenario.run(USERNAMES, options.generations, options.kills, options.rounds, seconds)
        _log(f"done after {time.monotonic() - began:.0f} s, waiting until everything is settled")
        settled_seconds = settle(began + options.minutes * 60, quiet_seconds=8 if options.gentle else 28)
    finally:
        installation.stop()
    media = folder / "sandbox" / "media"
    findings = compare(read_ledger(folder), media, _killed_while_sending(killer.kills), disruptions.port_closed_at)
    if options.polled and len(findings.unconfirmed) > MAX_UNCONFIRMED:
        findings.unexplained += findings.unconfirmed
    violations = find_violations(options, findings, members, killer)
    print_tables(killer.kills, members, findings, settled_seconds)
    print_violations(violations)
    figures = {
        "generations": sum(findings.outcomes.values()),
        "kills": len(killer.kills),
        "kills_during_post": sum(kill.state == "submitting" for kill in killer.kills),
        "paid_twice": len(findings.paid_twice),
        "lost": len(findings.lost),
        "stuck": len(findings.stuck),
        "unsaved": len(findings.unsaved),
        "wrong_bytes": len(findings.wrong_bytes),
        "unconfirmed": len(findings.unconfirmed) + len(findings.unexplained),
        "unconfirmed_unexplained": len(findings.unexplained),
        "slots_wrong": len(findings.slots),
        "polled": options.polled,
        **{f"disruptions_{kind}": number for kind, number in sorted(disruptions.counts.items())},
        "database": "postgresql" if os.environ.get("DATABASE_URL") else "sqlite",
        "broker": "redis" if os.environ.get("REDIS_URL") else "database",
        "settled_s": round(settled_seconds, 1),
        "seconds": round(time.monotonic() - began),
        "seed": options.seed,
        "ok": not violations,
    }
    print("\n" + json.dumps(figures), flush=True)
    return not violations


def find_violations(
    options: argparse.Namespace, findings: Findings, members: Members, killer: Killer
) -> dict[str, list[str]]:
    """Return the violations of the audit, and what makes the run itself incomplete."""
    violations = dict(findings.violations)
    count = sum(findings.outcomes.values())
    if count != members.requested:
        violations["requested"] = [f"{members.requested} generations were requested, {count} exist"]
    if len(killer.kills) < options.kills:
        violations["kills"] = [f"only {len(killer.kills)} of {options.kills} kills found their target"]
    return violations


def settle(deadline: float, quiet_seconds: float) -> float:
    """Wait until no generation is open and all videos are saved; return the seconds it took.

    While rows are unconfirmed, wait `quiet_seconds` longer: their callbacks may be late or slow. A backlog that shrinks
    extends the deadline, since a slow machine leaves more of it.
    """
    began = time.monotonic()
    # The last kill may have left a row that only the sweep releases.
    deadline = max(deadline, began + SUBMITTING_AT_MOST.total_seconds() + 60)
    quiet_since, unconfirmed, fewest = time.monotonic(), -1, sys.maxsize
    while (now := time.monotonic()) < deadline:
        close_old_connections()
        pending = Generation.objects.filter(state__in=OPEN) | Generation.objects.filter(archive="remote")
        before, unconfirmed = unconfirmed, Generation.objects.filter(state="unconfirmed").count()
        if (left := pending.count()) or unconfirmed != before:
            quiet_since = now
            if left < fewest:
                fewest, deadline = left, max(deadline, now + STANDSTILL_SECONDS)
        elif now - quiet_since > (quiet_seconds if unconfirmed else 2):
            break
        time.sleep(0.5)
    return time.monotonic() - began


def _environment(options: argparse.Namespace) -> dict[str, str]:
    chances = FAULTS | (POLLED_FAULTS if options.polled else {})
    chances = {name: chance for name, chance in chances.items() if not (options.gentle and name in SLOW_FAULTS)}
    env = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    env |= {
        "SANDBOX_SCALE": "0.05",
        "SANDBOX_SECONDS": "1",
        "SANDBOX_ACCEPT_SECONDS": "0.8" if options.gentle else "0.3",
        "SANDBOX_FAULTS": ",".join(f"{name}={chance}" for name, chance in chances.items()),
    }
    if options.polled:
        env["LUMAWEB_PUBLIC_URL"] = ""
    return env


def _killed_while_sending(kills: list[Kill]) -> dict[UUID, list[float]]:
    times: dict[UUID, list[float]] = defaultdict(list)
    for kill in kills:
        for uuid in kill.generations:
            times[uuid].append(kill.at)
    return times


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
