from datetime import datetime, timedelta

from django.db import models
from django.db.models import F
from django.utils import timezone

from .frame import Frame
from .token import ApiToken

# How long an upload is reused if the provider does not say how long it keeps it.
ASSUMED_LIFE = timedelta(days=1)
# How much longer than the request a reused link must last: the provider reads the picture some time after the POST.
MARGIN = timedelta(minutes=15)
# How long an expired link is kept, to match it with the requests of the provider's tasks.
REMEMBERED = timedelta(days=7)


class UploadedFrameQuerySet(models.QuerySet["UploadedFrame"]):
    def link_for(self, frame: Frame, token: ApiToken, timeout: float) -> str:
        """Return the provider's link to this frame for a request of `timeout` seconds, or ""."""
        needed_until = timezone.now() + timedelta(seconds=timeout) + MARGIN
        known = self.filter(frame=frame, token=token, expires_at__gt=needed_until).first()
        return known.url if known else ""

    def remember(self, frame: Frame, token: ApiToken, *, url: str, expires_at: datetime | None, endpoint: str) -> None:
        facts = {"url": url, "expires_at": expires_at or timezone.now() + ASSUMED_LIFE, "endpoint": endpoint}
        self.update_or_create(frame=frame, token=token, defaults=facts | {"uploaded_at": timezone.now()})

    def endpoint_of(self, token: ApiToken) -> str:
        """Return the URL that accepted this token's latest upload, or ""."""
        latest = self.filter(token=token).order_by(F("uploaded_at").desc()).first()
        return latest.endpoint if latest else ""

    def forget_expired(self) -> int:
        return self.filter(expires_at__lt=timezone.now() - REMEMBERED).delete()[0]


class UploadedFrame(models.Model):
    """A frame uploaded to the provider with one token; only that token's account can use it.

    Its link is a secret: it is sent to that provider only.
    """

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="uploads")
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="uploaded_frames")
    url = models.CharField(max_length=4000)
    endpoint = models.CharField(max_length=400)
    uploaded_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    objects = UploadedFrameQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["frame", "token"], name="one_upload_of_a_frame_for_a_token")]
        indexes = [models.Index(fields=["expires_at"], name="uploaded_frame_expires")]

    def __str__(self) -> str:
        return f"{self.frame} with {self.token}"
