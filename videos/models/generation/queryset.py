from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection, models, transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Value, When
from django.utils import timezone

from .. import search
from ..event import Event
from ..stars import Star
from ..state import (
    ANY,
    CAN_BE_TRASHED,
    HOLDS_A_SLOT,
    IN_THE_TRASH,
    LONGEST_TRANSACTION,
    ONE_INTENTION,
    OPEN,
    SAVING_AT_MOST,
    WAITING_AT_MOST,
    Archive,
    State,
    Unfinished,
    is_due,
)
from ..token import ApiToken
from .polling import LookUpQuerySet
from .task_search import InDoubtQuerySet

# What a filter by state means, in the words of its URL.
STATES = {
    "ready": (State.COMPLETED,),
    "making": (State.QUEUED, State.SUBMITTING, State.PROCESSING),
    "failed": (State.FAILED,),
    "unconfirmed": (State.UNCONFIRMED,),
    "canceled": (State.CANCELED,),
}
MODES = ("text", "frames", "extend")
# An open page remembers 150 changes, and would be told again and again of a moment that has more.
AT_ONE_MOMENT = 100


@dataclass(frozen=True, slots=True)
class Filters:
    """Which videos a wall shows; empty fields ask for nothing.

    member, collection: primary keys; mode: one of MODES; ratio: one of RATIOS; state: one of STATES; since, until: the
    team's calendar days, both included; starred_by: a member's primary key; choice: "picked" or "rejected".
    """

    words: str = ""
    member: int | None = None
    collection: int | None = None
    mode: str = ""
    ratio: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    starred_by: int | None = None
    choice: str = ""

    def __bool__(self) -> bool:
        return self != Filters()


def in_batches(rows: models.QuerySet, size: int = 500) -> Iterator:
    """All rows in the order of their numbers, so many at a time.

    `iterator()` would keep SQLite's connection at the moment it began, for as long as it takes: nothing that is written
    meanwhile is seen, and nothing can be written.
    """
    last = 0
    while piece := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield from piece
        last = piece[-1].pk


