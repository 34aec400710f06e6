from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from .. import provider
from .state import State
from .token import ApiToken


class FoundTaskQuerySet(models.QuerySet):
    def keep(self, token: ApiToken, task: provider.ListedTask) -> "FoundTask":
        """Note a task of the listing, or what is new of one that is known."""
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
        """Hold this task until the end of the transaction: nobody else gives it to a video meanwhile."""
        defaults = {"token": token, "seen_at": timezone.now()}
        return self.select_for_update().get_or_create(provider=token.base_url, task_id=task_id, defaults=defaults)[0]

    def forget_settled(self) -> int:
        """Delete those that no video in doubt can be given any more."""
        candidates = self.model.candidate_for.through.objects.filter(foundtask=OuterRef("pk"))
        waiting = candidates.filter(generation__state=State.UNCONFIRMED, generation__task_id="")
        return self.filter(~Exists(waiting)).delete()[0]


class FoundTask(models.Model):
    """A task in the provider's listing that no video has yet, kept for those whose request it may answer.

    Nothing secret of the listing is stored: no link, and not the callback's address. created_at is by the provider's
    clock.
    """

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="found_tasks")
    provider = models.CharField(max_length=300, help_text="The address of the API that listed it.")
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
