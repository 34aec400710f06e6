"""Keyset pagination: each page continues after the last row of the one before, so that all pages cost the same."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
Rows = TypeVar("Rows", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    has_more: bool

    @property
    def last(self) -> Row | None:
        """The row that the next page follows; None on the last page."""
        return self.rows[-1] if self.has_more and self.rows else None


def read_page(rows: QuerySet[Row], size: int) -> Page[Row]:
    """Read up to `size` rows, and whether more follow, in one query."""
    found = list(rows[: size + 1])
    return Page(found[:size], len(found) > size)


def rows_after(rows: Rows, *position: Any) -> Rows:
    """Select the rows after `position` in their own order: the values of the ordering's fields in a page's last row.

    The last field of the ordering must be unique. Raises ValueError if the number of values is another.
    """
    condition, equal = Q(), Q()
    for name, value in zip(rows.query.order_by or rows.model._meta.ordering, position, strict=True):
        descends = name.startswith("-") == rows.query.standard_ordering
        field = name.removeprefix("-")
        condition |= equal & Q(**{f"{field}__{'lt' if descends else 'gt'}": value})
        equal &= Q(**{field: value})
    return rows.filter(condition)
