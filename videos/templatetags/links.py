from django import template
from django.core.files.storage import default_storage

register = template.Library()


@register.simple_tag
def link_seconds() -> int:
    """For how long a link to a video is good; 0 where videos come from us."""
    return getattr(default_storage, "link_seconds", 0)
