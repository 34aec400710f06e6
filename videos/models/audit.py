from django.db import models


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def record(
        self,
        by: models.Model | None,
        text: str,
        *,
        token: models.Model | None = None,
        about: models.Model | None = None,
    ) -> "AuditEntry":
        """Record in one sentence, without any secret, who changed what; `by` is None for Lumaweb itself.

        by, about: members. token: an API token.
        """
        people = {"by_id": by.pk if by else None, "about_id": about.pk if about else None}
        return self.create(text=text[:300], token_id=token.pk if token else None, **people)


class AuditEntry(models.Model):
    """One entry of the audit log: what an admin changed about a token, a member, the budgets or a login."""

    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="changes_made")
    text = models.CharField(max_length=300)
    token = models.ForeignKey("videos.ApiToken", null=True, on_delete=models.SET_NULL, related_name="changes")
    about = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="changes")

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        db_table = "videos_change"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.text
