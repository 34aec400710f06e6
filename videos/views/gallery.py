"""The gallery: its pages, its days, and the usual time of a video."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import Any

from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from ..forms import FilterForm
from ..keyset import read_page
from ..models import Generation, State, search
from .filters import FilterBar
from .params import parse_int
from .poll import PollState
from .requests import MemberRequest

PAGE_SIZE = 48
# As in gallery.css and card-size.css: a column's width in row heights, and what a card size multiplies the height by.
COLUMN_RATIO = 2.1
CARD_SCALES = {"small": 0.62, "medium": 1.0, "large": 1.6}
# Columns whose posters load at once: those of a window 2560 px wide, or two of a phone's full-width cards.
DESKTOP_COLUMNS, PHONE_COLUMNS = 4, 2
USUAL_TIME_KEY, USUAL_TIME_SECONDS, USUAL_TIME_SAMPLE = "usual-seconds", 30, 40


@dataclass
class Day:
    """The videos of one day, newest first."""

    date: date
    generations: list[Generation] = field(default_factory=list)

    @property
    def label(self) -> str:
        today = timezone.localdate()
        if self.date == today:
            return "Today"
        if self.date == today - timedelta(days=1):
            return "Yesterday"
        return self.date_label

    @property
    def date_label(self) -> str:
        """Return the label once the day is neither today nor yesterday."""
        return date_format(self.date, "l j F" if self.date.year == timezone.localdate().year else "j F Y")


def in_days(generations: Iterable[Generation]) -> list[Day]:
    """Group videos in order of creation by the team's calendar day."""
    days: list[Day] = []
    for generation in generations:
        day = timezone.localdate(generation.created_at)
        if not days or days[-1].date != day:
            days.append(Day(day))
        days[-1].generations.append(generation)
    return days


def gallery_context(request: MemberRequest, form: FilterForm) -> dict[str, Any]:
    """Return the context of one page of the gallery; `before` or `after` in the query is the video beside it."""
    filters = form.filters(request.user)
    rows = Generation.objects.for_gallery(request.user, filters)
    before, after = parse_int(request.GET.get("before")), parse_int(request.GET.get("after"))
    if after:
        page = read_page(rows.after(after), PAGE_SIZE)
        generations, has_newer, has_older = page.rows[::-1], page.has_more, True
    else:
        page = read_page(rows.before(before) if before else rows, PAGE_SIZE)
        generations, has_newer, has_older = page.rows, bool(before), page.has_more

    studio, query, bar = reverse("studio"), form.query(), FilterBar(form, request.user)

    def page_url(name: str, beside: Generation) -> str:
        return f"{studio}?{form.query(**{name: str(beside.pk)})}"

    is_first_page = not has_newer
    # Without filters the first card is the newest: only trashed videos are newer.
    newest = generations[0].pk if is_first_page and generations and not filters else newest_pk()
    return {
        "days": in_days(generations),
        "first_row": _first_row(request, generations) if request.htmx.target != "older" else (),
        "newer_url": page_url("after", generations[0]) if has_newer and generations else "",
        "older_url": page_url("before", generations[-1]) if has_older and generations else "",
        "top_url": f"{studio}?{query}" if query else studio,
        "is_first_page": is_first_page,
        "page_size": PAGE_SIZE,
        "filters": filters,
        "filter_form": form,
        "filter_query": query,
        "filter_bar": bar,
        "collections_version": bar.collections_version,
        "search_is_partial": search.is_partial(filters.words),
        "empty_installation": is_first_page and not generations and not filters,
        "usual": usual_seconds(),
        "poll": PollState.now(generations, newest).params(),
    }


def _first_row(request: MemberRequest, generations: Iterable[Generation]) -> set[int]:
    """Return the primary keys of the first row, whose posters load at once and before other pictures.

    The server does not know the window: a narrower one has these cards in its first rows, all in sight.
    """
    is_phone = "Mobi" in request.headers.get("User-Agent", "")
    columns = PHONE_COLUMNS if is_phone else DESKTOP_COLUMNS
    room, row = COLUMN_RATIO * columns / CARD_SCALES[request.user.card_size], set()
    for generation in generations:
        width, height = generation.shape.split(":")
        room -= int(width) / int(height)
        if room < 0:
            break
        row.add(generation.pk)
    return row


def newest_pk() -> int:
    """Return the primary key of the latest video: later ones are new to a page."""
    return Generation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def usual_seconds() -> dict[str, int | None]:
    """Return the median time of the latest generations and extensions from acceptance to result, in whole seconds."""
    usual: dict[str, int | None] | None = cache.get(USUAL_TIME_KEY)
    if usual is None:
        seconds: dict[str, list[float]] = {"generate": [], "extend": []}
        recent = Generation.objects.filter(state=State.COMPLETED, accepted_at__isnull=False).order_by("-pk")
        for action, accepted, finished in recent.values_list("action", "accepted_at", "finished_at")[
            :USUAL_TIME_SAMPLE
        ]:
            if accepted and finished:
                seconds.setdefault(action, []).append((finished - accepted).total_seconds())
        usual = {action: round(median(times)) if times else None for action, times in seconds.items()}
        cache.set(USUAL_TIME_KEY, usual, USUAL_TIME_SECONDS)
    return usual
