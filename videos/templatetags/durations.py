"""Durations as text."""

from django import template

from ..models import Generation

register = template.Library()


@register.filter
def minutes_and_seconds(seconds: int) -> str:
    """Return whole seconds as m:ss."""
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}:{seconds:02}"


@register.filter
def usual_time(generation: Generation, usual: dict[str, int | None] | None) -> int | None:
    """Return the usual seconds of a video of this kind; None if no such video was made yet."""
    return usual.get("extend" if generation.action == "extend" else "generate") if usual else None
