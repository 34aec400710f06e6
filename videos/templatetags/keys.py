"""Names of keys, as they are printed on the reader's keyboard."""

import re

from django import template
from django.http import HttpRequest

register = template.Library()

# Macs, and iPhones and iPads with a keyboard.
APPLE = re.compile(r"Macintosh|macOS|iPhone|iPad|iOS")
APPLE_KEYS = {"Ctrl": "⌘", "Alt": "⌥", "Shift": "⇧", "Enter": "↩", "Del": "⌦", "Backspace": "⌫"}


def is_apple(request: HttpRequest) -> bool:
    """Tell whether the request comes from a device with Apple's keys."""
    platform = request.headers.get("Sec-CH-UA-Platform") or request.headers.get("User-Agent", "")
    return bool(APPLE.search(platform))


@register.simple_tag(takes_context=True)
def key(context: template.Context, name: str) -> str:
    """Return the name of a key; the command key stands in for Ctrl on Apple's keyboards."""
    return APPLE_KEYS.get(name, name) if is_apple(context["request"]) else name