class GenerationQuerySet(InDoubtQuerySet, LookUpQuerySet):
    def for_gallery(self, member=None, filters: Filters | None = None) -> "GenerationQuerySet":
        """What the team sees, newest first, with what a card shows; `starred` is this member's own."""
        rows = self.filter(trashed_at__isnull=True).with_what_cards_show().order_by("-pk")
        rows = rows.with_stars_of(member) if member else rows
        return rows.narrowed(filters) if filters else rows

    def with_what_cards_show(self) -> "GenerationQuerySet":
        """Its member and, of the video it extends, the few columns that a card names."""
        names = (field.name for field in self.model._meta.concrete_fields)
        return self.select_related("member", "parent").defer(
            *(f"parent__{name}" for name in names if name not in ("id", "uuid", "prompt", "trashed_at"))
        )

    def with_stars_of(self, member) -> "GenerationQuerySet":
        return self.annotate(starred=Exists(Star.objects.filter(generation=OuterRef("pk"), member=member)))

    def narrowed(self, filters: Filters) -> "GenerationQuerySet":
        rows = self
        if filters.member:
            rows = rows.filter(member=filters.member)
        if filters.collection:
            rows = rows.filter(collections=filters.collection)
        if filters.mode == "extend":
            rows = rows.filter(action="extend")
        elif filters.mode:
            framed = Q(start_frame__isnull=False) | Q(end_frame__isnull=False)
            framed |= ~Q(start_image_url="") | ~Q(end_image_url="")
            rows = rows.filter(framed if filters.mode == "frames" else ~framed, action="generate")
        if filters.ratio:
            rows = rows.filter(shape=filters.ratio)
        if filters.state:
            rows = rows.filter(state__in=STATES[filters.state])
            if filters.state in ("making", "unconfirmed"):
                rows = rows.filter(Unfinished("state"))
        if filters.since:
            rows = rows.filter(created_at__gte=midnight(filters.since))
        if filters.until:
            rows = rows.filter(created_at__lt=midnight(filters.until + timedelta(days=1)))
        if filters.starred_by:
            rows = rows.filter(stars__member=filters.starred_by)
        if filters.choice:
            rows = rows.filter(choice=filters.choice)
        return rows.search(filters.words) if filters.words else rows

    def search(self, text: str) -> "GenerationQuerySet":
        """Whose prompt holds every word of `text`, in any script and case, as a word or as a piece of one.

        With nothing of three characters in it no index helps: then only the newest 50,000 are looked at, and
        `search.is_partial` says so.
        """
        rows, words = self, search.words_of(text)
        indexed = [word for word in words if search.is_indexed(word)]
        if indexed and connection.vendor == "sqlite":
            # Ordered by the index's own row numbers, so that it is walked from the newest and left at the page's end.
            rows = rows.filter(index__search_text__match=search.fts_query(indexed)).order_by("-index__pk")
            words = [word for word in words if word not in indexed]
        for word in words:
            rows = rows.filter(search_text__contains=word)
        if not indexed and words:
            newest = self.model.objects.order_by("-pk").values_list("pk", flat=True)
            oldest = newest[search.NEWEST - 1 : search.NEWEST].first()
            rows = rows.filter(pk__gte=oldest) if oldest else rows
        return rows

    def before(self, pk: int) -> "GenerationQuerySet":
        """Those that are older than the row of this number."""
        return self.filter(**{f"{self._numbers}__lt": pk})

    def after(self, pk: int) -> "GenerationQuerySet":
        """Those that are newer than the row of this number, the oldest of them first."""
        return self.filter(**{f"{self._numbers}__gt": pk}).reverse()

    @property
    def _numbers(self) -> str:
        """The primary key; in a search the index's own row numbers, so that it is entered in the right place."""
        return "index__pk" if "-index__pk" in self.query.order_by else "pk"

    def made_before(self, fingerprints: list[str]) -> list:
        """The latest finished clip of each of these requests that the team still has."""
        # Without the exclusion SQLite would not see that the index of those with a fingerprint has all of them.
        known = self.exclude(fingerprint="").filter(fingerprint__in=fingerprints)
        made = known.filter(state=State.COMPLETED, trashed_at__isnull=True)
        latest = made.order_by().values("fingerprint").annotate(latest=Max("pk")).values("latest")
        return list(self.filter(pk__in=latest).select_related("member").order_by("-pk"))

    def requested_by(self, member, fingerprints: list[str], now=None) -> list:
        """The member's own rows of equal requests that are queued, in flight or just created, the newest first."""
        # Without the exclusion SQLite would not see that the index of those with a fingerprint has all of them.
        known = self.exclude(fingerprint="").filter(fingerprint__in=fingerprints, member=member)
        return list(known.filter(is_one_intention(now)).select_related("member").order_by("-pk"))

    def in_flight(self) -> "GenerationQuerySet":
        return self.filter(Unfinished("state"), state__in=OPEN, trashed_at__isnull=True)

    def changed_since(self, since: datetime) -> "GenerationQuerySet":
        return self.filter(changed_at__gte=since - LONGEST_TRANSACTION)

    def for_trash(self, member) -> "GenerationQuerySet":
        """What this member may take out of the trash again, the latest first: their own; for an admin everybody's."""
        rows = self.filter(trashed_at__isnull=False, purged_at__isnull=True)
        if not member.is_superuser:
            rows = rows.filter(member=member)
        return rows.select_related("member", "trashed_by").order_by("-trashed_at", "-pk")

    def with_media_for(self, member) -> "GenerationQuerySet":
        """Whose saved files this member may see: the team's, and what is in their own trash."""
        rows = self.filter(purged_at__isnull=True)
        return rows if member.is_superuser else rows.filter(Q(trashed_at__isnull=True) | Q(member=member))

    def worth_purging(self, now=None) -> "GenerationQuerySet":
        """Long enough in the trash, and with nothing under way that may still need it."""
        long_ago = (now or timezone.now()) - IN_THE_TRASH
        rows = self.filter(trashed_at__lte=long_ago, purged_at__isnull=True, state__in=CAN_BE_TRASHED)
        return rows.filter(~being_extended())

    def next_to_submit(self, limit: int, now=None, amount_at_most: int | None = None) -> list:
        """What may be sent now and counts for no more: everybody's first, then everybody's second, and so on.

        What a member has in the making counts as turns they had, so a batch that is half sent does not go on before
        a colleague's single clip.
        """
        now = now or timezone.now()
        making = self.model.objects.filter(Unfinished("state"), state__in=HOLDS_A_SLOT)
        making = making.values_list("member_id").annotate(Count("pk"))
        had = Case(*(When(member_id=pk, then=Value(number)) for pk, number in making), default=Value(0))
        place = models.Window(models.functions.RowNumber(), partition_by=[F("member_id")], order_by=[F("pk").asc()])
        ready = self.waiting_to_submit().filter(is_due("not_before", now, WAITING_AT_MOST))
        if amount_at_most is not None:
            ready = ready.filter(amount__lte=amount_at_most)
        turn = models.ExpressionWrapper(place + had, output_field=models.IntegerField())
        return list(ready.annotate(turn=turn).order_by("turn", "pk")[:limit])

    def waiting_to_submit(self) -> "GenerationQuerySet":
        return self.filter(Unfinished("state"), state=State.QUEUED, held_at__isnull=True, trashed_at__isnull=True)

    def held(self) -> "GenerationQuerySet":
        """What a restore brought back as unsent; it stays where it is until an admin releases it."""
        return self.filter(Unfinished("state"), state=State.QUEUED, held_at__isnull=False, trashed_at__isnull=True)

    def hold(self, but: str = "") -> int:
        """Keep what is queued from being sent until an admin releases it, `but` what was asked of this provider.

        Before any token is changed in the same transaction: a claim locks the row first, then the token.
        """
        unheld = Q(held_at__isnull=True) & (~Q(asked_of=but) if but else ANY)
        with transaction.atomic():
            return self._all_of(State.QUEUED, "held", "", only=unheld, held_at=timezone.now())

    def hold_after_restore(self) -> tuple[int, int]:
        """Keep what a backup has as unsent from being sent, and doubt what it has as being sent.

        Both may have been paid for since the backup was made. Answers how many rows are held and how many became
        unconfirmed.
        """
        now = timezone.now()
        doubt = "It was being sent when the backup was made."
        unsure = {"state": State.UNCONFIRMED, "ask_at": now, "error_code": "interrupted", "error_message": doubt}
        with transaction.atomic():
            held = self._all_of(State.QUEUED, "held", "", held_at=now)
            doubted = self._all_of(State.SUBMITTING, "unanswered", doubt, **unsure)
            ApiToken.objects.recount()
        return held, doubted

    def _all_of(self, leaving: State, because: str, text: str, only: Q = ANY, **changes) -> int:
        rows = self.filter(only, state=leaving)
        # Locked, so that what is told is what happens: a claim may take one of them at this moment.
        locked = rows.select_for_update(no_key=True).order_by("pk")
        pks, now = list(locked.values_list("pk", flat=True)), timezone.now()
        Event.objects.bulk_create([Event(generation_id=pk, kind=because, text=text) for pk in pks], batch_size=500)
        changed = 0
        for place in range(0, len(pks), AT_ONE_MOMENT):
            moment = now + place // AT_ONE_MOMENT * timedelta(milliseconds=10)
            changes |= {"version": F("version") + 1, "changed_at": moment}
            changed += rows.filter(pk__in=pks[place : place + AT_ONE_MOMENT]).update(**changes)
        return changed

    def worth_saving(self, now=None) -> "GenerationQuerySet":
        return self.filter(is_due("archive_at", now or timezone.now(), SAVING_AT_MOST), archive=Archive.REMOTE)


def is_one_intention(now=None) -> Q:
    """Whether an equal request now would be the same intention as the row: it is queued, in flight or just created."""
    now = now or timezone.now()
    # Bounded on both sides: after a clock that ran ahead was set back, old rows would be new for hours.
    just_created = Q(created_at__range=(now - ONE_INTENTION, now + ONE_INTENTION))
    return just_created | Q(state__in=OPEN | {State.UNCONFIRMED})


def midnight(day: date) -> datetime:
    """The moment the team's calendar day begins."""
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def being_extended() -> Exists:
    """Whether an extension of the row waits or is being made: the provider may fetch our copy of it."""
    from .model import Generation

    return Exists(Generation.objects.filter(parent=OuterRef("pk"), state__in=OPEN))
