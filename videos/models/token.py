from datetime import date, datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
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
from .state import COUNTS_FOR_THE_DAY, HOLDS_A_SLOT, State
from .token_pool import Pool


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


# For how long frames are not uploaded to a provider that refused one; then the next frame tries it again.
UPLOADS_REFUSED_FOR = timedelta(hours=1)
CLOSED = "token_unreadable"  # as the policy's table calls it
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class TokenUnreadable(Exception):
    """The encryption keys of this installation do not open this token."""


def used_on(day: date) -> Case:
    """What of a token's daily limit is used on this day; the count of another day is no longer of interest."""
    return Case(When(day=day, then=F("day_used")), default=Value(0), output_field=models.BigIntegerField())


def last_four_of(secret: str) -> str:
    """What of a secret may be shown, so that an admin can tell two apart; "" of one too short to lose four."""
    return secret[-4:] if len(secret) >= 12 else ""


class ApiTokenQuerySet(models.QuerySet):
    def pool(self, now=None) -> Pool:
        return Pool(list(self), now or timezone.now())

    def usable(self, now=None) -> "ApiTokenQuerySet":
        """Enabled and healthy, or with a pause that is over and no look-up to come first: best first."""
        now = now or timezone.now()
        healthy = Q(health=Health.OK) | (has_recovered(now) & ~Q(probe=Probe.LOOK_UP))
        return self.filter(healthy, enabled=True).order_by("priority", "in_flight", "pk")

    def with_room(self, now=None, amount: int = 1) -> "ApiTokenQuerySet":
        """Usable, with a slot and a POST free and this much (thousandths of a credit) left of the day's limit."""
        now = now or timezone.now()
        spare = Q(daily_limit=None) | Q(daily_limit__gte=used_on(timezone.localdate(now)) + amount)
        slot = Q(sending__lt=at_once(now)) | has_stalled(now)
        return (
            self.usable(now)
            .filter(spare, slot, in_flight__lt=F("max_in_flight"))
            .filter(in_flight__lt=Coalesce(F("effective_limit"), F("max_in_flight")))
        )

    def awaiting_look_up(self, now=None) -> "ApiTokenQuerySet":
        """Paused for doubtful answers until just now: a free look-up has to come before the next request."""
        return self.filter(has_recovered(now or timezone.now()), enabled=True, probe=Probe.LOOK_UP)

    def most_left(self, now=None) -> int | None:
        """The most that one with room has left of its day, in thousandths of a credit. None: no limit."""
        tokens, today = list(self.with_room(now)), timezone.localdate(now)
        if any(token.daily_limit is None for token in tokens):
            return None
        return max((token.daily_limit - token.used_today(today) for token in tokens), default=0)

    def of(self, base_url: str) -> "ApiTokenQuerySet":
        """Those of one provider; "": of all."""
        return self.filter(base_url=base_url) if base_url else self

    def in_charge(self) -> str:
        """The provider that new videos are asked of; while every token is paused, the one used last; "" without any."""
        latest = self.order_by("-enabled", F("last_used_at").desc(nulls_last=True), "priority", "pk")
        return latest.values_list("base_url", flat=True).first() or ""

    def recount(self) -> None:
        """Count the slots anew from the rows, where the rows are not those the counts were made with."""
        for token in self:
            token.in_flight = token.generations.filter(state__in=HOLDS_A_SLOT).count()
            token.sending = token.generations.filter(state=State.SUBMITTING).count()
            counted = token.generations.filter(state__in=COUNTS_FOR_THE_DAY, claimed_on=token.day)
            token.day_used = counted.aggregate(sum=Sum("amount"))["sum"] or 0
            token.save(update_fields=["in_flight", "sending", "day_used"])

    def recount_sending(self) -> None:
        """Correct the number of POSTs under way, which processes of an earlier version do not count."""
        counted = Count("generations", filter=Q(generations__state=State.SUBMITTING))
        for token in self.filter(sending__gt=0).annotate(submitting=counted):
            if token.sending != token.submitting:
                # Where a claim or an answer came in between, its own count is right, and the next sweep looks again.
                self.filter(pk=token.pk, sending=token.sending).update(sending=token.submitting)

    def pause_other_providers(self, base_url: str, by=None) -> int:
        """Pause the tokens of every other provider: new work goes to one at a time. Answers how many were paused."""
        because = f", since new videos go to {base_url}"
        return sum(token.set_enabled(False, by, because) for token in self.exclude(base_url=base_url))

    def unreadable(self) -> "list[ApiToken]":
        """Those that the encryption keys of this installation do not open."""
        return [token for token in self if not token.is_readable]

    def reencrypt(self) -> int:
        """Encrypt every secret with the newest key, all or none; raise TokenUnreadable. Answers how many there are."""
        with transaction.atomic():
            tokens = list(self.select_for_update().order_by("pk"))
            for token in tokens:
                # A fresh start of each, so that nothing of the old key's time is kept.
                self.filter(pk=token.pk).update(encrypted=_fernet().encrypt(token.secret.encode()))
        return len(tokens)

    def reenable_readable(self) -> int:
        """Use again what was taken out for want of its key, where the key is back. Answers how many there were."""
        out = self.filter(health=Health.INVALID, last_error__contains=f"({CLOSED}:")
        return sum(token.reenable() for token in out if token.is_readable)

    def take_over(self, base_url: str, secret: str, name: str, **settings: int) -> tuple["ApiToken", bool]:
        """Make this secret the first token of its provider, and say whether it is new to the pool.

        `settings` are those of a new one. Where one is in use already, they are an admin's matter, and that one stays
        the first. A row of this name that no key opens is given the secret anew, where it may have been this one.
        """
        with transaction.atomic():
            if connection.vendor == "postgresql":
                # Several machines start at once. Transactions of SQLite that write come one after the other.
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
            token = ApiToken(base_url=base_url, name=name, **settings)
            token.secret = secret
            token.save()
            token.note(None, f"added for {base_url}")
            return token, True


