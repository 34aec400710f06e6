"""Check of this machine's clock."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils import timezone

from videos.models import ApiToken, Machine

from .findings import Finding, fail, ok, skip, warn
from .http_client import RequestFailed, request

MAX_OFFSET, MAX_TOLERABLE_OFFSET = 5.0, 60.0  # seconds


def clock() -> Iterator[Finding]:
    """Compare this machine's clock with those of the database server, the provider and the public address."""
    yield from _other_machines()
    offsets = {host: offset for host, offset in _offsets() if offset is not None}
    wrong = {host: offset for host, offset in offsets.items() if abs(offset) > MAX_OFFSET}
    for host, offset in wrong.items():
        yield _wrong("The clock", offset, host)
    if not offsets:
        yield skip("There is no other clock to compare with.")
    elif not wrong:
        yield ok(f"The clock agrees with {', '.join(offsets)}.")


def _other_machines() -> Iterator[Finding]:
    """Report the clocks of other machines, which each compares with the database server's."""
    for machine in Machine.objects.running():
        if abs(machine.clock_offset) > MAX_OFFSET and machine.host != socket.gethostname():
            yield _wrong(f"The clock of {machine}", machine.clock_offset, "the database server")


def _wrong(clock: str, offset: float, host: str) -> Finding:
    direction = "ahead of" if offset > 0 else "behind"
    level = fail if abs(offset) > MAX_TOLERABLE_OFFSET else warn
    return level(
        "clock",
        "The clock of a machine is wrong",
        f"{clock} is {abs(offset):.0f} s {direction} that of {host}. Times in the history are wrong; videos are sent "
        "and saved all the same.",
        "Synchronize the clocks by NTP (timedatectl set-ntp true).",
    )


def _offsets() -> Iterator[tuple[str, float | None]]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            yield "the database server", (timezone.now() - cursor.fetchone()[0]).total_seconds()
    providers = ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True)
    for url in dict.fromkeys(filter(None, [settings.PUBLIC_URL, *providers])):
        yield urlsplit(url).netloc, _offset(url)


def _offset(url: str) -> float | None:
    """Return how many seconds this clock is ahead of a server's Date header, to about one second, or None."""
    started = datetime.now(UTC)
    try:
        response = request("GET", f"{url}/", timeout=5)
        theirs = parsedate_to_datetime(response.headers.get("Date", ""))
    except (RequestFailed, ValueError, TypeError):
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return (started + (datetime.now(UTC) - started) / 2 - theirs).total_seconds()
