"""Look an installation over from end to end: `manage.py doctor`. Nothing is paid for, and nothing is changed.

Each look is a generator of findings; what it raises is a finding too. A look that needs the database is left out where
that does not answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lumaweb.deadline import SingleFlight, TimedOut

from . import house, outside, store, work
from .findings import Finding, fail, skip

__all__ = ["LOOKS", "Finding", "Look", "examine"]


@dataclass(frozen=True, slots=True)
class Look:
    name: str
    at: Callable[[], Iterator[Finding]]
    needs_database: bool = True
    goes_out: bool = False
    seconds: float = 60.0  # after which it has hung


LOOKS = (
    Look("versions", house.versions, needs_database=False),
    Look("settings", house.settings_, needs_database=False),
    Look("keys", house.keys, needs_database=False),
    Look("disk space", house.space, needs_database=False),
    Look("static files", house.static_files, needs_database=False),
    Look("database", store.database, needs_database=False),
    Look("migrations", store.migrations),
    Look("storage", store.storage, needs_database=False),
    Look("queue", work.queue),
    Look("workers", work.workers),
    Look("ticker", work.ticker),
    Look("waiting", work.waiting),
    Look("tokens", outside.tokens_open),
    Look("tokens at the provider", outside.tokens_work, goes_out=True),
    Look("media hosts", outside.media_hosts, needs_database=False),
    Look("public address", outside.address, goes_out=True),
    Look("callbacks", outside.callbacks),
    Look("clock", outside.clock, goes_out=True),
    Look("mail", outside.mail, needs_database=False, goes_out=True),
)


def examine(*, offline: bool = False, looks: tuple[Look, ...] = LOOKS) -> Iterator[tuple[str, Finding]]:
    """What every look finds, by its name, as it comes."""
    no_database = ""
    for look in looks:
        if offline and look.goes_out:
            yield look.name, skip("Not looked at, as you said --offline.")
            continue
        if no_database and look.needs_database:
            yield look.name, skip(f"Not looked at, as {no_database}.")
            continue
        for finding in _found_by(look):
            if finding.level == "fail" and look.at in (store.database, store.migrations):
                no_database = "the database is not as it has to be"
            yield look.name, finding


def _found_by(look: Look) -> list[Finding]:
    try:
        return SingleFlight(lambda: list(look.at())).result(look.seconds)
    except TimedOut as error:
        return [fail(f"No answer for {error.seconds:.0f} s.", "Something hangs there; the other lines may say what.")]
    except Exception as error:
        # Its words may hold an address with a password in it.
        return [
            fail(f"This could not be looked at: {type(error).__name__}.", "The log of the web server may say more.")
        ]
