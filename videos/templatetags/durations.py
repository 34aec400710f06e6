"""Durations as text."""

from django import template

register = template.Library()


@register.filter
def minutes_and_seconds(seconds: int) -> str:
    """Return whole seconds as m:ss."""
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}:{seconds:02}"
