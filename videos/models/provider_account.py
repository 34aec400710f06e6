"""The account behind the API tokens: its balance, and the provider's own sums, read with a platform token."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from lumaweb.logs import redact

from .. import provider
from .amounts import in_credits
from .audit import AuditEntry
from .encryption import Undecryptable, decrypt, encrypt
from .generation import Generation
from .member import Member
from .state import State
from .token import ApiToken, last_four_of

READ_EVERY = timedelta(minutes=15)
# A reading that was begun and not recorded belongs to a process that died.
BEGUN_AT_MOST = timedelta(minutes=2)
# How long one failed reading is normal: the last value is still fresh enough.
OUTDATED_AFTER = timedelta(hours=1)
PERIOD = timedelta(days=7)
MAX_DAYS = 365


class AccountUnreadable(Exception):
    """No encryption key of this installation opens the platform token."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one reading. Amounts are in thousandths of a credit.

    charged and charged_videos are the provider's sums since `since`; None if they could not be read, as `problem` says.
    """

    remaining: int
    since: datetime | None = None
    charged: int | None = None
    charged_videos: int | None = None
    problem: str = ""


class ProviderAccountQuerySet(models.QuerySet["ProviderAccount"]):
    def current(self) -> "ProviderAccount | None":
        return self.filter(pk=1).first()

    def connect(
        self, secret: str, base_url: str, by: Member, *, warn_below: int | None, reading: Reading
    ) -> "ProviderAccount":
        """Store a tested platform token in place of any other, with the reading of its test."""
        with transaction.atomic():
            replaces = self.filter(pk=1).exists()
            account = ProviderAccount(pk=1, base_url=base_url, warn_below=warn_below)
            account.encrypted, account.last_four = encrypt(secret), last_four_of(secret)
            account.read_at = account.requested_at = timezone.now()
            account.remaining = reading.remaining
            account.save()
            end = f", which ends with {account.last_four}" if account.last_four else ""
            what = "replaced" if replaces else "added"
            AuditEntry.objects.record(by, f"Platform token {what} for {base_url}{end}.")
        return account

    def remove(self, by: Member) -> bool:
        """Delete the platform token and its readings; return False if none is stored."""
        with transaction.atomic():
            removed, _ = self.filter(pk=1).delete()
            if removed:
                AuditEntry.objects.record(by, "Platform token removed; the balance is no longer read.")
        return bool(removed)

    def set_warning(self, warn_below: int | None, by: Member) -> bool:
        """Set the balance below which to warn, None for never; return False if nothing changed."""
        with transaction.atomic():
            same = Q(warn_below__isnull=True) if warn_below is None else Q(warn_below=warn_below)
            rows = self.filter(pk=1).exclude(same)
            changed = rows.update(warn_below=warn_below, warned_at=None)
            if changed:
                words = "none" if warn_below is None else f"below {in_credits(warn_below)}"
                AuditEntry.objects.record(by, f"Balance warning: {words}.")
        return bool(changed)

    def request_reading(self) -> bool:
        """Ask the ticker to read it now; return False if there is no platform token."""
        return bool(self.filter(pk=1).update(requested_at=timezone.now()))

    def begin_reading(self) -> "ProviderAccount | None":
        """Claim the reading that is due, by one conditional UPDATE; return None if none is."""
        now = timezone.now()
        account = self.due(now).first()
        if account is None:
            return None
        begun = self.due(now).filter(encrypted=account.encrypted).update(tried_at=now)
        return account if begun else None

    def due(self, now: datetime) -> Self:
        # A time in the future was stored before a clock was set back.
        long_ago = Q(tried_at=None) | Q(tried_at__lt=now - READ_EVERY) | Q(tried_at__gt=now + BEGUN_AT_MOST)
        begun = Q(tried_at__gte=F("requested_at")) & Q(tried_at__gte=now - BEGUN_AT_MOST)
        return self.filter(long_ago | (Q(requested_at__isnull=False) & ~begun), pk=1)


class ProviderAccount(models.Model):
    """The single platform token and its last reading. Amounts are in thousandths of a credit.

    The provider's and our sums cover the same time, from `since` to `summed_at`. `requested_at` is set while a
    requested reading is not recorded, `failing_since` while readings fail: the values are then those of `read_at`.
    """

    base_url = models.CharField(max_length=300)
    encrypted = models.BinaryField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    warn_below = models.PositiveBigIntegerField(null=True)
    warned_at = models.DateTimeField(null=True, help_text="When the admins were mailed that the balance is low.")
    requested_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=300, blank=True)
    remaining = models.BigIntegerField(null=True)
    since = models.DateTimeField(null=True)
    summed_at = models.DateTimeField(null=True)
    charged = models.BigIntegerField(null=True)
    charged_videos = models.PositiveIntegerField(null=True)
    counted = models.BigIntegerField(null=True, help_text="Our sum for the same time.")
    counted_videos = models.PositiveIntegerField(null=True)
    sums_problem = models.CharField(max_length=300, blank=True)

    objects = ProviderAccountQuerySet.as_manager()

    class Meta:
        verbose_name = "platform token"

    def __str__(self) -> str:
        return f"Platform token (…{self.last_four})" if self.last_four else "Platform token"

    @property
    def secret(self) -> str:
        try:
            return decrypt(self.encrypted)
        except Undecryptable:
            raise AccountUnreadable(
                "The encryption keys do not open the platform token. Put the key it was stored with back into "
                "LUMAWEB_ENCRYPTION_KEYS, or replace the platform token."
            ) from None

    def reencrypt(self) -> None:
        """Encrypt the secret with the newest key; raise AccountUnreadable."""
        ProviderAccount.objects.filter(pk=self.pk).update(encrypted=encrypt(self.secret))

    def record_reading(self, reading: Reading) -> None:
        """Record a reading, unless the token has been replaced or removed meanwhile."""
        now = timezone.now()
        facts: dict[str, object] = {
            "remaining": reading.remaining,
            "read_at": now,
            "failing_since": None,
            "failure": "",
        }
        facts |= {"requested_at": None, "sums_problem": redact(reading.problem)[:300]}
        if reading.since is not None and not reading.problem:
            videos, amount = our_charges(self.base_url, reading.since)
            facts |= {"since": reading.since, "summed_at": now, "counted": amount, "counted_videos": videos}
            facts |= {"charged": reading.charged, "charged_videos": reading.charged_videos}
        self._same().update(**facts)
        # A balance that was topped up may warn again later.
        self._same().filter(remaining__gte=F("warn_below")).update(warned_at=None)

    def record_failure(self, words: str) -> None:
        """Record why a reading failed; the last values stay."""
        failing = self._same()
        failing.filter(failing_since=None).update(failing_since=timezone.now())
        failing.update(failure=redact(words)[:300], requested_at=None)

    def _same(self) -> ProviderAccountQuerySet:
        return ProviderAccount.objects.filter(pk=self.pk, encrypted=self.encrypted)

    def needs_warning(self) -> bool:
        """Whether the balance is low and no mail about it was sent."""
        return self._low().exists()

    def _low(self) -> ProviderAccountQuerySet:
        return self._same().filter(warned_at=None, remaining__lt=F("warn_below"))

    def begin_warning(self) -> bool:
        """Claim the one mail about a low balance; return False if it was sent or the balance is not low."""
        return bool(self._low().update(warned_at=timezone.now()))

    def cancel_warning(self) -> None:
        """Forget that the mail was sent, as nobody received it."""
        self._same().update(warned_at=None)

    @property
    def is_low(self) -> bool:
        return self.remaining is not None and self.warn_below is not None and self.remaining < self.warn_below

    @property
    def is_outdated(self) -> bool:
        """Whether readings have failed for so long that the values may mislead."""
        return self.failing_since is not None and timezone.now() - (self.read_at or self.failing_since) > OUTDATED_AFTER

    @property
    def days_left(self) -> float | None:
        """How many days the balance lasts at the pace of the summed time; None if nothing was charged in it."""
        if self.remaining is None or not self.charged or self.charged < 0 or not (self.since and self.summed_at):
            return None
        days = max(1.0, (self.summed_at - self.since) / timedelta(days=1))
        return max(0, self.remaining) / (self.charged / days)

    @property
    def whole_days_left(self) -> int | None:
        return None if self.days_left is None else round(self.days_left)

    @property
    def difference(self) -> int | None:
        """The provider's sum minus ours; None while one of them is unknown."""
        return None if self.charged is None or self.counted is None else self.charged - self.counted


def tokens_of(base_url: str, tokens: Iterable[ApiToken]) -> list[ApiToken]:
    """Return the API tokens whose videos are charged to an account at this platform."""
    return [token for token in tokens if provider.platform_url(token.base_url) == base_url]


def our_charges(base_url: str, since: datetime) -> tuple[int, int]:
    """Count the completed videos sent to this platform's provider since a time, and sum their amounts."""
    tokens = tokens_of(base_url, ApiToken.objects.all())
    # `changed_at` is never before `submitted_at` and has an index.
    rows = Generation.objects.filter(token__in=tokens, state=State.COMPLETED, submitted_at__gte=since)
    sums = rows.filter(changed_at__gte=since).order_by().aggregate(videos=Count("pk"), amount=Sum("amount"))
    return sums["videos"], sums["amount"] or 0
