from collections.abc import Iterable

from django.db import models

from .member import Member


class Star(models.Model):
    """A member's bookmark of a video, which only they see."""

    member = models.ForeignKey("videos.Member", on_delete=models.CASCADE, related_name="stars")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="stars")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "member"], name="one_star_of_a_member")]

    def __str__(self) -> str:
        return f"{self.member}: {self.generation}"

    @classmethod
    def add(cls, member: Member, generations: Iterable[models.Model]) -> None:
        """Star these videos; those already starred stay so."""
        stars = [Star(member=member, generation_id=row.pk) for row in generations]
        Star.objects.bulk_create(stars, ignore_conflicts=True)

    @classmethod
    def remove(cls, member: Member, generations: Iterable[models.Model]) -> None:
        cls.objects.filter(member=member, generation__in=[row.pk for row in generations]).delete()
