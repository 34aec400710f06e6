"""The row of filters above the gallery, as links that keep each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from ..date_ranges import DateRange, name_range, preset_ranges
from ..forms import FilterForm
from ..models import Collection, Member
from ..provider import ASPECT_RATIOS

STATE_LABELS = {
    "ready": "Ready",
    "making": "In progress",
    "failed": "Failed",
    "unconfirmed": "Unconfirmed",
    "canceled": "Canceled",
}
# The collections that are tabs above the gallery; the menu beside them has all.
MAX_TABS = 12
MODE_LABELS = {"text": "Text", "frames": "Frames", "extend": "Extend"}
CHOICE_LABELS = {"picked": "Picked", "rejected": "Rejected"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A link that sets or removes a filter."""

    label: str
    url: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """Filters that exclude each other; `active_label` follows the menu's label, `clear_url` removes the active one."""

    name: str
    label: str
    options: list[Chip]
    active_label: str
    clear_url: str


def version_of(collections: list[tuple[str, str]]) -> str:
    """Identify the uuids, names and order of these collections."""
    return f"{crc32(repr(collections).encode()):x}"


class FilterBar:
    """The chips and menus of the filters, for one reader."""

    def __init__(self, form: FilterForm, member: Member) -> None:
        self.form, self.member = form, member
        self.studio_url = reverse("studio")  # reversed once for some eighty links

    def _value(self, name: str) -> str:
        return "" if name in self.form.errors else str(self.form.data.get(name, ""))

    def _url(self, **changes: str) -> str:
        query = self.form.query(**changes)
        return f"{self.studio_url}?{query}" if query else self.studio_url

    def _chip(self, label: str, **wanted: str) -> Chip:
        is_active = all(self._value(name) == value for name, value in wanted.items())
        changes = dict.fromkeys(wanted, "") if is_active and any(wanted.values()) else wanted
        return Chip(label, self._url(**changes), is_active)

    def _menu(self, name: str, label: str, choices: Iterable[tuple[str, str]]) -> Menu:
        options = [self._chip(option, **{name: value}) for value, option in choices]
        active_label = next((option.label for option in options if option.is_active), "")
        return Menu(name, label, options, active_label, self._url(**{name: ""}))

    def _menu_of(self, name: str, label: str, labels: Mapping[str, str]) -> Menu:
        """Return a menu of fixed options, whose labels are in lower case after the menu's label."""
        menu = self._menu(name, label, labels.items())
        return replace(menu, active_label=menu.active_label.lower())

    @cached_property
    def _date_range(self) -> DateRange | None:
        self.form.is_valid()
        values = self.form.cleaned_data
        return name_range(values.get("since"), values.get("until"))

    @property
    def _date_menu(self) -> Menu:
        options = [
            self._chip(preset.label, since=str(preset.since or ""), until=str(preset.until or ""))
            for preset in preset_ranges()
        ]
        active = self._date_range
        label = active.label[0].lower() + active.label[1:] if active else ""
        return Menu("since", "Date", options, label, self._url(since="", until=""))

    @property
    def chips(self) -> list[Chip]:
        return [
            self._chip("Everyone", member=""),
            self._chip("Mine", member=self.member.username),
            self._chip("Starred", starred="1"),
            self._chip("Ready", state="ready"),
            self._chip("Failed", state="failed"),
        ]

    @cached_property
    def collection_names(self) -> list[tuple[str, str]]:
        return Collection.objects.choices()

    @property
    def collections_version(self) -> str:
        return version_of(self.collection_names)

    @cached_property
    def collections(self) -> list[Chip]:
        """The collections in the team's order; the link of the active one keeps it active, unlike that of a chip."""
        active = self._value("collection")
        return [Chip(name, self._url(collection=uuid), uuid == active) for uuid, name in self.collection_names]

    @property
    def tabs(self) -> list[Chip]:
        """All videos, the first collections, and the active one."""
        every = Chip("All videos", self._url(collection=""), not self._value("collection"))
        return [every, *(tab for number, tab in enumerate(self.collections) if number < MAX_TABS or tab.is_active)]

    @cached_property
    def member_names(self) -> list[str]:
        return list(Member.objects.order_by("username").values_list("username", flat=True))

    @property
    def cache_key(self) -> str | None:
        """Identify everything the row shows; None if an invalid value is shown unchanged."""
        if self.form.errors:
            return None
        shown = (
            self.studio_url,
            self.form.query(),
            self.member.username,
            timezone.localdate(),
            tuple(self.member_names),
            tuple(self.collection_names),
        )
        return f"filters-{hash(shown)}"

    @property
    def menus(self) -> list[Menu]:
        # A filter that has a chip is in no menu, so that it never lights up two controls.
        states = {value: label for value, label in STATE_LABELS.items() if value not in ("ready", "failed")}
        others = [(name, name) for name in self.member_names if name != self.member.username]
        menus = [
            self._menu_of("state", "State", states),
            self._menu_of("mode", "Mode", MODE_LABELS),
            self._menu("ratio", "Ratio", [(ratio, ratio) for ratio in ASPECT_RATIOS]),
            self._menu("member", "Member", others),
            self._menu_of("choice", "Pick", CHOICE_LABELS),
            self._date_menu,
        ]
        return [menu for menu in menus if menu.options]

    @property
    def values(self) -> list[tuple[str, str]]:
        """The active filters, which a form for one of them has to keep."""
        return [(name, self._value(name)) for name in self.form.fields if self._value(name)]

    @property
    def active(self) -> list[Chip]:
        """The active filters in words, each with the link that removes it."""
        is_own = self._value("member") == self.member.username
        labels = {
            "q": f"“{self._value('q')}”",
            "starred": "starred",
            "state": STATE_LABELS.get(self._value("state"), "").lower(),
            "member": "yours" if is_own else f"by {self._value('member')}",
            "collection": "in a collection",
            "mode": {"text": "made from text", "frames": "made from frames"}.get(self._value("mode"), "an extension"),
        }
        chips = [
            Chip(labels.get(name, value), self._url(**{name: ""}), True)
            for name, value in self.values
            if name not in ("since", "until")
        ]
        if dates := self._date_range:
            chips.append(Chip(dates.phrase, self._date_menu.clear_url, True))
        return chips
