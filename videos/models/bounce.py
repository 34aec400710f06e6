from django.db import models


class Bounce(models.Model):
    """A row that was sent back on the way to the provider with a token: by a gateway, a firewall, a wrong address.

    A row that every token sends back while others pass would otherwise go round for a day.
    """

    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="bounces")
    token = models.ForeignKey("videos.ApiToken", on_delete=models.CASCADE, related_name="bounces")
    at = models.DateTimeField(help_text="The first time.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "token"], name="one_bounce_for_a_token")]

    def __str__(self) -> str:
        return f"{self.generation_id} by {self.token_id}"
