import uuid
from collections.abc import Collection as SizedIterable
from typing import Any, Self

from django.db import IntegrityError, models, transaction
from django.db.models import Count, Min, OuterRef, Q, Subquery, Value
from django.db.models.functions import Lower
from django.urls import reverse

from ..keyset import rows_after
from .generation import Generation
from .member import Member

# For one member: every page with the gallery lists all names in its menus.
COLLECTIONS_AT_MOST = 200


class TooManyCollections(Exception):
    """A member has as many collections as allowed; the message says what to do."""


class CollectionGone(Exception):
    """Another member deleted the collection meanwhile."""


class CollectionQuerySet(models.QuerySet["Collection"]):
    def in_order(self) -> Self:
        """Order as the team arranged them; those that share a position by name."""
        return self.alias(lower_name=Lower("name")).order_by("position", "lower_name")

    def after(self, collection: "Collection") -> Self:
        """Select the collections that follow this one."""
        return rows_after(self.in_order(), collection.position, Lower(Value(collection.name)))

    def choices(self) -> list[tuple[str, str]]:
        """Return the uuid and the name of every collection, in order."""
        return [(str(uuid), name) for uuid, name in self.in_order().values_list("uuid", "name")]

    def locked(self, pks: SizedIterable[int]) -> list["Collection"]:
        """Lock these collections until the transaction ends; return those that still exist.

        A deletion waits for the lock, and then finds the items that were added.
        """
        return list(self.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk"))

    def move(
        self, collection: "Collection", *, before: "Collection | None" = None, behind: "Collection | None" = None
    ) -> None:
        """Move a collection in front of or behind another one. Raises CollectionGone."""
        beside, is_behind = (behind, True) if behind else (before, False)
        with transaction.atomic():
            rows, place = self._order_without(collection)
            if beside != collection:
                if beside not in rows:
                    raise CollectionGone
                place = rows.index(beside) + is_behind
            self._store_order(rows, collection, place)

    def step(self, collection: "Collection", steps: int) -> None:
        """Move a collection by some places towards the end, or the start if negative. Raises CollectionGone."""
        with transaction.atomic():
            rows, place = self._order_without(collection)
            self._store_order(rows, collection, max(0, place + steps))

    def _order_without(self, collection: "Collection") -> tuple[list["Collection"], int]:
        """Return the others in the order of this moment, and the place of the collection among them.

        Two members who order at the same time wait for each other here, so that both get their change.
        """
        list(self.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        rows = list(self.in_order())
        if collection not in rows:
            raise CollectionGone
        place = rows.index(collection)
        return [row for row in rows if row != collection], place

    def _store_order(self, others: list["Collection"], collection: "Collection", place: int) -> None:
        fresh: Collection = self.get(pk=collection.pk)
        rows = [*others[:place], fresh, *others[place:]]
        # The first position stays: a collection that is created meanwhile is put in front of it.
        first = min(row.position for row in rows)
        changed = []
        for position, row in enumerate(rows, first):
            if row.position != position:
                row.position = position
                changed.append(row)
        Collection.objects.bulk_update(changed, ["position"], batch_size=500)

    def with_sizes(self) -> Self:
        """Annotate `size`, the number of videos that are not in the trash. Reads every item of every collection."""
        shown = Q(generations__trashed_at__isnull=True, generations__isnull=False)
        return self.annotate(size=Count("generations", filter=shown))

    def with_covers(self, count: int) -> Self:
        """Annotate `cover_0`, `cover_1`, …: the primary keys of the newest saved videos; None if there are fewer."""
        saved = CollectionItem.objects.filter(
            collection=OuterRef("pk"), generation__trashed_at__isnull=True, generation__archive="saved"
        )
        newest = saved.order_by("-generation").values("generation")
        return self.annotate(**{f"cover_{place}": Subquery(newest[place : place + 1]) for place in range(count)})

    def named(self, name: str, member: Member) -> tuple["Collection", bool]:
        """Return the collection with this name, and whether it was created now. Raises TooManyCollections."""
        name = " ".join(name.split())
        # Compare as the constraint does: `iexact` uses UPPER on PostgreSQL, which disagrees with LOWER on some letters.
        alike = self.alias(lower_name=Lower("name")).filter(lower_name=Lower(Value(name)))
        if found := alike.first():
            return found, False
        if self.filter(created_by=member).count() >= COLLECTIONS_AT_MOST:
            raise TooManyCollections(
                f"You have {COLLECTIONS_AT_MOST} collections, as many as a member may make. Delete one first."
            )
        first = self.aggregate(first=Min("position"))["first"]
        try:
            with transaction.atomic():
                position = 0 if first is None else first - 1
                return self.create(name=name, created_by=member, position=position), True
        except IntegrityError:  # another member created it just now
            return alike.get(), False


class Collection(models.Model):
    """A named set of videos, for a project or a client; a video can be in several."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    created_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="collections")
    created_at = models.DateTimeField(auto_now_add=True)
    position = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Its place in the order that the team arranged; the smallest is first.",
    )
    generations = models.ManyToManyField("videos.Generation", through="CollectionItem", related_name="collections")

    objects = CollectionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="one_collection_of_a_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('studio')}?collection={self.uuid}"

    def rename(self, name: str) -> bool:
        """Rename the collection; return False if another has this name."""
        try:
            with transaction.atomic():
                Collection.objects.filter(pk=self.pk).update(name=name)
        except IntegrityError:
            return False
        return True

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the collection once nobody is adding to it; its videos stay."""
        with transaction.atomic():
            Collection.objects.locked([self.pk])
            return super().delete(*args, **kwargs)

    def add(self, generations: SizedIterable[Generation], member: Member) -> int:
        """Add these videos; return how many were not in it before. Raises CollectionGone."""
        with transaction.atomic():
            if not Collection.objects.locked([self.pk]):
                raise CollectionGone
            known = set(self.items.filter(generation__in=generations).values_list("generation_id", flat=True))
            rows = [CollectionItem(collection=self, generation=row, added_by=member) for row in generations]
            CollectionItem.objects.bulk_create(rows, ignore_conflicts=True)
        return sum(row.generation_id not in known for row in rows)

    def remove(self, generations: SizedIterable[Generation]) -> None:
        self.items.filter(generation__in=generations).delete()


class CollectionItemQuerySet(models.QuerySet["CollectionItem"]):
    def copy(self, source: Generation, copies: SizedIterable[Generation], member: Member) -> None:
        """Add the copies to every collection that has the source. Call it in the transaction that creates them."""
        items = self.filter(generation=source)
        for collection in Collection.objects.locked(items.values_list("collection", flat=True)):
            collection.add(copies, member)


class CollectionItem(models.Model):
    """One video in one collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="+")
    added_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    objects = CollectionItemQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "generation"], name="one_place_in_a_collection")]

    def __str__(self) -> str:
        return f"{self.collection}: {self.generation}"
