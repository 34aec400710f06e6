from datetime import date, datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models, transaction
from django.db.models import Case, Count, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from lumaweb.logs import redact

from ..media.download import origin_of
from .audit import AuditEntry
from .circuit import AS_NEW, Circuit, Health, Probe, at_once, clock_time, has_recovered, has_stalled
from .encryption import Undecryptable, decrypt, encrypt
from .member import Member
from .state import COUNTS_FOR_THE_DAY, HOLDS_A_SLOT, State

# How long no frames are uploaded to a provider that refused one; then the next frame is tried again.
UPLOADS_REFUSED_FOR = timedelta(hours=1)
UNREADABLE = "token_unreadable"  # its code in the policy's table
# How the audit log begins to tell that nothing new is sent with a token.
PAUSED, DISABLED = "paused", "disabled"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class TokenUnreadable(Exception):
    """No encryption key of this installation opens this token."""


def used_on(day: date) -> Case:
    """Return the amount used on this day; the stored count of another day is outdated."""
    return Case(When(day=day, then=F("day_used")), default=Value(0), output_field=models.BigIntegerField())


def last_four_of(secret: str) -> str:
    """Return the end of a secret, by which admins tell tokens apart; "" for a secret too short to reveal it."""
    return secret[-4:] if len(secret) >= 12 else ""


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, now: datetime | None = None) -> Self:
        """Select enabled tokens that are healthy, or whose pause is over without awaiting a look-up; best first."""
        now = now or timezone.now()
        healthy = Q(health=Health.OK) | (has_recovered(now) & ~Q(probe=Probe.LOOK_UP))
        return self.filter(healthy, enabled=True).order_by("priority", "in_flight", "pk")

    def with_room(self, now: datetime | None = None, amount: int = 1) -> Self:
        """Select usable tokens with a free slot and POST, and `amount` (thousandths of a credit) left today."""
        now = now or timezone.now()
        spare = Q(daily_limit=None) | Q(daily_limit__gte=used_on(timezone.localdate(now)) + amount)
        slot = Q(sending__lt=at_once(now)) | has_stalled(now)
        return (
            self.usable(now)
            .filter(spare, slot, in_flight__lt=F("max_in_flight"))
            .filter(in_flight__lt=Coalesce(F("effective_limit"), F("max_in_flight")))
        )

    def awaiting_look_up(self, now: datetime | None = None) -> Self:
        """Select tokens whose pause for ambiguous answers is over: a look-up must precede the next request."""
        return self.filter(has_recovered(now or timezone.now()), enabled=True, probe=Probe.LOOK_UP)

    def most_left(self, now: datetime | None = None) -> int | None:
        """Return the largest amount left today of a token with room, in thousandths of a credit; None: no limit."""
        tokens, today = list(self.with_room(now)), timezone.localdate(now)
        limits = [(token.daily_limit, token.used_today(today)) for token in tokens]
        if any(limit is None for limit, _ in limits):
            return None
        return max((limit - used for limit, used in limits if limit is not None), default=0)

    def of_provider(self, base_url: str) -> Self:
        """Select the tokens of one provider, or all for ""."""
        return self.filter(base_url=base_url) if base_url else self

    def current_first(self) -> Self:
        """Order by use: the first is of the provider of new videos; if every token is paused, the one used last."""
        return self.order_by("-enabled", F("last_used_at").desc(nulls_last=True), "priority", "pk")

    def current_provider(self) -> str:
        """Return the provider of new videos; "" without tokens."""
        return self.current_first().values_list("base_url", flat=True).first() or ""

    def simulate(self) -> bool:
        """Return whether new videos would be simulated."""
        return bool(self.current_first().values_list("simulated", flat=True).first())

    def recount(self) -> None:
        """Recount slots and amounts from the rows, after rows were restored or moved."""
        for token in self:
            token.in_flight = token.generations.filter(state__in=HOLDS_A_SLOT).count()
            token.sending = token.generations.filter(state=State.SUBMITTING).count()
            counted = token.generations.filter(state__in=COUNTS_FOR_THE_DAY, claimed_on=token.day)
            token.day_used = counted.aggregate(sum=Sum("amount"))["sum"] or 0
            token.save(update_fields=["in_flight", "sending", "day_used"])

    def recount_sending(self) -> None:
        """Correct the number of open POSTs, which processes of an earlier version do not count."""
        counted = Count("generations", filter=Q(generations__state=State.SUBMITTING))
        counts = self.filter(sending__gt=0).annotate(submitting=counted).values_list("pk", "sending", "submitting")
        for pk, sending, submitting in counts:
            if sending != submitting:
                # A claim or an answer in between has counted correctly; the next sweep checks again.
                self.filter(pk=pk, sending=sending).update(sending=submitting)

    def pause_other_providers(self, base_url: str, by: Member | None = None) -> int:
        """Pause the tokens of every other provider, as new videos go to one provider; return their number."""
        reason = f", since new videos go to {base_url}"
        return sum(token.set_enabled(False, by, reason) for token in self.exclude(base_url=base_url))

    def stops(self) -> dict[int, AuditEntry]:
        """Return the latest audit entry by which each token, by primary key, was paused or disabled."""
        stopped = Q(text__contains=f"”: {PAUSED}") | Q(text__contains=f"”: {DISABLED}")
        entries = AuditEntry.objects.filter(stopped, token__in=self.order_by()).select_related("by").order_by("pk")
        return {entry.token_id: entry for entry in entries if entry.token_id}

    def unreadable(self) -> "list[ApiToken]":
        """List the tokens that no encryption key of this installation opens."""
        return [token for token in self if not token.is_readable]

    def reencrypt(self) -> int:
        """Encrypt every secret with the newest key, all or none, and return their number. Raises TokenUnreadable."""
        with transaction.atomic():
            tokens = list(self.select_for_update().order_by("pk"))
            for token in tokens:
                # Encrypt the decrypted secret, as MultiFernet.rotate would keep the old timestamp.
                self.filter(pk=token.pk).update(encrypted=encrypt(token.secret))
        return len(tokens)

    def reenable_readable(self) -> int:
        """Reenable tokens that were disabled for a missing encryption key, if the key is back; return their number."""
        out = self.filter(health=Health.INVALID, last_error__contains=f"({UNREADABLE}:")
        return sum(token.reenable() for token in out if token.is_readable)

    def ensure(self, base_url: str, secret: str, name: str, **settings: int) -> tuple["ApiToken", bool]:
        """Return the provider's token for this secret, and whether it was created now, with these `settings`.

        If the provider already has another readable token, return that one: admins manage its tokens. A token with
        this name that no encryption key opens gets the secret again if its last four characters match.
        """
        with transaction.atomic():
            if connection.vendor == "postgresql":
                # Several machines may start at once. SQLite serializes writing transactions anyway.
                with connection.cursor() as cursor:
                    cursor.execute(f"LOCK TABLE {self.model._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
            there = list(self.filter(base_url=base_url))
            for token in there:
                if token.opens_with(secret):
                    return token, False
            for token in there:
                if token.name == name and token.last_four == last_four_of(secret) and not token.is_readable:
                    token.rotate(secret, None)
                    return token, False
            if in_use := [token for token in there if token.is_readable]:
                return in_use[0], False
            added = ApiToken(base_url=base_url, name=name, **settings)
            added.secret = secret
            added.save()
            added.note(None, f"added for {base_url}")
            return added, True


class ApiToken(Circuit):
    """A bearer token for one provider. Its secret is stored encrypted and never shown again."""

    name = models.CharField(max_length=80, help_text="What you call it, for example the account it belongs to.")
    base_url = models.CharField(
        "provider", max_length=300, help_text="The address of the API this token is for. It never changes."
    )
    encrypted = models.BinaryField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    priority = models.PositiveSmallIntegerField(default=10, help_text="The lowest number is used first.")
    max_in_flight = models.PositiveIntegerField(
        "at the same time",
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many videos this token may have in progress at the same time. The provider's own limit is 5 "
        "unless your account has another; if this number is higher, Lumaweb finds the provider's limit.",
    )
    daily_limit = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="How much may be sent with it in a day; empty: no limit."
    )
    day = models.DateField(null=True, editable=False)
    day_used = models.BigIntegerField(default=0, editable=False)
    enabled = models.BooleanField(default=True, help_text="Off: nothing new is sent with it.")
    # Set by `mark_as_simulated`, which also corrects the sums. What is sent, and when, never depends on it.
    simulated = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether `serve` started its provider, which simulates videos at no cost.",
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    uploads_refused_at = models.DateTimeField(null=True, blank=True, editable=False)
    uploads_refusal = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["priority", "pk"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})" if self.last_four else self.name

    def is_usable(self, now: datetime) -> bool:
        """Whether `usable` would choose it."""
        return self.enabled and not (self.is_unhealthy or self.is_backing_off(now) or self.awaits_look_up(now))

    @property
    def is_unhealthy(self) -> bool:
        return self.health in (Health.USED_UP, Health.INVALID)

    @property
    def condition(self) -> str:
        """Its health in words, for the admin pages."""
        if not self.is_readable:
            return "Not opened by the encryption keys"
        if not self.enabled:
            return "Paused" if not self.is_unhealthy else f"Paused; {self.get_health_display().lower()}"
        now = timezone.now()
        if self.is_backing_off(now) and self.limited_until:
            return f"Backs off until {clock_time(self.limited_until, now)}"
        if self.awaits_look_up(now):
            return "Checking whether the provider answers"
        # The next video it sends ends a pause that is over.
        return Health.OK.label if self.health == Health.LIMITED else self.get_health_display()

    @property
    def secret(self) -> str:
        try:
            return decrypt(self.encrypted)
        except Undecryptable:
            raise TokenUnreadable(
                f"The encryption keys do not open the token “{self.name}”. Put the key it was stored with back into "
                "LUMAWEB_ENCRYPTION_KEYS, or enter the token again under Provider."
            ) from None

    @secret.setter
    def secret(self, value: str) -> None:
        self.encrypted = encrypt(value)
        self.last_four = last_four_of(value)

    def opens_with(self, secret: str) -> bool:
        try:
            return self.secret == secret
        except TokenUnreadable:
            return False

    @property
    def is_readable(self) -> bool:
        try:
            return bool(self.secret)
        except TokenUnreadable:
            return False

    @property
    def public_url(self) -> str:
        """The URL at which this token's provider reaches Lumaweb, without a trailing slash; "" if it cannot.

        LUMAWEB_PUBLIC_URL applies to every provider. Without it, only a provider on this machine can reach us.
        """
        if settings.PUBLIC_URL is not None:
            return settings.PUBLIC_URL
        return settings.LOCAL_URL if self.is_local else ""

    @property
    def is_local(self) -> bool:
        """Whether its provider runs on this machine."""
        return origin_of(self.base_url)[1] in LOOPBACK_HOSTS

    def takes_uploads(self, now: datetime | None = None) -> bool:
        """Whether to try an upload: its provider has not refused one within the last hour."""
        refused_at = self.uploads_refused_at
        return refused_at is None or refused_at + UPLOADS_REFUSED_FOR < (now or timezone.now())

    def takes_frames(self, now: datetime | None = None) -> bool:
        """Whether its provider can get our frames, from our public URL or by an upload."""
        return bool(self.public_url) or self.takes_uploads(now)

    def refuse_uploads(self, words: str) -> None:
        """Remember for an hour that its provider accepts no uploaded frames."""
        self.uploads_refused_at, self.uploads_refusal = timezone.now(), redact(words)[:300]
        self.save(update_fields=["uploads_refused_at", "uploads_refusal"])

    def accept_uploads(self) -> None:
        """Forget a refusal, as an upload has succeeded."""
        refused = ApiToken.objects.filter(pk=self.pk, uploads_refused_at__isnull=False)
        refused.update(uploads_refused_at=None, uploads_refusal="")

    def used_today(self, today: date | None = None) -> int:
        """The amount that counts for today's limit, in thousandths of a credit."""
        return self.day_used if self.day == (today or timezone.localdate()) else 0

    def take_slot(self, now: datetime | None = None, amount: int = 1) -> bool:
        """Count one more video in progress unless a limit is reached; one conditional UPDATE decides."""
        now = now or timezone.now()
        today = timezone.localdate(now)
        return bool(
            ApiToken.objects.with_room(now, amount)
            .filter(pk=self.pk)
            .update(
                in_flight=F("in_flight") + 1,
                sending=F("sending") + 1,
                last_used_at=now,
                day_used=used_on(today) + amount,
                day=today,
            )
        )

    @staticmethod
    def follow(pk: int | None, claimed_on: date | None, amount: int, before: str, after: str) -> None:
        """Count a generation's change from one state to another, despite limits: the work is there, or gone."""
        slots = (after in HOLDS_A_SLOT) - (before in HOLDS_A_SLOT)
        posts = (after == State.SUBMITTING) - (before == State.SUBMITTING)
        used = ((after in COUNTS_FOR_THE_DAY) - (before in COUNTS_FOR_THE_DAY)) * amount
        if pk and (slots or posts or used):
            # Never below zero: a wrong count must not prevent recording a video.
            counts: dict[str, Any] = {
                "in_flight": Greatest(F("in_flight") + slots, 0),
                "sending": Greatest(F("sending") + posts, 0),
            }
            if used:
                counts["day_used"] = F("day_used") + Case(When(day=claimed_on, then=Value(used)), default=Value(0))
            ApiToken.objects.filter(pk=pk).update(**counts)

    def note(self, by: Member | None, what: str) -> None:
        """Record in the audit log what happened to it. The entry names the token, as it outlives the row."""
        end = "" if what.endswith((".", ")")) else "."
        AuditEntry.objects.record(by, redact(f"API token “{self.name}”: {what}{end}"), token=self)

    def disable(self, health: Health, reason: str) -> None:
        """Send nothing new with it until an admin enables it again."""
        reason = redact(reason)[:300]
        with transaction.atomic():
            # The provider's answer is about the secret that was sent, which an admin may have replaced since.
            same = ApiToken.objects.filter(pk=self.pk, encrypted=self.encrypted)
            changed = same.exclude(health=health).update(health=health, limited_until=None, last_error=reason)
            if changed:
                self.note(None, f"{DISABLED}. {reason}")
            else:
                same.update(last_error=reason)

    def reenable(self, by: Member | None = None) -> bool:
        """Use a disabled token again; return False if it was not disabled."""
        with transaction.atomic():
            out = ApiToken.objects.filter(pk=self.pk, health__in=[Health.USED_UP, Health.INVALID])
            reenabled = bool(out.update(health=Health.OK, limited_until=None, last_error=""))
            if reenabled:
                self.note(by, "re-enabled")
        return reenabled

    def end_back_off(self, by: Member | None) -> bool:
        """End its pause early; return False if it is not paused."""
        with transaction.atomic():
            paused = ApiToken.objects.filter(pk=self.pk, health=Health.LIMITED)
            ended = bool(paused.update(**AS_NEW))
            if ended:
                self.note(by, "pause ended")
        return ended

    def rotate(self, secret: str, by: Member | None) -> None:
        """Replace its secret and forget the old one; videos made with the old one stay this token's."""
        self.secret = secret
        for name, value in AS_NEW.items():
            setattr(self, name, value)
        self.uploads_refused_at, self.uploads_refusal = None, ""
        with transaction.atomic():
            self.save(update_fields=["encrypted", "last_four", *AS_NEW, "uploads_refused_at", "uploads_refusal"])
            self.note(by, "secret replaced" + (f"; the new one ends with {self.last_four}" if self.last_four else ""))

    def set_enabled(self, enabled: bool, by: Member | None = None, reason: str = "") -> bool:
        """Pause or resume sending with it; return False if nothing changed."""
        with transaction.atomic():
            changed = ApiToken.objects.filter(pk=self.pk).exclude(enabled=enabled).update(enabled=enabled)
            if changed:
                self.note(by, f"{'resumed' if enabled else PAUSED}{reason}")
        return bool(changed)
