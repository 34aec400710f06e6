from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from .. import provider
from .state import State
from .token import ApiToken


class FoundTaskQuerySet(models.QuerySet["FoundTask"]):
    def keep(self, token: ApiToken, task: provider.ListedTask) -> "FoundTask":
        """Store a task of the provider's list, or update it."""
        echo = task.result.request
        facts = {
            "token": token,
            "prompt": echo.prompt if echo else task.result.prompt,
            "status": task.result.status,
            "created_at": task.created_at,
            "seen_at": timezone.now(),
        }
        return self.update_or_create(provider=token.base_url, task_id=task.result.task_id, defaults=facts)[0]

    def lock(self, token: ApiToken, task_id: str) -> "FoundTask":
        """Lock this task until the end of the transaction, so that it is given to one video only."""
        defaults = {"token": token, "seen_at": timezone.now()}
        return self.select_for_update().get_or_create(provider=token.base_url, task_id=task_id, defaults=defaults)[0]

    def forget_settled(self) -> int:
        """Delete the tasks that are candidates for no unconfirmed video; return their number."""
        candidates = self.model.candidate_for.through.objects.filter(foundtask=OuterRef("pk"))
        waiting = candidates.filter(generation__state=State.UNCONFIRMED, generation__task_id="")
        return self.filter(~Exists(waiting)).delete()[0]


class FoundTask(models.Model):
    """A task in the provider's list that belongs to no video yet, with the videos whose request it may answer.

    No secrets are stored: neither links nor the callback URL. created_at: by the provider's clock.
    """

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="found_tasks")
    provider = models.CharField(max_length=300, help_text="The base URL of the provider that listed it.")
    task_id = models.CharField(max_length=200)
    prompt = models.TextField(blank=True)
    status = models.CharField(max_length=10, blank=True)
    created_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()
    candidate_for = models.ManyToManyField("videos.Generation", related_name="found_tasks")

    objects = FoundTaskQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["provider", "task_id"], name="one_found_task_for_a_task")]

    def __str__(self) -> str:
        return self.task_id
