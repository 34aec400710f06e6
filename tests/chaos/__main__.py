"""Run an installation, break it on purpose, and hold the provider's ledger against the database.

Linux only: who talks to whom is read from /proc. With DATABASE_URL set, a database of its own is made on that
PostgreSQL server and dropped at the end; with REDIS_URL set, that Redis database must be empty, and is emptied.
"""

import argparse
import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from .disk import small_disk

FAULTS = {
    "lost": 0.08, "twice": 0.05, "early": 0.05, "late": 0.04, "forged": 0.04,
    "forged_failure": 0.03, "wrong_task": 0.03, "equal_id": 0.01,
    "hang": 0.012, "drop": 0.03, "limit": 0.04, "error": 0.02, "gateway": 0.02, "named_error": 0.02,
    "slow": 0.04, "transient": 0.04, "lookup": 0.05, "refuse": 0.02, "fail": 0.02,
    "half": 0.04, "webpage": 0.02, "forbid_media": 0.03, "slow_thumbnail": 0.03,
}  # fmt: skip
# Half of these are answered before anything is accepted. Without callbacks the provider's list of tasks settles the
# other half, and nobody can ever know about this one: few of them, so that what is to be settled stands out.
SELDOM_WHEN_POLLED = {"error": 0.001, "gateway": 0.001, "named_error": 0.004}
# Short runs have no time for a POST that is held for 30 s, a link that is forbidden for 15 s, or a look-up an hour on.
TAKES_LONG = ("hang", "forbid_media", "late", "lost", "equal_id", "wrong_task", "slow_thumbnail")
MEMBERS = ("ada", "ben", "cleo")
MOST_IN_DOUBT = 5  # when polled
STANDSTILL = 90.0  # seconds without a row less under way, after which what is left counts as stuck


def main() -> None:
    options = read_options()
    folder = Path(tempfile.mkdtemp(prefix="lumaweb-chaos-"))
    good = False
    with small_disk(folder):
        try:
            with database() as database_url, broker() as redis_url:
                prepare_django(folder, database_url, redis_url)
                good = run(options, folder, database_url, redis_url)
        finally:
            if not good or options.keep:
                kept = folder.with_name(f"{folder.name}-kept")
                shutil.copytree(folder, kept)
                print(f"kept for a closer look: {kept}", file=sys.stderr)
    shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=15, help="for all of it; the storm takes about half")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of everything we decide by chance")
    parser.add_argument("--rounds", type=int, default=2, help="how often each trouble comes that is no kill")
    parser.add_argument("--polled", action="store_true", help="no public address: results are looked up")
    parser.add_argument("--gentle", action="store_true", help="no faults and no kills that take long to get over")
    parser.add_argument("--keep", action="store_true", help="keep the data directory of a good run, too")
    return parser.parse_args()


