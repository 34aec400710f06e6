from django.db import models


class GatewayRejection(models.Model):
    """A generation whose request did not reach the provider with this token: a gateway, firewall or wrong address.

    Without this record, a request that every token rejects while others pass would be retried for a whole day.
    """

    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="gateway_rejections")
    token = models.ForeignKey("videos.ApiToken", on_delete=models.CASCADE, related_name="gateway_rejections")
    at = models.DateTimeField(help_text="When it was first rejected.")

    class Meta:
        db_table = "videos_bounce"
        constraints = [models.UniqueConstraint(fields=["generation", "token"], name="one_bounce_for_a_token")]

    def __str__(self) -> str:
        return f"{self.generation_id} by {self.token_id}"
