"""Run the benchmarks, each beside a baseline: `make bench`, `make bench ARGS="--databases sqlite"`.

Prints progress to standard error, then a table, and one JSON object as the last line. Load and server share this
machine: compare ratios, and read seconds as upper bounds for a machine of its kind.
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
from typing import Any

from ..support import servers
from ..support.installation import PASSWORD, ROOT, Installation
from . import callbacks, media, report, slow_clients, submission, tabs
from .provider import Provider

SIZES = (1_000, 100_000, 1_000_000)
CALLBACKS = 10_000


class Bench:
    """Runs the selected benchmarks, each with a new installation; results are nested by the keys of measure()."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.results: dict[str, Any] = {}
        self._folder, self._options = folder, options
        self._installations = 0

    def run(self) -> None:
        databases = self._options.databases
        for database in databases:
            for rows in self._options.sizes:
                name = f"{database}, pages with {rows:,} generations"
                self._measure(name, lambda d=database, r=rows: self._pages(d, r), "pages", database, str(rows))
            for name, key, work in (
                ("callbacks", "callbacks", self._callbacks),
                ("slow clients", "slow_clients", self._slow_clients),
                ("a batch", "batch", self._batch),
                ("clicks", "clicks", self._clicks),
            ):
                self._measure(f"{database}, {name}", lambda d=database, w=work: w(d), key, database)
        if "postgresql" in databases:
            for database in databases:
                name = f"{database} and Redis, clicks"
                self._measure(name, lambda d=database: self._clicks(d, redis=True), "clicks", f"{database}+redis")
        self._measure("media", self._media, "media")

    def _measure(self, name: str, work: Callable[[], dict[str, Any]], *keys: str) -> None:
        """Run one benchmark unless --only excludes its name."""
        if self._options.only and not any(word in name for word in self._options.only):
            return
        started = time.perf_counter()
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        results = self.results
        for key in keys[:-1]:
            results = results.setdefault(key, {})
        results[keys[-1]] = work()
        print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)

    def _installation(self, database: str, *, redis: bool = False, **env: str) -> Installation:
        """Return an empty installation that is not started."""
        self._installations += 1
        if database == "postgresql":
            env |= servers.SECRETS | {"DATABASE_URL": servers.a_database()}
        else:
            env |= {"DATABASE_URL": ""}
        env |= {"REDIS_URL": servers.a_queue() if redis else ""}  # set even if empty: the default may be a server's
        installation = Installation(self._folder / f"installation-{self._installations}", **env)
        installation.folder.mkdir(parents=True)
        return installation

    # ── Benchmarks ────────────────────────────────────────────────────────────────────────────────────────────

    def _pages(self, database: str, rows: int) -> dict[str, Any]:
        installation = self._installation(database)
        installation.manage("migrate", "-v0")
        installation.manage("collectstatic", "--noinput", "-v0")
        _run_module(installation, "tests.million", str(rows))
        results = json.loads(_run_module(installation, "tests.bench.inside.pages").splitlines()[-1])
        if rows == max(self._options.sizes):
            installation.python(
                "from videos.models import Member\nada = Member.objects.filter(is_superuser=True).first()\n"
                f"ada.set_password({PASSWORD!r})\nada.save()"
            )
            installation.start(only=("web",))
            try:
                results["tabs"] = tabs.measure(installation)
            finally:
                installation.stop()
        return results

    def _callbacks(self, database: str) -> dict[str, Any]:
        installation = self._installation(database).start(only=("web",))
        try:
            return callbacks.measure(installation, self._options.callbacks)
        finally:
            installation.stop()

    def _slow_clients(self, database: str) -> dict[str, Any]:
        installation = self._installation(database).start(only=("web",))
        try:
            return slow_clients.measure(installation)
        finally:
            installation.stop()

    def _batch(self, database: str) -> dict[str, Any]:
        provider = Provider(seconds=1.0).start()
        env = submission.environment_for(provider)
        installation = self._installation(database, **env).start(only=("web", "worker"))
        try:
            return submission.measure_batch(installation, provider)
        finally:
            installation.stop()
            provider.stop()

    def _clicks(self, database: str, *, redis: bool = False) -> dict[str, Any]:
        provider = Provider(seconds=0.5).start()
        env = submission.environment_for(provider)
        installation = self._installation(database, redis=redis, **env).start()
        try:
            return submission.measure_clicks(installation, provider)
        finally:
            installation.stop()
            provider.stop()

    def _media(self) -> dict[str, Any]:
        installation = self._installation("sqlite").start(only=("web",))
        try:
            return media.measure(installation)
        finally:
            installation.stop()


def _run_module(installation: Installation, module: str, *arguments: str) -> str:
    """Run a module in the installation's environment; return what it prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=installation.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of generations")
    parser.add_argument("--callbacks", type=int, default=CALLBACKS)
    parser.add_argument("--only", nargs="+", help="words: run the benchmarks whose name contains one of them")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        if "postgresql" in options.databases:
            os.environ |= stack.enter_context(servers.running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumaweb-bench-")))
        bench = Bench(folder, options)
        bench.run()
    report.print_table(bench.results)
    print(json.dumps(report.figures(bench.results)), flush=True)


if __name__ == "__main__":
    main()
