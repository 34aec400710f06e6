"""The gallery as a page and as what changed since."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from django.conf import settings
from django.core.cache import cache
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property

from .. import provider
from ..forms import FilterForm
from ..models import Collection, Generation, Member, State, search
from ..models.state import LONGEST_TRANSACTION
from .params import parse_int

PAGE = 48
MAX_SELECTED = 200
# Changes told in one poll, and kept in mind between two: "1234567:12" each, in a request line of 4,000 bytes.
MOST_CHANGES = 150
WINDOW = 5000


@dataclass
class Day:
    """The cards of one day, newest first."""

    date: date
    generations: list[Generation] = field(default_factory=list)

    @property
    def label(self) -> str:
        today = timezone.localdate()
        if self.date == today:
            return "Today"
        if self.date == today - timedelta(days=1):
            return "Yesterday"
        return date_format(self.date, "l j F" if self.date.year == today.year else "j F Y")


def in_days(generations: Iterable[Generation]) -> list[Day]:
    """Group rows that are in order of creation by the team's calendar day."""
    days: list[Day] = []
    for generation in generations:
        day = timezone.localdate(generation.created_at)
        if not days or days[-1].date != day:
            days.append(Day(day))
        days[-1].generations.append(generation)
    return days


def page_of(request: HttpRequest) -> dict:
    """One page of the gallery by its filters and its cursor, and where the older and the newer ones are.

    `before` and `after` are primary keys: the page ends, or begins, beside that row.
    """
    form = FilterForm(request.GET)
    filters = form.filters(request.user)
    rows = Generation.objects.for_gallery(request.user, filters)
    before, after = parse_int(request.GET.get("before")), parse_int(request.GET.get("after"))
    if after:
        generations = list(rows.after(after)[: PAGE + 1])
        newer, older = len(generations) > PAGE, True
        generations = generations[:PAGE][::-1]
    else:
        generations = list((rows.before(before) if before else rows)[: PAGE + 1])
        newer, older = bool(before), len(generations) > PAGE
        generations = generations[:PAGE]

    query = form.query()

    def address(name: str, pk: int) -> str:
        return f"{reverse('studio')}?{form.query(**{name: str(pk)})}"

    is_first_page = not newer
    return {
        "days": in_days(generations),
        "newer_url": address("after", generations[0].pk) if newer and generations else "",
        "older_url": address("before", generations[-1].pk) if older and generations else "",
        "top_url": f"{reverse('studio')}?{query}" if query else reverse("studio"),
        "is_first_page": is_first_page,
        "page_size": PAGE,
        "max_selected": MAX_SELECTED,
        "filters": filters,
        "filter_form": form,
        "filter_query": query,
        "chips": Chips(form, request.user),
        "search_is_partial": search.is_partial(filters.words),
        "empty_installation": is_first_page and not generations and not filters,
        "usual": usual_seconds(),
        # Without filters the first card is it: only what is in the trash is newer.
        "live": Since.now(generations).state()
        | {"newest": generations[0].pk if is_first_page and generations and not filters else newest()},
    }


def newest() -> int:
    """The primary key of the last video that was asked for; later ones are news to a page."""
    return Generation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter as a link: where it leads, and whether it is on."""

    label: str
    url: str
    on: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """Filters of which one can be on; `off` leads to none of them."""

    name: str
    label: str
    options: list[Chip]
    chosen: str
    off: str


class Chips:
    """The row of filters above the wall, as links that keep each other."""

    def __init__(self, form: FilterForm, member) -> None:
        self.form, self.member = form, member
        self.studio = reverse("studio")  # once for some eighty links

    def _value(self, name: str) -> str:
        return "" if name in self.form.errors else str(self.form.data.get(name, ""))

    def _address(self, **instead: str) -> str:
        query = self.form.query(**instead)
        return f"{self.studio}?{query}" if query else self.studio

    def _chip(self, label: str, **wanted: str) -> Chip:
        on = all(self._value(name) == value for name, value in wanted.items())
        instead = dict.fromkeys(wanted, "") if on and any(wanted.values()) else wanted
        return Chip(label, self._address(**instead), on)

    def _menu(self, name: str, label: str, pairs) -> Menu:
        options = [self._chip(words, **{name: value}) for value, words in pairs]
        chosen = next((option.label for option in options if option.on), "")
        return Menu(name, label, options, chosen, self._address(**{name: ""}))

    @property
    def simple(self) -> list[Chip]:
        return [
            self._chip("Everyone", member=""),
            self._chip("Mine", member=self.member.username),
            self._chip("Starred", starred="1"),
            self._chip("Ready", state="ready"),
            self._chip("Failed", state="failed"),
        ]

    @cached_property
    def collection_names(self) -> list[tuple[str, str]]:
        pairs = Collection.objects.order_by(Lower("name")).values_list("uuid", "name")
        return [(str(uuid), name) for uuid, name in pairs]

    @cached_property
    def member_names(self) -> list[str]:
        return list(Member.objects.order_by("username").values_list("username", flat=True))

    @property
    def key(self) -> str | None:
        """Everything the row shows; None where what was asked cannot be read, which is shown as it was typed."""
        if self.form.errors:
            return None
        shown = (
            self.studio, self.form.query(), self.member.username, timezone.localdate(),
            tuple(self.member_names), tuple(self.collection_names),
        )  # fmt: skip
        return f"chips-{hash(shown)}"

    @property
    def menus(self) -> list[Menu]:
        today = timezone.localdate()
        days = [
            (str(today - timedelta(days=back)), words)
            for back, words in ((0, "Today"), (6, "Last 7 days"), (29, "Last 30 days"))
        ]
        menus = [
            self._menu("state", "State", [pair for pair in STATE_WORDS.items() if pair[0] not in ("ready", "failed")]),
            self._menu("mode", "Mode", (("text", "Text"), ("frames", "Frames"), ("extend", "Extend"))),
            self._menu("ratio", "Ratio", [(word, word) for word in provider.ASPECT_RATIOS]),
            self._menu("member", "Member", [(name, name) for name in self.member_names]),
            self._menu("collection", "Collection", self.collection_names),
            self._menu("choice", "Pick", (("picked", "Picked"), ("rejected", "Rejected"))),
            self._menu("since", "Any date", days),
        ]
        return [menu for menu in menus if menu.options]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a form for one filter has to send along of the others."""
        return [(name, self._value(name)) for name in self.form.fields if self._value(name)]

    @property
    def asked(self) -> list[Chip]:
        """What is asked for, in words, each with the way to ask without it."""
        words = {
            "q": f"“{self._value('q')}”",
            "starred": "starred",
            "state": STATE_WORDS.get(self._value("state"), "").lower(),
            "since": f"from {self._value('since')}",
            "until": f"until {self._value('until')}",
            "member": f"by {self._value('member')}",
            "collection": "in a collection",
        }
        return [Chip(words.get(name, value), self._address(**{name: ""}), True) for name, value in self.kept]


