"""Check an installation from end to end: `manage.py doctor`. It changes nothing and costs nothing.

Each check is a generator of findings; an exception from it becomes a finding too. Checks that need the database are
skipped if it does not work.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lumaweb.deadline import SingleFlight, TimedOut
from lumaweb.ops.secret_values import secret_values, without_secrets

from . import (
    account,
    background,
    backups,
    clock,
    database,
    installation,
    machines,
    mail,
    media_hosts,
    provider,
    proxy,
    public_url,
    quota,
    storage,
)
from .findings import Finding, fail, skip

__all__ = ["CHECKS", "Check", "Finding", "run_checks"]


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    run: Callable[[], Iterator[Finding]]
    needs_database: bool = True
    needs_network: bool = False
    timeout: float = 60.0  # seconds


CHECKS = (
    # First: with a wrong proxy, most other findings would be consequences.
    Check("proxy", proxy.proxy, needs_database=False, needs_network=True),
    Check("versions", installation.versions, needs_database=False),
    Check("settings", installation.configuration, needs_database=False),
    Check("keys", installation.keys, needs_database=False),
    Check("disk space", installation.disk_space, needs_database=False),
    Check("static files", installation.static_files, needs_database=False),
    Check("database", database.database, needs_database=False),
    Check("migrations", database.migrations),
    Check("commits", database.commits),
    Check("machines", machines.machines),
    Check("storage", storage.storage, needs_database=False),
    Check("saved videos", storage.saved_videos, timeout=15.0),
    Check("queue", background.queue),
    Check("workers", background.workers),
    Check("ticker", background.ticker),
    Check("waiting", background.waiting),
    Check("tokens", provider.stored_tokens),
    Check("tokens at the provider", provider.accepted_tokens, needs_network=True),
    Check("balance", account.balance),
    Check("media hosts", media_hosts.media_hosts),
    Check("public address", public_url.public_url, needs_network=True),
    Check("callbacks", provider.callbacks),
    Check("clock", clock.clock, needs_network=True),
    Check("backups", backups.backups),
    Check("quota", quota.quota),
    Check("mail", mail.mail, needs_database=False, needs_network=True),
)


def run_checks(
    *, offline: bool = False, checks: Sequence[Check] = CHECKS, seconds: float = math.inf
) -> Iterator[tuple[str, Finding]]:
    """Run the checks one by one; yield each finding, without any secret, with the name of its check.

    seconds: after this time, a check that still runs is given up and the others are skipped.
    """
    ends_at = time.monotonic() + seconds
    database_failed = False
    secrets = secret_values(with_database=False)
    for check in checks:
        if offline and check.needs_network:
            yield check.name, skip("Not checked because of --offline.")
            continue
        if database_failed and check.needs_database:
            yield check.name, skip("Not checked because the database does not work.")
            continue
        if (left := ends_at - time.monotonic()) <= 0:
            yield check.name, skip("Not checked, as the checks before it took too long.")
            continue
        for finding in _findings(check, min(check.timeout, left)):
            if finding.level == "fail" and check.run in (database.database, database.migrations):
                database_failed = True
            yield check.name, _without_secrets(finding, secrets)
        if check.run == database.migrations and not database_failed:
            secrets = secret_values(with_database=True)


def _findings(check: Check, timeout: float) -> list[Finding]:
    try:
        return SingleFlight(lambda: list(check.run())).result(timeout)
    except TimedOut as error:
        return [
            fail(
                "check-timeout",
                f"The check of {check.name} hangs",
                f"No result after {error.seconds:.0f} s.",
                "Something hangs; the other checks may show what.",
            )
        ]
    except Exception as error:
        # Not its message, which may hold a URL with a password.
        return [
            fail(
                "check-error",
                f"The check of {check.name} failed",
                f"The check failed: {type(error).__name__}.",
                "The log of the web server may have more information.",
            )
        ]


def _without_secrets(finding: Finding, secrets: list[str]) -> Finding:
    texts = {name: without_secrets(getattr(finding, name), secrets) for name in ("title", "message", "fix")}
    return replace(finding, **texts)
