"""Measure the product, each figure beside the obvious way: `make bench`, `make bench ARGS="--databases sqlite"`.

Prints what is being measured to standard error, then a table, and as the last line one JSON object. Everything runs on
this machine, the load beside the server: compare ratios, and read seconds as the most that a machine of its kind needs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..support import servers
from ..support.installation import ROOT, Installation
from . import media, news, slow_clients, submit, tabs
from .provider import Provider

SIZES = (1_000, 100_000, 1_000_000)
CALLBACKS = 10_000


class Bench:
    """What was measured, by database; each part in an installation of its own."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.found: dict[str, dict] = {}
        self.count = 0

    def house(self, database: str, *, redis: bool = False, **env: str) -> Installation:
        """An empty installation."""
        self.count += 1
        if database == "postgresql":
            env |= servers.SECRETS | {"DATABASE_URL": servers.a_database()}
        # Said in any case: `tests.support.servers` gives a queue to whoever says nothing.
        env |= {"REDIS_URL": servers.a_queue() if redis else ""}
        if database == "sqlite":
            env |= {"DATABASE_URL": ""}
        house = Installation(self.folder / f"house-{self.count}", **env)
        house.folder.mkdir(parents=True)
        return house

    def measure(self, name: str, work: Callable[[], dict | list], *keys: str) -> None:
        if self.options.only and not any(word in name for word in self.options.only):
            return
        started = time.perf_counter()
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        place = self.found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = work()
        print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)

    # ── The parts ─────────────────────────────────────────────────────────────────────────────────────────────

    def pages(self, database: str, rows: int) -> dict:
        house = self.house(database)
        house.manage("migrate", "-v0")
        house.manage("collectstatic", "--noinput", "-v0")
        self._run(house, "tests.million", str(rows))
        found = json.loads(self._run(house, "tests.bench.pages").splitlines()[-1])
        if rows == max(self.options.sizes):
            house.python(
                "from videos.models import Member\nada = Member.objects.filter(is_superuser=True).first()\n"
                f"ada.set_password({submit.PASSWORD!r})\nada.save()"
            )
            house.start(only=("web",))
            try:
                found["tabs"] = tabs.measure(house)
            finally:
                house.stop()
        return found

    def callbacks(self, database: str) -> dict:
        house = self.house(database).start(only=("web",))
        try:
            return news.measure(house, self.options.callbacks)
        finally:
            house.stop()

    def slow_clients(self, database: str) -> dict:
        house = self.house(database).start(only=("web",))
        try:
            return slow_clients.measure(house)
        finally:
            house.stop()

    def batch(self, database: str) -> dict:
        provider = Provider(seconds=1.0).start()
        house = self.house(database, **submit.at(provider)).start(only=("web", "worker"))
        try:
            return submit.measure(house, provider)
        finally:
            house.stop()
            provider.stop()

    def clicks(self, database: str, *, redis: bool = False) -> dict:
        provider = Provider(seconds=0.5).start()
        house = self.house(database, redis=redis, **submit.at(provider)).start()
        try:
            return submit.measure_clicks(house, provider)
        finally:
            house.stop()
            provider.stop()

    def media(self) -> dict:
        house = self.house("sqlite").start(only=("web",))
        try:
            return media.measure(house)
        finally:
            house.stop()

    @staticmethod
    def _run(house: Installation, module: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *words], cwd=ROOT, env=house.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of generations")
    parser.add_argument("--callbacks", type=int, default=CALLBACKS)
    parser.add_argument("--only", nargs="+", help="words: parts whose name holds one of them")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    with ExitStack() as stack:
        if "postgresql" in options.databases:
            os.environ |= stack.enter_context(servers.running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumaweb-bench-")))
        bench = Bench(folder, options)
        for database in options.databases:
            for rows in options.sizes:
                name = f"{database}, pages with {rows:,} generations"
                bench.measure(name, lambda d=database, r=rows: bench.pages(d, r), "pages", database, str(rows))
            bench.measure(f"{database}, callbacks", lambda d=database: bench.callbacks(d), "callbacks", database)
            bench.measure(
                f"{database}, slow clients", lambda d=database: bench.slow_clients(d), "slow_clients", database
            )
            bench.measure(f"{database}, a batch", lambda d=database: bench.batch(d), "batch", database)
            bench.measure(f"{database}, clicks", lambda d=database: bench.clicks(d), "clicks", database)
        if "postgresql" in options.databases:
            for database in options.databases:
                bench.measure(
                    f"{database} and Redis, clicks",
                    lambda d=database: bench.clicks(d, redis=True), "clicks", f"{database}+redis",
                )  # fmt: skip
        bench.measure("media", bench.media, "media")
    found = bench.found
    print_table(found)
    print(json.dumps(figures(found)), flush=True)


def figures(found: dict) -> dict:
    """The last line: what others rely on first, then all of it."""
    pages = found.get("pages", {})
    largest = {database: by_size[max(by_size, key=int)] for database, by_size in pages.items()}
    return {
        "first_page_ms": {d: {size: one["first_page"] for size, one in by.items()} for d, by in pages.items()},
        "deep_page_ms": {d: {size: one["deep_page"] for size, one in by.items()} for d, by in pages.items()},
        "search_ms": {d: one["search"] for d, one in largest.items()},
        "poll_cpu_ms": {d: one["poll_cpu"] for d, one in largest.items()},
        "submit_1000_s": {d: one["seconds"] for d, one in found.get("batch", {}).items()},
        "click_to_post_ms": {d: one["median"] for d, one in found.get("clicks", {}).items()},
        "callbacks_per_s": {d: one["per_s"] for d, one in found.get("callbacks", {}).items()},
        "callbacks_lost": {d: one["lost"] for d, one in found.get("callbacks", {}).items()},
        "slow_clients": found.get("slow_clients", {}),
        "usage_ms": {d: one["usage"]["usage_ms"] for d, one in largest.items()},
        "cores": os.cpu_count(),
        "all": found,
    }


def print_table(found: dict) -> None:
    def line(what: str, ours: float, obvious: float | None = None, unit: str = "ms", name: str = "") -> None:
        beside = f"{obvious:>11.1f} {unit:<3}{obvious / ours if ours else 0:>8.1f}" if obvious is not None else ""
        print(f"  {what:<44}{ours:>9.1f} {unit:<3}{beside}   {name}".rstrip())

    for database, by_size in found.get("pages", {}).items():
        for size, one in by_size.items():
            print(f"\n{database}, {int(size):,} generations{'':<12}ours       the obvious way    ratio")
            line("first page", one["first_page"])
            line("a page deep in the history", one["deep_page"])
            line("its rows, by key", one["deep_rows_by_key"], one["deep_rows_by_offset"], name="OFFSET")
            for word in one["search"]:
                line(f"search for a {word} word, the page", one["search"][word])
                by_index, by_like = one["search_rows_by_index"][word], one["search_rows_by_like"][word]
                line("  its rows", by_index, by_like, name="LIKE")
            line("idle poll, processor time", one["poll_cpu"], one["reload_cpu"], name="the page again")
            usage = one["usage"]
            for name, ms in usage["usage_ms"].items():
                line(f"usage, {name}", ms, usage["counting_rows_ms"][name], name="counting rows")
            if open_tabs := one.get("tabs"):
                line(f"a page, p95, with {open_tabs['tabs']} tabs open", open_tabs["page_p95"])
    for database, one in found.get("callbacks", {}).items():
        print(f"\n{database}, {one['number']:,} callbacks: {one['per_s']}/s, median {one['median_ms']} ms, p99 "
              f"{one['p99_ms']} ms, lost {one['lost']}, counted twice {one['counted_twice']}")  # fmt: skip
    for database, one in found.get("slow_clients", {}).items():
        print(f"\n{database}, {one['clients']} clients that neither send nor read: p95 quiet, beside them, ratio")
        for name in one["ratio"]:
            line(name, one["quiet_p95_ms"][name], one["slow_p95_ms"][name])
    for database, one in found.get("batch", {}).items():
        print(f"\n{database}, {submit.BATCH} queued, accepted after 1 s each")
        line("in one worker process", one["seconds"], one["one_task_each"], "s", "one task each")
    for database, one in found.get("clicks", {}).items():
        print(f"\n{database}, click to POST: median {one['median']} ms, p95 {one['p95']} ms")
    if one := found.get("media"):
        print("\nmedia")
        line("saving 1 GB", one["saved_gb_s"], one["written_by_hand_s"], "s", "only written to the disk")
        line("memory it takes", one["memory_grown_mb"], unit="MB")
        line(f"ZIP of 200 clips, {one['zip_mb']} MB", one["zip_200_s"], unit="s")
        line("memory it takes", one["zip_memory_grown_mb"], unit="MB")


if __name__ == "__main__":
    main()
