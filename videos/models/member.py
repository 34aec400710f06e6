from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from .budget import Balance, Pricing, month_of, shown

HUES = 8
# How exactly it is known when somebody was last here: one write a minute at most.
SEEN_EVERY = timedelta(minutes=1)
# How long a new e-mail address receives no link to a new password, so that a warning to the old one comes in time.
EMAIL_WAITS = timedelta(days=1)


class Theme(models.TextChoices):
    SYSTEM = "", "System"
    DARK = "dark", "Dark"
    LIGHT = "light", "Light"


@dataclass(frozen=True, slots=True)
class Usage:
    """A member beside what they used this month, in words; `share` of the limit from 0 to 1, None without one."""

    member: "Member"
    used: str
    share: float | None

    @classmethod
    def of(cls, members: models.QuerySet, pricing: Pricing) -> "list[Usage]":
        """Each of them with what this month took, those who are active first; two queries however many there are."""
        rows = Balance.objects.filter(month=month_of(), member__in=members)
        used = {row.member_id: row.used for row in rows}
        return [
            cls._of(member, used.get(member.pk, 0), pricing) for member in members.order_by("-is_active", "username")
        ]

    @classmethod
    def _of(cls, member: "Member", amount: int, pricing: Pricing) -> "Usage":
        limit = pricing.limit_of(member)
        share = None if limit is None else min(1.0, amount / limit) if limit else 1.0
        words = pricing.amount(amount) if limit is None else f"{shown(amount)} of {pricing.amount(limit)}"
        return cls(member, words, share)


class Member(AbstractUser):
    """Somebody of the team. An admin is a superuser; a plain member is not staff."""

    avatar_hue = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MaxValueValidator(HUES - 1)])
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.SYSTEM, blank=True)
    notify = models.BooleanField(default=False, help_text="Wants to be told when their queue is empty.")
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    email_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When they changed their address; null once an admin confirmed it."
    )
    sign_ins = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counted up to end every session that began before."
    )

    # How much they may use in a month, in thousandths of a credit.
    own_limit = models.BooleanField(default=False, help_text="An exception from the limit for everybody.")
    monthly_limit = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of the exception; empty: no limit."
    )

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

    @property
    def seen_now(self) -> bool:
        return bool(self.last_seen_at) and timezone.now() - self.last_seen_at < 2 * SEEN_EVERY

    def seen(self) -> None:
        """Note that they are here, once a minute at most."""
        now = timezone.now()
        if self.last_seen_at and now - self.last_seen_at < SEEN_EVERY:
            return
        Member.objects.filter(pk=self.pk).update(last_seen_at=now)
        self.last_seen_at = now

    @property
    def email_waits(self) -> bool:
        """Whether the address is too new to receive a link to a new password."""
        return bool(self.email and self.email_changed_at) and timezone.now() - self.email_changed_at < EMAIL_WAITS

    @property
    def email_may_from(self) -> datetime | None:
        """When a changed address may receive links."""
        return self.email_changed_at and self.email_changed_at + EMAIL_WAITS

    def change_email(self, email: str) -> str:
        """Change their own address, note it in the audit trail, and return the one they had until now."""
        with transaction.atomic():
            old = Member.objects.select_for_update().get(pk=self.pk).email
            self.email, self.email_changed_at = email, timezone.now()
            self.save(update_fields=["email", "email_changed_at"])
            self._note(self, f"changed their e-mail address from {old or 'none'} to {email or 'none'}")
        return old

    def confirm_email(self, by: "Member", email: str) -> bool:
        """Let this new address receive links at once; return False if they have another or it waits no longer."""
        if not email or email != self.email:
            return False
        since = timezone.now() - EMAIL_WAITS
        with transaction.atomic():
            waiting = Member.objects.filter(pk=self.pk, email=email, email_changed_at__gt=since)
            if not waiting.update(email_changed_at=None):
                return False
            self._note(by, f"has a confirmed e-mail address: {email}")
        return True

    def sign_out_everywhere(self) -> None:
        """End every session of theirs: what a session was opened with no longer fits."""
        Member.objects.filter(pk=self.pk).update(sign_ins=F("sign_ins") + 1)
        self.refresh_from_db(fields=["sign_ins"])

    def set_role(self, by: "Member", *, admin: bool) -> bool:
        """Make them an admin, or no longer one; False where nothing changed, or nobody would be left to be one."""
        with self._admins_locked() as others:
            if not admin and not others:
                return False
            changed = Member.objects.filter(pk=self.pk, is_superuser=not admin)
            if not changed.update(is_superuser=admin, is_staff=admin):
                return False
            self._note(by, "is an admin now" if admin else "is no longer an admin")
        return True

    def set_active(self, by: "Member", *, active: bool) -> bool:
        """Let them in again, or keep them out from now on; their videos stay. False as for `set_role`."""
        with self._admins_locked() as others:
            if not active and not others:
                return False
            if not Member.objects.filter(pk=self.pk, is_active=not active).update(is_active=active):
                return False
            if not active:
                self.sign_out_everywhere()
                self.invitations.filter(accepted_at=None, revoked_at=None).update(revoked_at=timezone.now())
            self._note(by, "was let in again" if active else "was deactivated")
        return True

    def set_limit(self, by: "Member", *, own: bool, limit: int | None) -> bool:
        """An exception from everybody's monthly limit, in thousandths of a credit (None: no limit), or none."""
        limit = limit if own else None
        with transaction.atomic():
            same = Member.objects.filter(pk=self.pk, own_limit=own, monthly_limit=limit)
            if same.exists():
                return False
            Member.objects.filter(pk=self.pk).update(own_limit=own, monthly_limit=limit)
            words = "everybody's" if not own else "none" if limit is None else f"{shown(limit)} a month"
            self._note(by, f"has another limit: {words}")
        return True

    @contextmanager
    def _admins_locked(self) -> Iterator[bool]:
        """A transaction in which the admins stay who they are; tells whether there is an active one besides this.

        Two admins who take each other's rights away at the same moment come one after the other.
        """
        with transaction.atomic():
            admins = Member.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
            yield any(admin.pk != self.pk for admin in admins)

    def _note(self, by: "Member", what: str) -> None:
        from .audit import AuditEntry

        AuditEntry.objects.record(by, f"{self.username} {what}.", about=self)
