from django.db import models
from django.utils import timezone


class MailStatus(models.Model):
    """The last mail that the mail server accepted, and the last that it refused."""

    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failed_to = models.CharField(max_length=254, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="What happened, without the mail's text.")
    advice = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.error or "no failure"

    @classmethod
    def current(cls) -> "MailStatus":
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @classmethod
    def note_sent(cls) -> None:
        cls.objects.update_or_create(pk=1, defaults={"sent_at": timezone.now()})

    @classmethod
    def note_failure(cls, to: str, error: str, advice: str) -> None:
        values = {"failed_at": timezone.now(), "failed_to": to[:254], "error": error[:500], "advice": advice[:300]}
        cls.objects.update_or_create(pk=1, defaults=values)

    @property
    def is_failing(self) -> bool:
        """Whether no mail was accepted since the last failure."""
        return self.failed_at is not None and (self.sent_at is None or self.sent_at < self.failed_at)
