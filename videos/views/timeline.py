"""A video's events in words: what happened, and how long each step took."""

import itertools
from dataclasses import dataclass
from datetime import timedelta

from ..models import Event, Generation

SOURCES = {"answer": "in the response", "callback": "by callback", "sweep": "by look-up"}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, and how long after the previous one it happened ("" for the first, and for less than a second)."""

    event: Event
    delay: str


def in_words(span: timedelta) -> str:
    """Format a duration with its two most significant units."""
    seconds = max(0, round(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min {seconds % 60} s" if seconds % 60 else f"{minutes} min"
    if days < 2:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} days"


def timeline_of(generation: Generation) -> list[Entry]:
    events = list(generation.events.select_related("member"))
    delays = [after.at - before.at for before, after in itertools.pairwise(events)]
    labels = [f"{in_words(delay)} later" if delay >= timedelta(seconds=1) else "" for delay in delays]
    return [Entry(event, label) for event, label in zip(events, ["", *labels], strict=False)]


def summary_of(generation: Generation, entries: list[Entry]) -> str:
    """Return the durations of the steps, and how the result arrived, in one line; "" before there is a result."""
    if not generation.finished_at or not generation.submitted_at:
        return ""
    started = generation.accepted_at or generation.submitted_at
    saved = next((entry.event.at for entry in reversed(entries) if entry.event.kind == "saved"), None)
    steps = [
        f"Waited {in_words(generation.submitted_at - generation.created_at)}",
        f"{in_words(generation.finished_at - started)} at the provider",
    ]
    if generation.is_saved and saved:
        steps.append(f"saved after {in_words(saved - generation.finished_at)}")
    source = SOURCES.get(generation.result_channel)
    return f"{', '.join(steps)}." + (f" The result arrived {source}." if source else "")
