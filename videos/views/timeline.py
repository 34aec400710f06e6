"""A video's events in words: what happened, and how long each step took."""

import itertools
from datetime import timedelta

from ..models import Event, Generation

CAME = {"answer": "with the answer itself", "callback": "by callback", "sweep": "by asking for it"}


def in_words(span: timedelta) -> str:
    """A span of time, as exact as anybody wants it."""
    seconds = max(0, round(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min {seconds % 60} s" if seconds % 60 else f"{minutes} min"
    if days < 2:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} days"


def timeline_of(generation: Generation) -> list[Event]:
    """Its events, the second and each later one with `took`: how long after the one before it, in words."""
    events = list(generation.events.select_related("member"))
    for before, event in itertools.pairwise(events):
        event.took = f"{in_words(event.at - before.at)} later" if event.at - before.at >= timedelta(seconds=1) else ""
    return events


def summary_of(generation: Generation, events: list[Event]) -> str:
    """Its way in one line: the steps with their times, and which messenger brought the end; "" while there is none."""
    if not generation.finished_at or not generation.submitted_at:
        return ""
    made_from = generation.accepted_at or generation.submitted_at
    saved = next((event.at for event in reversed(events) if event.kind == "saved"), None)
    steps = [
        f"Waited {in_words(generation.submitted_at - generation.created_at)}",
        f"at the provider {in_words(generation.finished_at - made_from)}",
    ]
    if generation.is_saved and saved:
        steps.append(f"saved here after {in_words(saved - generation.finished_at)}")
    came = CAME.get(generation.via)
    return f"{', '.join(steps)}." + (f" The news came {came}." if came else "")
