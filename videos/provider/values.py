"""Parse the provider's JSON, and clean single values of it."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Never
from urllib.parse import urlsplit

from .types import ID_LENGTH, SIZE_LIMIT, URL_LENGTH

MAX_DEPTH = 64
# Larger numbers are milliseconds: as seconds, this is the year 5138.
_MILLISECONDS = 1e11

# Control characters except tab and newlines, and lone surrogates: databases refuse them.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LONE_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean_text(value: object, length: int) -> str:
    """Return a text without unstorable characters, cut to a length; "" for anything but a string."""
    return _UNSTORABLE.sub("", value).strip()[:length].rstrip() if isinstance(value, str) else ""


def parse_id(value: object) -> str:
    """Return an id that is a string or an integer; "" for anything else, and for one that is too long."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20:
        value = str(value)
    text = clean_text(value, ID_LENGTH + 1)
    return text if len(text) <= ID_LENGTH else ""


def parse_link(value: object, length: int = URL_LENGTH) -> str:
    """Return an http(s) link; "" for anything else, and for one that is too long."""
    link = clean_text(value, length + 1).replace(" ", "%20")
    if not link or len(link) > length or re.search(r"\s", link):
        return ""
    try:
        parts = urlsplit(link)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return link if usable else ""


def parse_pixels(value: object) -> int | None:
    """Return a positive number up to SIZE_LIMIT, rounded; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compare first: NaN fails the comparison, and rounding infinity would raise.
    return (round(value) or None) if 0 < value <= SIZE_LIMIT else None


def parse_time(value: object) -> datetime | None:
    """Return a time given in seconds or milliseconds since 1970, or in ISO 8601; None for anything else."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            return None
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def parse_json(body: bytes | None) -> Any:
    """Parse an answer leniently; None if it is not JSON."""
    if body is None:
        return None
    try:
        text = body.decode("utf-8-sig", errors="replace")
        check_depth(text)
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 400 else math.inf)
    except (ValueError, RecursionError):
        return None


_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def check_depth(text: str) -> None:
    """Raise ValueError for deep nesting, before the JSON parser recurses into it."""
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError("The body is nested too deeply.")


def check_texts(value: object) -> None:
    """Raise ValueError for a text in the document that databases refuse."""
    if isinstance(value, str):
        if "\0" in value or LONE_SURROGATES.search(value):
            raise ValueError("The body has characters that are not text.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_texts(name)
            check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            check_texts(inner)


def refuse_number(_: str) -> Never:
    raise ValueError("The body has an invalid number.")


def finite_float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else refuse_number(digits)


def bounded_int(digits: str) -> int:
    return int(digits) if len(digits) <= 400 else refuse_number(digits)
