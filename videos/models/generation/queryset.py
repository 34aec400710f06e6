"""Queries for generations."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from typing import Self, TypeVar

from django.db import connection, models, transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Value, When
from django.utils import timezone

from ...keyset import rows_after
from .. import search
from ..member import Member
from ..stars import Star
from ..state import (
    CAN_BE_TRASHED,
    DUPLICATE_WITHIN,
    HOLDS_A_SLOT,
    LONGEST_TRANSACTION,
    OPEN,
    SAVING_AT_MOST,
    WAITING_AT_MOST,
    Archive,
    HoldReason,
    State,
    Unfinished,
    is_due,
)
from ..storage_policy import StoragePolicy
from ..token import ApiToken
from .bulk_transition import Row
from .fields import GenerationFields
from .filters import STATES, Filters
from .provider_switch import ProviderSwitchQuerySet

AnyRow = TypeVar("AnyRow", bound=models.Model)


def in_batches(rows: models.QuerySet[AnyRow], size: int = 500) -> Iterator[AnyRow]:
    """Iterate over all rows by primary key, `size` rows per query.

    `QuerySet.iterator()` would keep a read transaction open on SQLite: it would see no later commit and block writers.
    """
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield from batch
        last = batch[-1].pk


class GenerationQuerySet(ProviderSwitchQuerySet[Row]):
    # ── Gallery ───────────────────────────────────────────────────────────────────────────────────────────────

    def for_gallery(self, member: Member | None = None, filters: Filters | None = None) -> Self:
        """Select the gallery's videos, newest first, with what a card shows; `starred` is about this member's stars."""
        rows = self.filter(trashed_at__isnull=True).for_cards().order_by("-pk")
        rows = rows.with_stars_of(member) if member else rows
        return rows.narrowed(filters) if filters else rows

    def for_cards(self) -> Self:
        """Join the member and, of the parent and the token, only the columns that a card shows."""
        shown = {"parent": ("id", "uuid", "prompt", "trashed_at"), "token": ("id", "simulated")}
        deferred = [
            f"{relation}__{field.name}"
            for relation, model in (("parent", self.model), ("token", ApiToken))
            for field in model._meta.concrete_fields
            if field.name not in shown[relation]
        ]
        return self.select_related("member", "parent", "token").defer(*deferred)

    def with_stars_of(self, member: Member) -> Self:
        return self.annotate(starred=Exists(Star.objects.filter(generation=OuterRef("pk"), member=member)))

    def narrowed(self, filters: Filters) -> Self:
        rows = self
        if filters.member:
            rows = rows.filter(member=filters.member)
        if filters.collection:
            rows = rows.filter(collections=filters.collection)
        if filters.mode:
            rows = rows.in_mode(filters.mode)
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

    def in_mode(self, mode: str) -> Self:
        if mode == "extend":
            return self.filter(action="extend")
        framed = Q(start_frame__isnull=False) | Q(end_frame__isnull=False)
        framed |= ~Q(start_image_url="") | ~Q(end_image_url="")
        return self.filter(framed if mode == "frames" else ~framed, action="generate")

    def search(self, text: str) -> Self:
        """Select videos whose prompt contains every word of `text`, in any script and case, also as part of a word.

        The index needs words of three characters. With shorter words only, the search covers the newest 50,000 videos,
        and `search.is_partial` is true.
        """
        rows, words = self, search.words_of(text)
        indexed = [word for word in words if search.is_indexed(word)]
        if indexed and connection.vendor == "sqlite":
            # In the order of the index's row ids, so that SQLite reads it from the newest and stops at the page's end.
            rows = rows.filter(index__search_text__match=search.fts_query(indexed)).order_by("-index__pk")
            words = [word for word in words if word not in indexed]
        for word in words:
            rows = rows.filter(search_text__contains=word)
        if not indexed and words:
            newest = self.model._default_manager.order_by("-pk").values_list("pk", flat=True)
            oldest = newest[search.NEWEST - 1 : search.NEWEST].first()
            rows = rows.filter(pk__gte=oldest) if oldest else rows
        return rows

    def before(self, pk: int) -> Self:
        """Select rows older than the row with this primary key."""
        return rows_after(self, pk)

    def after(self, pk: int) -> Self:
        """Select rows newer than the row with this primary key, oldest first."""
        return rows_after(self.reverse(), pk)

    def in_flight(self) -> Self:
        return self.filter(Unfinished("state"), state__in=OPEN, trashed_at__isnull=True)

    def changed_since(self, since: datetime) -> Self:
        return self.filter(changed_at__gte=since - LONGEST_TRANSACTION)

    # ── Duplicates ────────────────────────────────────────────────────────────────────────────────────────────

    def finished_duplicates(self, fingerprints: Collection[str]) -> list[Row]:
        """List the latest finished video of each of these requests that is not in the trash."""
        made = self._with_fingerprint(fingerprints).filter(state=State.COMPLETED, trashed_at__isnull=True)
        latest = made.order_by().values("fingerprint").annotate(latest=Max("pk")).values("latest")
        return list(self.filter(pk__in=latest).select_related("member").order_by("-pk"))

    def pending_duplicates(self, member: Member, fingerprints: Collection[str]) -> list[Row]:
        """List the member's rows of equal requests that are queued, in flight or seconds old, newest first."""
        known = self._with_fingerprint(fingerprints).filter(is_same_intention(), member=member)
        return list(known.select_related("member").order_by("-pk"))

    def _with_fingerprint(self, fingerprints: Collection[str]) -> Self:
        # SQLite uses the partial index only if the query repeats its condition.
        return self.exclude(fingerprint="").filter(fingerprint__in=fingerprints)

    # ── Trash and media ───────────────────────────────────────────────────────────────────────────────────────

    def for_trash(self, member: Member) -> Self:
        """Select what this member may restore, the latest first: their own videos; an admin's trash has everybody's."""
        rows = self.filter(trashed_at__isnull=False, purged_at__isnull=True)
        if not member.is_superuser:
            rows = rows.filter(member=member)
        return rows.select_related("member", "trashed_by").order_by("-trashed_at", "-pk")

    def with_media_for(self, member: Member) -> Self:
        """Select rows whose saved files this member may see: the team's, and those in their own trash."""
        rows = self.filter(purged_at__isnull=True)
        return rows if member.is_superuser else rows.filter(Q(trashed_at__isnull=True) | Q(member=member))

    def worth_purging(self, policy: StoragePolicy, now: datetime | None = None) -> Self:
        """Select rows that have been in the trash long enough and that no extension still needs."""
        long_ago = (now or timezone.now()) - policy.kept_in_trash
        rows = self.filter(trashed_at__lte=long_ago, purged_at__isnull=True, state__in=CAN_BE_TRASHED)
        return rows.filter(~being_extended(self.model))

    def worth_saving(self, now: datetime | None = None) -> Self:
        return self.filter(is_due("archive_at", now or timezone.now(), SAVING_AT_MOST), archive=Archive.REMOTE)

    def posters_before(self, pk: int | None) -> models.QuerySet[Row, tuple[int, str]]:
        """List the primary keys and colors of saved posters, newest first, of rows older than this one."""
        rows = self.filter(archive=Archive.SAVED).exclude(poster_file="")
        rows = rows.filter(pk__lt=pk) if pk else rows
        return rows.order_by("-pk").values_list("pk", "poster_color")

    # ── Queue ─────────────────────────────────────────────────────────────────────────────────────────────────

    def next_to_submit(self, limit: int, now: datetime | None = None, amount_at_most: int | None = None) -> list[Row]:
        """List what may be sent now and costs no more than `amount_at_most`: each member's first, then each second…

        A member's videos in progress count as turns already taken, so a half-sent batch does not go before another
        member's single video.
        """
        now = now or timezone.now()
        in_progress = self.model._default_manager.filter(Unfinished("state"), state__in=HOLDS_A_SLOT)
        counts = in_progress.values_list("member_id").annotate(Count("pk"))
        taken = Case(*(When(member_id=pk, then=Value(number)) for pk, number in counts), default=Value(0))
        place = models.Window(models.functions.RowNumber(), partition_by=[F("member_id")], order_by=[F("pk").asc()])
        ready = self.waiting_to_submit().filter(is_due("not_before", now, WAITING_AT_MOST))
        if amount_at_most is not None:
            ready = ready.filter(amount__lte=amount_at_most)
        turn = models.ExpressionWrapper(place + taken, output_field=models.IntegerField())
        return list(ready.order_by(turn, "pk")[:limit])

    def waiting_to_submit(self) -> Self:
        return self.filter(is_waiting())

    def hold_after_restore(self) -> tuple[int, int]:
        """Hold what a backup has as queued, and mark what it has as being submitted as unconfirmed; count both.

        Each may have been paid for since the backup was made.
        """
        now = timezone.now()
        message = "It was being sent when the backup was made."
        with transaction.atomic():
            held = self._transition_all(State.QUEUED, "held", "", held_at=now, hold_reason=HoldReason.RESTORE)
            unconfirmed = self._transition_all(
                State.SUBMITTING,
                "unanswered",
                message,
                state=State.UNCONFIRMED,
                next_poll_at=now,
                error_code="interrupted",
                error_message=message,
            )
            ApiToken.objects.recount()
        return held, unconfirmed


def is_waiting() -> Q:
    """Match queued rows that may be sent."""
    return Q(Unfinished("state"), state=State.QUEUED, held_at__isnull=True, trashed_at__isnull=True)


def is_same_intention(now: datetime | None = None) -> Q:
    """Match rows that an equal request now would repeat by mistake: queued, in flight, unconfirmed or just created."""
    now = now or timezone.now()
    # Bounded on both sides: if a fast clock is set back, older rows would otherwise count as new for hours.
    just_created = Q(created_at__range=(now - DUPLICATE_WITHIN, now + DUPLICATE_WITHIN))
    return just_created | Q(state__in=OPEN | {State.UNCONFIRMED})


def midnight(day: date) -> datetime:
    """Return the moment at which a day in the team's time zone begins."""
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def being_extended(model: type[GenerationFields]) -> Exists:
    """Match rows with an open extension: the provider may still fetch our copy of them."""
    return Exists(model._default_manager.filter(parent=OuterRef("pk"), state__in=OPEN))
