from django.db import models

LABELS = {
    "submitted": "Asked for",
    "claimed": "Sending to the provider",
    "accepted": "Accepted by the provider",
    "returned": "Back in the queue",
    "refused": "Refused",
    "unanswered": "No answer",
    "completed": "Finished",
    "failed": "Failed",
    "canceled": "Canceled",
    "dismissed": "Dismissed",
    "task_known": "Task id learnt",
    "task_corrected": "Another task is the right one",
    "confirmed": "Confirmed as the video of this task",
    "replaced": "Replaced by the video of this task",
    "reopened": "Waiting for the video of this task",
    "same_task": "Same task id as another video",
    "foreign_news": "News about another task, ignored",
    "asked": "Asked the provider for news",
    "look_ups_stopped": "Not looked up: the API token is refused",
    "look_ups_resumed": "Looked up again",
    "saved": "Saved here",
    "relinked": "A fresh link from the provider",
    "unsaved": "The saved file is no longer good",
    "save_failed": "Saving did not work",
    "save_interrupted": "Saving was interrupted",
    "set_aside": "Set aside: it stopped the worker",
    "kept_incomplete": "The incomplete copy is kept",
    "lost": "Could not be saved",
    "trashed": "Moved to the trash",
    "restored": "Taken out of the trash",
    "purged": "Deleted for good",
    "retried": "Tried again",
    "held": "Held after a restore",
    "released": "Released",
    "picked": "Picked",
    "rejected": "Rejected",
    "unchosen": "Neither picked nor rejected any more",
    "adopted": "Adopted by its task id",
    "found": "Found at the provider",
    "searched": "Looked for at the provider",
    "search_ended": "Not looked for any more",
    "shared": "Shared by a link",
    "unshared": "A link to it was revoked",
}


class Event(models.Model):
    """One event of a generation, with the provider's own message."""

    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=20)
    member = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=500, blank=True)
    code = models.CharField(max_length=100, blank=True)
    trace_id = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return LABELS.get(self.kind, self.kind)
