from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

HUES = 8
# How exactly it is known when somebody was last here: one write a minute, whatever their open tabs ask.
SEEN_EVERY = timedelta(minutes=1)


class Theme(models.TextChoices):
    SYSTEM = "", "System"
    DARK = "dark", "Dark"
    LIGHT = "light", "Light"


class Member(AbstractUser):
    """Somebody of the team. An admin is a superuser; a plain member is not staff."""

    avatar_hue = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(HUES - 1)])
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.SYSTEM, blank=True)
    notify = models.BooleanField(default=False, help_text="Wants to be told when their queue is empty.")
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    sign_ins = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counted up to end every session that began before."
    )

    # How much they may use in a month, in thousandths of a credit.
    own_limit = models.BooleanField(default=False, help_text="An exception from the limit for everybody.")
    monthly_limit = models.PositiveBigIntegerField(null=True, blank=True, help_text="Of the exception; empty: no limit.")

    @property
    def initials(self) -> str:
        words = (self.get_full_name() or self.username).replace(".", " ").replace("_", " ").split()
        letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else (words or ["?"])[0][:2]
        return letters.upper()

    @property
    def hue(self) -> int:
        """The avatar's colour, 0 to 7."""
        return self.avatar_hue if self.avatar_hue is not None else (self.pk or 0) % HUES

    def _get_session_auth_hash(self, secret=None) -> str:
        # Django's own, and the count: signing out everywhere is counting up.
        value = f"{self.password}{self.sign_ins}"
        return salted_hmac("videos.Member.session", value, secret=secret, algorithm="sha256").hexdigest()

    def seen(self) -> None:
        """Note that they are here, once a minute at most."""
        now = timezone.now()
        if self.last_seen_at and now - self.last_seen_at < SEEN_EVERY:
            return
        Member.objects.filter(pk=self.pk).update(last_seen_at=now)
        self.last_seen_at = now
