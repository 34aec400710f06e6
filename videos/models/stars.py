from django.db import models


class Star(models.Model):
    """A member's mark on a video, for their own eyes."""

    member = models.ForeignKey("videos.Member", on_delete=models.CASCADE, related_name="stars")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="stars")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "member"], name="one_star_of_a_member")]

    def __str__(self) -> str:
        return f"{self.member}: {self.generation}"

    @classmethod
    def put(cls, member, generations) -> None:
        """Star all of them; what is starred already stays so."""
        cls.objects.bulk_create([cls(member=member, generation=row) for row in generations], ignore_conflicts=True)

    @classmethod
    def take(cls, member, generations) -> None:
        cls.objects.filter(member=member, generation__in=generations).delete()
