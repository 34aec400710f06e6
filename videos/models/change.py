from django.db import models


class ChangeQuerySet(models.QuerySet):
    def note(self, by, text: str, *, token=None, about=None) -> "Change":
        """Write down who changed what, in a sentence without any secret. `by` None: the installation itself."""
        return self.create(by=by, text=text[:300], token=token, about=about)


class Change(models.Model):
    """One entry of the audit trail: what an admin changed of a token, a member, the budgets, or a door."""

    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="changes_made")
    text = models.CharField(max_length=300)
    token = models.ForeignKey("videos.ApiToken", null=True, on_delete=models.SET_NULL, related_name="changes")
    about = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="changes")

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.text
