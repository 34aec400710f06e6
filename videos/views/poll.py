"""What an open page knows of the videos, so that a poll returns only what changed since."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from ..models import Generation
from ..models.state import LONGEST_TRANSACTION
from .params import parse_int

# Changes in one response and remembered until the next: "1234567:12" each, in a request line of 4,000 bytes.
MAX_CHANGES = 150
MAX_SCANNED = 5_000
KNOWN_LENGTH = 4_000
# Times travel rounded to a millisecond.
ROUNDING = 0.001


@dataclass
class PollState:
    """A time (Unix seconds), and the versions of the rows that changed shortly before it, by primary key.

    Rows do not commit in the order of their ids or times, so a poll looks back further than the longest transaction
    and leaves out what the page knows already. `newest` is the latest video that the page counts as seen.
    """

    at: float
    known: dict[int, int]
    newest: int = 0

    @classmethod
    def now(cls, generations: Iterable[Generation], newest: int | None = None) -> "PollState":
        """Return the state of a page that shows these videos."""
        rows = list(generations)
        at = timezone.now().timestamp()
        horizon = at - LONGEST_TRANSACTION.total_seconds()
        known = {row.pk: row.version for row in rows if row.changed_at.timestamp() >= horizon}
        return cls(at, known, max((row.pk for row in rows), default=0) if newest is None else newest)

    @classmethod
    def read(cls, request: HttpRequest) -> "PollState":
        """Read the state that `params` wrote; an invalid time counts as now."""
        now = timezone.now().timestamp()
        try:
            at = float(request.GET.get("since", ""))
            datetime.fromtimestamp(at, timezone.get_current_timezone())
        except (ValueError, OverflowError, OSError):
            at = now
        # No page is older than its session, and `advance` never goes further ahead than this.
        at = min(max(at, now - settings.SESSION_COOKIE_AGE), now + LONGEST_TRANSACTION.total_seconds())
        known = {}
        for pair in request.GET.get("known", "")[:KNOWN_LENGTH].split():
            pk, _, version = pair.partition(":")
            if parse_int(pk) and parse_int(version):
                known[parse_int(pk)] = parse_int(version)
        return cls(at, known, parse_int(request.GET.get("newest")))

    def advance(self, rows: Any) -> tuple[list[int], "PollState"]:
        """Return the primary keys of the changed rows that are new to the page, and its next state.

        Both are bounded, as they travel in a query string. Of a flood each poll returns a part, and the next state
        looks back no further than the latest changes that it returned.
        """
        at = timezone.now().timestamp()
        window = list(rows.order_by("changed_at", "pk").values_list("pk", "version", "changed_at")[:MAX_SCANNED])
        unknown = [row for row in window if self.known.get(row[0]) != row[1]]
        returned = unknown[:MAX_CHANGES]
        if len(returned) < len(unknown):
            window = window[: window.index(returned[-1]) + 1]
        recent = window[-MAX_CHANGES:]
        if len(returned) < len(unknown) or len(recent) < len(window):
            if len(recent) < len(window) and window[-len(recent) - 1][2] == recent[0][2]:
                # Remember all or nothing of one moment: the forgotten part would be returned with every poll.
                recent = [row for row in recent if row[2] > recent[0][2]] or recent
            at = recent[0][2].timestamp() + LONGEST_TRANSACTION.total_seconds() - ROUNDING
        horizon = at - LONGEST_TRANSACTION.total_seconds() - ROUNDING
        known = {pk: version for pk, version, changed_at in recent if changed_at.timestamp() >= horizon}
        return [pk for pk, *_ in returned], PollState(at, known, self.newest)

    def params(self) -> dict[str, str | int]:
        """Return the state as the parameters of the next poll."""
        pairs = " ".join(f"{pk}:{version}" for pk, version in self.known.items())
        return {"since": f"{self.at:.3f}", "known": pairs, "newest": self.newest}

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.at, timezone.get_current_timezone())
