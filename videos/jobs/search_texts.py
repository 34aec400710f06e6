"""Fold the search texts of videos that a process of an earlier version requests during an update."""

from ..models import Generation
from ..models.search import fold

EXAMINED_AT_START = 1000  # newest rows, which may be older than this ticker
MAX_EXAMINED = 500  # rows in one round
# Rows that are read again: a transaction may commit after one that began later.
OVERLAP = 50


class SearchTexts:
    """Folds the texts of new rows again in the way of this version; nearly all are folded already.

    The migration folds the rows that existed before it.
    """

    def __init__(self) -> None:
        self._examined: int | None = None  # the primary key of the newest row that was examined

    def run(self) -> None:
        """Examine the rows that were created since the last round, or their first MAX_EXAMINED."""
        rows = Generation.objects.order_by("pk").values_list("pk", "search_text")
        if self._examined is None:
            newest = rows.last()
            self._examined = max(0, newest[0] - EXAMINED_AT_START) if newest else 0
        for pk, text in rows.filter(pk__gt=self._examined - OVERLAP)[:MAX_EXAMINED]:
            self._examined = max(self._examined, pk)
            if (folded := fold(text)) != text:
                # Unless the text was deleted meanwhile.
                Generation.objects.filter(pk=pk, search_text=text).update(search_text=folded)
