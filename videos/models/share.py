import uuid

from django.db import models


class Share(models.Model):
    """A link by which somebody without an account may watch one video, or the chain that ends with it."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="shares")
    chain = models.BooleanField(default=False, help_text="With the clips it goes on from, played one after another.")
    with_prompt = models.BooleanField(default=False)
    shared_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="shares")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    watched = models.PositiveIntegerField(default=0, help_text="How often its page was opened.")
    watched_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["generation", "-id"], name="share_of_generation")]

    def __str__(self) -> str:
        return f"{self.generation_id} by {self.shared_by}"