class ApiToken(Circuit):
    """A bearer token of one provider. Its secret is stored encrypted and is never shown again."""

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
        help_text="How many videos may be in the making with this token at the same time. The provider's own limit "
        "is 5 unless your account has another; it is found out where this number is higher.",
    )
    daily_limit = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="How much may be sent with it in a day; empty: no limit."
    )
    day = models.DateField(null=True, editable=False)
    day_used = models.BigIntegerField(default=0, editable=False)
    enabled = models.BooleanField(default=True, help_text="Off: nothing new is sent with it.")
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
        """Its health in words."""
        if not self.is_readable:
            return "Not opened by the encryption keys"
        if not self.enabled:
            return "Paused" if not self.is_unhealthy else f"Paused; {self.get_health_display().lower()}"
        now = timezone.now()
        if self.is_backing_off(now) and self.limited_until:
            return f"Backs off until {clock_time(self.limited_until, now)}"
        if self.awaits_look_up(now):
            return "Checking whether the provider answers"
        # A pause that is over ends with the next video it is used for.
        return Health.OK.label if self.health == Health.LIMITED else self.get_health_display()

    @property
    def secret(self) -> str:
        try:
            return _fernet().decrypt(bytes(self.encrypted)).decode()
        except InvalidToken:
            raise TokenUnreadable(
                f"The encryption keys do not open the token “{self.name}”. Put the key it was stored with back into "
                "LUMAWEB_ENCRYPTION_KEYS, or enter the token again in the admin."
            ) from None

    @secret.setter
    def secret(self, value: str) -> None:
        self.encrypted = _fernet().encrypt(value.encode())
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
        """Where this token's provider reaches us, without a trailing slash; "" when it cannot.

        What the admin set counts for every provider. Where nothing is set, a provider on this very machine can use
        our own address, and no other can.
        """
        if settings.PUBLIC_URL is not None:
            return settings.PUBLIC_URL
        return settings.LOCAL_URL if self.is_local else ""

    @property
    def is_local(self) -> bool:
        """Whether this token's provider runs on this machine."""
        return origin_of(self.base_url)[1] in LOOPBACK_HOSTS

    def takes_uploads(self, now: datetime | None = None) -> bool:
        """Whether an uploaded frame is worth a try: its provider has not refused one lately."""
        refused_at = self.uploads_refused_at
        return refused_at is None or refused_at + UPLOADS_REFUSED_FOR < (now or timezone.now())

    def takes_frames(self, now: datetime | None = None) -> bool:
        """Whether a frame of ours can be given to its provider, by our public address or by an upload."""
        return bool(self.public_url) or self.takes_uploads(now)

    def refuse_uploads(self, words: str) -> None:
        """Remember for a while that its provider takes no uploaded frames."""
        self.uploads_refused_at, self.uploads_refusal = timezone.now(), redact(words)[:300]
        self.save(update_fields=["uploads_refused_at", "uploads_refusal"])

    def accept_uploads(self) -> None:
        """Forget a refusal: an upload has worked."""
        refused = ApiToken.objects.filter(pk=self.pk, uploads_refused_at__isnull=False)
        refused.update(uploads_refused_at=None, uploads_refusal="")

    def used_today(self, today: date | None = None) -> int:
        """What counts for the day's limit, in thousandths of a credit."""
        return self.day_used if self.day == (today or timezone.localdate()) else 0

    def take_slot(self, now=None, amount: int = 1) -> bool:
        """Count one more video in the making, unless a limit is reached. One UPDATE decides."""
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
    def move(pk: int | None, claimed_on: date | None, amount: int, before: str, after: str) -> None:
        """Follow a generation from one state to another, whatever the limits say: the work is there, or gone."""
        slots = (after in HOLDS_A_SLOT) - (before in HOLDS_A_SLOT)
        posts = (after == State.SUBMITTING) - (before == State.SUBMITTING)
        used = ((after in COUNTS_FOR_THE_DAY) - (before in COUNTS_FOR_THE_DAY)) * amount
        if pk and (slots or posts or used):
            # Never below none: a count that had drifted must not keep a video from being recorded.
            counts: dict = {
                "in_flight": Greatest(F("in_flight") + slots, 0),
                "sending": Greatest(F("sending") + posts, 0),
            }
            if used:
                counts["day_used"] = F("day_used") + Case(When(day=claimed_on, then=Value(used)), default=Value(0))
            ApiToken.objects.filter(pk=pk).update(**counts)

    def note(self, by, what: str) -> None:
        """Write into the audit trail what was done with it. Its name is part of the words, which outlive the row."""
        end = "" if what.endswith((".", ")")) else "."
        AuditEntry.objects.record(by, redact(f"API token “{self.name}”: {what}{end}"), token=self)

    def disable(self, health: Health, because: str) -> None:
        """Send nothing new with it until an admin mends it."""
        because = redact(because)[:300]
        with transaction.atomic():
            # What a provider says of an earlier secret is not said of the one that has taken its place.
            known = ApiToken.objects.filter(pk=self.pk, encrypted=self.encrypted)
            news = known.exclude(health=health).update(health=health, limited_until=None, last_error=because)
            if news:
                self.note(None, f"taken out. {because}")
            else:
                known.update(last_error=because)

    def reenable(self, by=None) -> bool:
        """Use it again after it was taken out; False where it was not."""
        with transaction.atomic():
            out = ApiToken.objects.filter(pk=self.pk, health__in=[Health.USED_UP, Health.INVALID])
            mended = bool(out.update(health=Health.OK, limited_until=None, last_error=""))
            if mended:
                self.note(by, "mended, it is used again")
        return mended

    def end_back_off(self, by) -> bool:
        """Use it again before its rest is over; False where it has none."""
        with transaction.atomic():
            resting = ApiToken.objects.filter(pk=self.pk, health=Health.LIMITED)
            ended = bool(resting.update(**AS_NEW))
            if ended:
                self.note(by, "its rest was ended")
        return ended

    def rotate(self, secret: str, by) -> None:
        """A new secret in the same row: what was made with the old one stays this token's; the old one is gone."""
        self.secret = secret
        for name, value in AS_NEW.items():
            setattr(self, name, value)
        self.uploads_refused_at, self.uploads_refusal = None, ""
        with transaction.atomic():
            self.save(update_fields=["encrypted", "last_four", *AS_NEW, "uploads_refused_at", "uploads_refusal"])
            self.note(by, "a new secret" + (f", which ends with {self.last_four}" if self.last_four else ""))

    def set_enabled(self, enabled: bool, by=None, because: str = "") -> bool:
        """Send new work with it, or nothing new; False where it is so already."""
        with transaction.atomic():
            changed = ApiToken.objects.filter(pk=self.pk).exclude(enabled=enabled).update(enabled=enabled)
            if changed:
                self.note(by, f"{'resumed' if enabled else 'paused'}{because}")
        return bool(changed)