STATE_WORDS = {
    "ready": "Ready",
    "making": "In the making",
    "failed": "Failed",
    "unconfirmed": "No answer",
    "canceled": "Canceled",
}


def usual_seconds() -> dict[str, int | None]:
    """How long the latest generations and extensions took from acceptance to the end: medians in whole seconds."""
    usual = cache.get("usual-seconds")
    if usual is None:
        took: dict[str, list[float]] = {"generate": [], "extend": []}
        recent = Generation.objects.filter(state=State.COMPLETED, accepted_at__isnull=False).order_by("-pk")
        for action, accepted, finished in recent.values_list("action", "accepted_at", "finished_at")[:40]:
            took.setdefault(action, []).append((finished - accepted).total_seconds())
        usual = {action: round(median(times)) if times else None for action, times in took.items()}
        cache.set("usual-seconds", usual, 30)
    return usual


@dataclass
class Since:
    """How far a page knows the rows: a time, and the versions of what changed shortly before it.

    Commit order is not the order of ids or times, so a poll looks back further than the longest transaction and
    leaves out what the page says it knows.
    """

    at: float
    known: dict[int, int]
    newest: int = 0

    @classmethod
    def now(cls, generations: Iterable[Generation], at: float | None = None) -> "Since":
        at = timezone.now().timestamp() if at is None else at
        horizon = at - LONGEST_TRANSACTION.total_seconds()
        known = {row.pk: row.version for row in generations if row.changed_at.timestamp() >= horizon}
        return cls(at, known, max((row.pk for row in generations), default=0))

    @classmethod
    def read(cls, request: HttpRequest) -> "Since":
        now = timezone.now().timestamp()
        try:
            at = float(request.GET.get("since", ""))
            timezone.datetime.fromtimestamp(at, timezone.get_current_timezone())
        except (ValueError, OverflowError, OSError):
            at = now
        # No page is older than its session, and none is told (below) of a time further ahead than this.
        at = min(max(at, now - settings.SESSION_COOKIE_AGE), now + LONGEST_TRANSACTION.total_seconds())
        known = {}
        for pair in request.GET.get("known", "")[:4_000].split():
            pk, _, version = pair.partition(":")
            if parse_int(pk) and parse_int(version):
                known[parse_int(pk)] = parse_int(version)
        return cls(at, known, parse_int(request.GET.get("newest")))

    def tell(self, rows) -> tuple[list[int], "Since"]:
        """The primary keys of the changed rows the page does not know yet, and how far it knows them then.

        Both are bounded, as they travel in a query string. In a flood the page is told a part at a time, and looks
        back no further than the latest changes it was told of.
        """
        now = timezone.now().timestamp()
        window = list(rows.order_by("changed_at", "pk").values_list("pk", "version", "changed_at")[:WINDOW])
        unknown = [row for row in window if self.known.get(row[0]) != row[1]]
        told = unknown[:MOST_CHANGES]
        if len(told) < len(unknown):
            window = window[: window.index(told[-1]) + 1]
        recent = window[-MOST_CHANGES:]
        if len(told) < len(unknown) or len(recent) < len(window):
            if len(recent) < len(window) and window[-len(recent) - 1][2] == recent[0][2]:
                # Of a moment that is remembered in part only, the other part would be told anew each time.
                recent = [row for row in recent if row[2] > recent[0][2]] or recent
            # A thousandth earlier, as it travels rounded.
            now = recent[0][2].timestamp() + LONGEST_TRANSACTION.total_seconds() - 0.001
        horizon = now - LONGEST_TRANSACTION.total_seconds()
        known = {pk: version for pk, version, at in recent if at.timestamp() >= horizon - 0.001}
        return [pk for pk, *_ in told], Since(now, known, self.newest)

    def state(self) -> dict[str, str | int]:
        pairs = " ".join(f"{pk}:{version}" for pk, version in self.known.items())
        return {"since": f"{self.at:.3f}", "known": pairs, "newest": self.newest}

    def moment(self):
        return timezone.datetime.fromtimestamp(self.at, timezone.get_current_timezone())