def prepare_django(folder: Path, database_url: str, redis_url: str) -> None:
    """Let this process read the database of the installation that is about to start."""
    for name in [name for name in os.environ if name.startswith(("LUMAWEB_", "SANDBOX_"))]:
        del os.environ[name]
    os.environ |= {"DJANGO_SETTINGS_MODULE": "lumaweb.settings", "LUMAWEB_DATA_DIR": str(folder)}
    os.environ |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    if database_url:
        os.environ["LUMAWEB_SECRET_KEY"] = secrets.token_urlsafe(50)
        os.environ["LUMAWEB_ENCRYPTION_KEYS"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    import django

    django.setup()


@contextmanager
def database() -> Iterator[str]:
    """A database of our own on the server that DATABASE_URL names; "" for SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield ""
        return
    import psycopg

    name = f"lumaweb_chaos_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def broker() -> Iterator[str]:
    """The Redis database that REDIS_URL names, empty before and after; "" for the database broker."""
    url = os.environ.get("REDIS_URL", "")
    if not url:
        yield ""
        return
    import redis

    with redis.Redis.from_url(url) as server:
        if server.dbsize():
            sys.exit("The Redis database that REDIS_URL names is not empty. Name one that nobody uses.")
        try:
            yield url
        finally:
            server.flushdb()


def run(options: argparse.Namespace, folder: Path, database_url: str, redis_url: str) -> bool:
    # Models can be imported only now that Django is set up.
    from ..support.installation import Installation
    from .audit import compare, read_ledger
    from .storm import Storm
    from .trouble import Troubles

    chances = FAULTS | (SELDOM_WHEN_POLLED if options.polled else {})
    chances = {name: chance for name, chance in chances.items() if not (options.gentle and name in TAKES_LONG)}
    passed_on = ("DATABASE_URL", "REDIS_URL", "LUMAWEB_SECRET_KEY", "LUMAWEB_ENCRYPTION_KEYS")
    env = {name: os.environ[name] for name in passed_on if os.environ.get(name)}
    env |= {"SANDBOX_SCALE": "0.05", "SANDBOX_SECONDS": "1"}
    env["SANDBOX_ACCEPT_SECONDS"] = "0.8" if options.gentle else "0.3"
    env["SANDBOX_FAULTS"] = ",".join(f"{name}={chance}" for name, chance in chances.items())
    if options.polled:
        env["LUMAWEB_PUBLIC_URL"] = ""
    began = time.monotonic()
    house = Installation(folder, **env).start()
    troubles = Troubles(house, 3 if options.gentle else 10)
    try:
        for name in MEMBERS[1:]:
            house.add_member(name)
        troubles.add_second_token()
        say(f"seed {options.seed}: {options.generations} generations, {options.kills} kills, ready to be broken")
        storm = Storm(house, options.seed, gentle=options.gentle, polled=options.polled)
        seconds = options.minutes * 60 * 0.55
        storm.rage(list(MEMBERS), options.generations, options.kills, seconds, troubles, options.rounds)
        say(f"the storm is over after {time.monotonic() - began:.0f} s: settling")
        settled = settle(began + options.minutes * 60, quiet_for=8 if options.gentle else 28)
    finally:
        house.stop()
    killed = {}
    for kill in storm.kills:
        for uuid in kill.rows:
            killed.setdefault(uuid, []).append(kill.at)
    found = compare(read_ledger(folder), folder / "sandbox" / "media", killed, troubles.closings)
    if options.polled and len(found.unconfirmed) > MOST_IN_DOUBT:
        found.unexplained += found.unconfirmed
    print_tables(storm, found, settled)
    bars = dict(found.broken)
    count = sum(found.outcomes.values())
    if count != storm.asked:
        bars["asked"] = [f"{storm.asked} generations were asked for, {count} are there"]
    if len(storm.kills) < options.kills:
        bars["kills"] = [f"only {len(storm.kills)} of {options.kills} kills found their victim"]
    for bar, cases in bars.items():
        print(f"\nBROKEN {bar}:", *cases, sep="\n  ")
    figures = {
        "generations": count,
        "kills": len(storm.kills),
        "kills_during_post": sum(kill.state == "submitting" for kill in storm.kills),
        "paid_twice": len(found.paid_twice),
        "lost": len(found.lost),
        "stuck": len(found.stuck),
        "unsaved": len(found.unsaved),
        "wrong_bytes": len(found.wrong_bytes),
        "unconfirmed": len(found.unconfirmed) + len(found.unexplained),
        "unconfirmed_unexplained": len(found.unexplained),
        "slots_wrong": len(found.slots),
        "polled": options.polled,
        **{f"troubles_{kind}": number for kind, number in sorted(troubles.happened.items())},
        "database": "postgresql" if database_url else "sqlite",
        "broker": "redis" if redis_url else "database",
        "settled_s": round(settled, 1),
        "seconds": round(time.monotonic() - began),
        "seed": options.seed,
        "ok": not bars,
    }
    print("\n" + json.dumps(figures), flush=True)
    return not bars


def settle(deadline: float, quiet_for: float) -> float:
    """Wait until nothing is under way and all is saved; the seconds it took.

    While there are unconfirmed rows, it must stay so for `quiet_for` seconds: their callbacks may be late or slow. A
    backlog that shrinks may take longer than the deadline; the storm of a slow machine leaves more of it.
    """
    from django.db import close_old_connections

    from videos.models import Generation
    from videos.models.state import OPEN, SUBMITTING_AT_MOST

    began = time.monotonic()
    # The last kill may have left a row for the sweep, whatever time is left.
    deadline = max(deadline, began + SUBMITTING_AT_MOST.total_seconds() + 60)
    quiet_since, doubts, fewest = time.monotonic(), -1, sys.maxsize
    while (now := time.monotonic()) < deadline:
        close_old_connections()
        at_work = Generation.objects.filter(state__in=OPEN) | Generation.objects.filter(archive="remote")
        before, doubts = doubts, Generation.objects.filter(state="unconfirmed").count()
        if (left := at_work.count()) or doubts != before:
            quiet_since = now
            if left < fewest:
                fewest, deadline = left, max(deadline, now + STANDSTILL)
        elif now - quiet_since > (quiet_for if doubts else 2):
            break
        time.sleep(0.5)
    return time.monotonic() - began


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_tables(storm, found, settled: float) -> None:
    states = ("submitting", "saving", "processing", "at rest")
    print(f"\n{'killed':<18}{'times':>6}", *(f"{state:>11}" for state in states), "   works again after, s", sep="")
    for what in sorted({kill.what for kill in storm.kills}):
        kills = [kill for kill in storm.kills if kill.what == what]
        hit = Counter(kill.state for kill in kills)
        times = sorted(kill.recovered for kill in kills)
        print(
            f"{what:<18}{len(kills):>6}",
            *(f"{hit[state] or '·':>11}" for state in states),
            f"   median {median(times):.1f}, most {times[-1]:.1f}",
            sep="",
        )
    print(f"{'all':<18}{len(storm.kills):>6}")
    print("\noutcomes:        ", ", ".join(f"{state} {number}" for state, number in found.outcomes.most_common()))
    print("POSTs on record: ", ", ".join(f"{kind} {number}" for kind, number in found.posts.most_common()))
    print("faults accepted: ", ", ".join(f"{kind} {number}" for kind, number in found.faults.most_common()))
    print(f"web server away:  {storm.unreachable} requests of members had to be repeated")
    print(f"settled:          {settled:.0f} s after the last request and the last kill")
    print("\nfrom ready at the provider to recorded, s")
    for via, times in sorted(found.news.items()):
        print(f"  by {via:<9}{len(times):>5}:  {spread(times)}")
    print(f"from asked for to first claimed, s\n  {'':<12}{len(waits := first_claims()):>5}:  {spread(waits)}")
    print(f"\nunconfirmed, and nobody could know better: {len(found.unconfirmed)}")
    for case in found.unconfirmed:
        print(f"  {case}")


def spread(times: list[float]) -> str:
    ordered = sorted(times) or [float("nan")]
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {median(ordered):.2f}, p95 {p95:.2f}, most {ordered[-1]:.2f}"


def first_claims() -> list[float]:
    from django.db.models import Min

    from videos.models import Generation

    rows = Generation.objects.filter(events__kind="claimed").annotate(claimed_at=Min("events__at"))
    return [(row.claimed_at - row.created_at).total_seconds() for row in rows]


if __name__ == "__main__":
    main()
