from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from .amounts import shown
from .audit import AuditEntry

HUES = 8
# How precise `last_seen_at` is: at most one write a minute.
ACTIVITY_INTERVAL = timedelta(minutes=1)
# How long a new email address receives no password links, so that the owner of the old one can react to a warning.
EMAIL_HOLD = timedelta(days=1)


class Theme(models.TextChoices):
    SYSTEM = "", "System"
    DARK = "dark", "Dark"
    LIGHT = "light", "Light"


class CardSize(models.TextChoices):
    SMALL = "small", "Small"
    MEDIUM = "medium", "Medium"
    LARGE = "large", "Large"


class Member(AbstractUser):
    """A member of the team. An admin is a superuser; other members are not staff."""

    avatar_hue = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(HUES - 1)])
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.SYSTEM, blank=True)
    card_size = models.CharField(
        max_length=6,
        choices=CardSize,
        default=CardSize.MEDIUM,
        db_default=CardSize.MEDIUM,
        help_text="The size of the cards in the gallery.",
    )
    notify = models.BooleanField(default=False, help_text="Whether to notify them when their queue is empty.")
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    email_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When they changed their address; null after an admin has confirmed it."
    )
    session_version = models.PositiveIntegerField(
        default=0, db_column="sign_ins", editable=False, help_text="Incremented to end all earlier sessions."
    )

    # How much they may use in a month, in thousandths of a credit.
    own_limit = models.BooleanField(default=False, help_text="Whether they have an exception from the general limit.")
    monthly_limit = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The limit of the exception; empty: no limit."
    )

    @property
    def initials(self) -> str:
        words = (self.get_full_name() or self.username).replace(".", " ").replace("_", " ").split()
        letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else (words or ["?"])[0][:2]
        return letters.upper()

    @property
    def hue(self) -> int:
        """The avatar's color, 0 to 7."""
        return self.avatar_hue if self.avatar_hue is not None else (self.pk or 0) % HUES

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's own hash, extended by the counter that signing out everywhere increments.
        value = f"{self.password}{self.session_version}"
        return salted_hmac("videos.Member.session", value, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_online(self) -> bool:
        return self.last_seen_at is not None and timezone.now() - self.last_seen_at < 2 * ACTIVITY_INTERVAL

    def record_activity(self) -> None:
        """Record that they are online, at most once a minute."""
        now = timezone.now()
        if self.last_seen_at and now - self.last_seen_at < ACTIVITY_INTERVAL:
            return
        Member.objects.filter(pk=self.pk).update(last_seen_at=now)
        self.last_seen_at = now

    @property
    def is_email_on_hold(self) -> bool:
        """Whether the address is too new to receive a password link."""
        changed_at = self.email_changed_at
        return bool(self.email) and changed_at is not None and timezone.now() - changed_at < EMAIL_HOLD

    @property
    def email_hold_ends_at(self) -> datetime | None:
        """When a changed address may receive password links."""
        return self.email_changed_at and self.email_changed_at + EMAIL_HOLD

    def change_email(self, email: str) -> str:
        """Change the member's own address, record it in the audit log, and return the previous one."""
        with transaction.atomic():
            old = Member.objects.select_for_update().get(pk=self.pk).email
            self.email, self.email_changed_at = email, timezone.now()
            self.save(update_fields=["email", "email_changed_at"])
            self._record(self, f"changed their email address from {old or 'none'} to {email or 'none'}")
        return old

    def confirm_email(self, by: "Member", email: str) -> bool:
        """Let a new address receive links at once; return False if it is not their address, or not on hold."""
        if not email or email != self.email:
            return False
        since = timezone.now() - EMAIL_HOLD
        with transaction.atomic():
            waiting = Member.objects.filter(pk=self.pk, email=email, email_changed_at__gt=since)
            if not waiting.update(email_changed_at=None):
                return False
            self._record(by, f"has a confirmed email address: {email}")
        return True

    def sign_out_everywhere(self) -> None:
        """End all sessions of this member, by changing the hash that sessions carry."""
        Member.objects.filter(pk=self.pk).update(session_version=F("session_version") + 1)
        self.refresh_from_db(fields=["session_version"])

    def set_role(self, by: "Member | None", *, admin: bool, reason: str = "") -> bool:
        """Grant or revoke the admin role; return False if nothing changed or no active admin would be left.

        by: None if a rule of the installation decides; reason: which.
        """
        with self._admins_locked() as others:
            if not admin and not others:
                return False
            changed = Member.objects.filter(pk=self.pk, is_superuser=not admin)
            if not changed.update(is_superuser=admin, is_staff=admin):
                return False
            self._record(by, ("is now an admin" if admin else "is no longer an admin") + reason)
        return True

    def set_active(self, by: "Member", *, active: bool) -> bool:
        """Activate or deactivate the account and keep its videos; return False as `set_role` does."""
        with self._admins_locked() as others:
            if not active and not others:
                return False
            if not Member.objects.filter(pk=self.pk, is_active=not active).update(is_active=active):
                return False
            if not active:
                self.sign_out_everywhere()
                self.invitations.filter(accepted_at=None, revoked_at=None).update(revoked_at=timezone.now())
            self._record(by, "was activated" if active else "was deactivated")
        return True

    def set_limit(self, by: "Member", *, own: bool, limit: int | None) -> bool:
        """Set or remove an exception from the monthly limit, in thousandths of a credit; None: no limit."""
        limit = limit if own else None
        with transaction.atomic():
            same = Member.objects.filter(pk=self.pk, own_limit=own, monthly_limit=limit)
            if same.exists():
                return False
            Member.objects.filter(pk=self.pk).update(own_limit=own, monthly_limit=limit)
            words = "the general one" if not own else "none" if limit is None else f"{shown(limit)}"
            self._record(by, f"has a new monthly limit: {words}")
        return True

    @contextmanager
    def _admins_locked(self) -> Iterator[bool]:
        """Lock all admins in a transaction, and yield whether an active one besides this member exists.

        Without the lock, two admins who demote each other at the same moment would leave none.
        """
        with transaction.atomic():
            admins = Member.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
            yield any(admin.pk != self.pk for admin in admins)

    def _record(self, by: "Member | None", what: str) -> None:
        AuditEntry.objects.record(by, f"{self.username} {what}.", about=self)
