"""Numbers and uuids out of what was sent as text: what is none is nobody's mistake, and no reason to fail."""

from collections.abc import Iterable
from uuid import UUID


def parse_int(text: str | None, default: int = 0) -> int:
    """A whole number from 0; what is none, or no primary key, counts as `default`."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else default


def parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def parse_uuids(texts: Iterable[str]) -> list[UUID]:
    """Those that are uuids, each once and in their order."""
    return list(dict.fromkeys(uuid for text in texts if (uuid := parse_uuid(text))))
