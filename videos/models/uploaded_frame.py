from datetime import datetime, timedelta

from django.db import models
from django.db.models import F
from django.utils import timezone

from .frame import Frame
from .token import ApiToken

# How long an uploaded picture is used again where the provider does not say how long it keeps it.
ASSUMED_LIFE = timedelta(days=1)
# A link is used again only while it outlives the work by this: the provider reads the picture some time after the POST.
MARGIN = timedelta(minutes=15)
# An expired link is kept for comparing it with what the provider's tasks say was asked for.
REMEMBERED = timedelta(days=7)


class UploadedFrameQuerySet(models.QuerySet):
    def link_for(self, frame: Frame, token: ApiToken, timeout: float) -> str:
        """Return the provider's link to this picture for a request of `timeout` seconds; "" where there is none."""
        needed_until = timezone.now() + timedelta(seconds=timeout) + MARGIN
        known = self.filter(frame=frame, token=token, expires_at__gt=needed_until).first()
        return known.url if known else ""

    def remember(self, frame: Frame, token: ApiToken, *, url: str, expires_at: datetime | None, endpoint: str) -> None:
        facts = {"url": url, "expires_at": expires_at or timezone.now() + ASSUMED_LIFE, "endpoint": endpoint}
        self.update_or_create(frame=frame, token=token, defaults=facts | {"uploaded_at": timezone.now()})

    def endpoint_of(self, token: ApiToken) -> str:
        """Return the address that took this token's latest upload; "" where there was none."""
        latest = self.filter(token=token).order_by(F("uploaded_at").desc()).first()
        return latest.endpoint if latest else ""

    def forget_expired(self) -> int:
        return self.filter(expires_at__lt=timezone.now() - REMEMBERED).delete()[0]


class UploadedFrame(models.Model):
    """A picture that was uploaded to the provider with one token, whose account alone can use it.

    Its link is sent to that provider and shown to nobody.
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
