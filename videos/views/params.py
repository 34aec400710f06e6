"""Numbers, uuids and cursors in query strings and forms; an invalid one counts as missing."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def parse_int(text: str | None) -> int:
    """Return the number in this text; 0 if it is not one from 0 to the largest primary key."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def parse_uuids(texts: Iterable[str]) -> list[UUID]:
    """Return the valid uuids in order, each once."""
    return list(dict.fromkeys(uuid for text in texts if (uuid := parse_uuid(text))))


def find_cursor(rows: QuerySet[Row], text: str) -> Row | None:
    """Return the row with this uuid; None if the uuid is unknown, which shows the first page."""
    uuid = parse_uuid(text)
    return rows.filter(uuid=uuid).first() if uuid else None
