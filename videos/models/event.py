from django.db import models

LABELS = {
    "submitted": "Requested",
    "claimed": "Sending to the provider",
    "accepted": "Accepted by the provider",
    "returned": "Returned to the queue",
    "refused": "Refused",
    "unanswered": "No answer",
    "completed": "Finished",
    "failed": "Failed",
    "canceled": "Canceled",
    "dismissed": "Dismissed",
    "task_known": "Task ID received",
    "task_corrected": "Task ID corrected",
    "confirmed": "Confirmed as the video of this task",
    "replaced": "Replaced by the video of this task",
    "reopened": "Waiting for the video of this task",
    "same_task": "Same task ID as another video",
    "foreign_news": "Result for another task ignored",
    "asked": "Looked up at the provider",
    "look_ups_stopped": "Look-ups stopped: the API token is refused",
    "look_ups_resumed": "Look-ups resumed",
    "saved": "Saved",
    "relinked": "New link from the provider",
    "unsaved": "To be saved again",
    "save_failed": "Saving failed",
    "save_interrupted": "Saving interrupted",
    "set_aside": "Set aside: it stopped the worker",
    "kept_incomplete": "Incomplete copy kept",
    "lost": "Could not be saved",
    "trashed": "Moved to the trash",
    "restored": "Restored",
    "purged": "Deleted permanently",
    "retried": "Retried",
    "held": "Held",
    "released": "Released",
    "picked": "Picked",
    "rejected": "Rejected",
    "unchosen": "No longer picked or rejected",
    "adopted": "Adopted by its task ID",
    "found": "Task found at the provider",
    "searched": "Searched for at the provider",
    "search_ended": "Search ended",
    "shared": "Link created",
    "unshared": "Link revoked",
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
