"""Limits of the form that pages state and scripts count against."""

from django import template
from django.conf import settings

from ..forms import generation as form

register = template.Library()


@register.simple_tag
def form_limits() -> dict[str, int]:
    """Return what the form accepts at most: characters of a prompt, prompts, videos, bytes of a frame."""
    return {
        "prompt_length": form.PROMPT_AT_MOST,
        "prompts": form.LINES_AT_MOST,
        "videos": form.VIDEOS_AT_MOST,
        "frame_bytes": settings.FRAME_MAX_BYTES,
    }
