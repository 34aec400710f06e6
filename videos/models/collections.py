import uuid
from collections.abc import Collection as SizedIterable
from typing import Self

from django.db import IntegrityError, models, transaction
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Lower
from django.urls import reverse

from ..keyset import rows_after
from .generation import Generation
from .member import Member

# For one member: every page with the gallery lists all names in its menus.
COLLECTIONS_AT_MOST = 200


class TooManyCollections(Exception):
    """A member has as many collections as allowed; the message says what to do."""


class CollectionQuerySet(models.QuerySet["Collection"]):
    def in_order(self) -> Self:
        return self.alias(lower_name=Lower("name")).order_by("lower_name")

    def after(self, collection: "Collection") -> Self:
        """Select the collections that follow this one by name."""
        return rows_after(self.in_order(), Lower(Value(collection.name)))

    def with_sizes(self) -> Self:
        """Annotate `size`, the number of videos that are not in the trash. Reads every item of every collection."""
        shown = Q(generations__trashed_at__isnull=True, generations__isnull=False)
        return self.annotate(size=Count("generations", filter=shown))

    def with_covers(self, count: int) -> Self:
        """Annotate `cover_0`, `cover_1`, …: the uuids of the newest saved videos; None if there are fewer."""
        saved = CollectionItem.objects.filter(
            collection=OuterRef("pk"), generation__trashed_at__isnull=True, generation__archive="saved"
        )
        newest = saved.order_by("-generation").values("generation__uuid")
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
        try:
            with transaction.atomic():
                return self.create(name=name, created_by=member), True
        except IntegrityError:  # another member created it just now
            return alike.get(), False


class Collection(models.Model):
    """A named set of videos, for a project or a client; a video can be in several."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    created_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="collections")
    created_at = models.DateTimeField(auto_now_add=True)
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

    def add(self, generations: SizedIterable[Generation], member: Member) -> int:
        """Add these videos; return how many were not in it before."""
        known = set(self.items.filter(generation__in=generations).values_list("generation_id", flat=True))
        rows = [CollectionItem(collection=self, generation=row, added_by=member) for row in generations]
        CollectionItem.objects.bulk_create(rows, ignore_conflicts=True)
        return sum(row.generation_id not in known for row in rows)

    def remove(self, generations: SizedIterable[Generation]) -> None:
        self.items.filter(generation__in=generations).delete()


class CollectionItem(models.Model):
    """One video in one collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="+")
    added_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "generation"], name="one_place_in_a_collection")]

    def __str__(self) -> str:
        return f"{self.collection}: {self.generation}"
