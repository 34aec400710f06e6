"""Links into an object storage."""

from django import template
from django.core.files.storage import default_storage

register = template.Library()


@register.simple_tag
def link_seconds() -> int:
    """Return how long a link to a video is valid, in seconds; 0 if Lumaweb serves the videos itself."""
    seconds: int = getattr(default_storage, "link_seconds", 0)
    return seconds
