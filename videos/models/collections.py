import uuid

from django.db import IntegrityError, models, transaction
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Lower
from django.urls import reverse

# For one member: every page with the gallery lists all names in its menus.
COLLECTIONS_AT_MOST = 200


class TooManyCollections(Exception):
    """A member has made as many as one may; its words say what to do."""


class CollectionQuerySet(models.QuerySet):
    def in_order(self) -> "CollectionQuerySet":
        return self.order_by(Lower("name"))

    def after(self, collection: "Collection") -> "CollectionQuerySet":
        """Those that follow this one in order."""
        return self.annotate(place=Lower("name")).filter(place__gt=Lower(Value(collection.name)))

    def with_sizes(self) -> "CollectionQuerySet":
        """With `size`, the number of clips that are not in the trash. Reads every place in every collection."""
        shown = Q(generations__trashed_at__isnull=True, generations__isnull=False)
        return self.annotate(size=Count("generations", filter=shown))

    def with_covers(self, count: int) -> "CollectionQuerySet":
        """With `cover_0` and on, the uuids of its newest clips that are saved (None: it has fewer)."""
        saved = CollectionItem.objects.filter(
            collection=OuterRef("pk"), generation__trashed_at__isnull=True, generation__archive="saved"
        )
        newest = saved.order_by("-generation").values("generation__uuid")
        return self.annotate(**{f"cover_{place}": Subquery(newest[place : place + 1]) for place in range(count)})

    def named(self, name: str, member) -> tuple["Collection", bool]:
        """The collection of this name, made if there is none; whether it was made. Raises TooManyCollections."""
        name = " ".join(name.split())
        # As the constraint compares them, and not as `iexact` would: PostgreSQL's UPPER and LOWER disagree on some.
        alike = self.annotate(small=Lower("name")).filter(small=Lower(Value(name)))
        if found := alike.first():
            return found, False
        if self.filter(created_by=member).count() >= COLLECTIONS_AT_MOST:
            raise TooManyCollections(
                f"You have {COLLECTIONS_AT_MOST} collections, as many as a member may make. Delete one first."
            )
        try:
            with transaction.atomic():
                return self.create(name=name, created_by=member), True
        except IntegrityError:  # two had the same thought
            return alike.get(), False


class Collection(models.Model):
    """A named set of clips, for a project or a client; a clip can be in several."""

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
        """False where another is called so."""
        try:
            with transaction.atomic():
                Collection.objects.filter(pk=self.pk).update(name=name)
        except IntegrityError:
            return False
        return True

    def add(self, generations, member) -> int:
        """Put these in; how many were not in it before."""
        known = set(self.items.filter(generation__in=generations).values_list("generation_id", flat=True))
        rows = [CollectionItem(collection=self, generation=row, added_by=member) for row in generations]
        CollectionItem.objects.bulk_create(rows, ignore_conflicts=True)
        return sum(row.generation_id not in known for row in rows)

    def remove(self, generations) -> None:
        self.items.filter(generation__in=generations).delete()


class CollectionItem(models.Model):
    """One clip in one collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="+")
    added_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "generation"], name="one_place_in_a_collection")]

    def __str__(self) -> str:
        return f"{self.collection}: {self.generation}"
