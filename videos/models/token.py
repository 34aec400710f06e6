from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ..download import origin_of


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


class Health(models.TextChoices):
    OK = "ok", "OK"
    LIMITED = "limited", "Limited for now"
    USED_UP = "used_up", "Used up"
    INVALID = "invalid", "Not valid"


class TokenUnreadable(Exception):
    """The encryption keys of this installation do not open this token."""


class ApiTokenQuerySet(models.QuerySet):
    def usable(self, now=None) -> "ApiTokenQuerySet":
        """Enabled and healthy, or rested long enough: best first."""
        now = now or timezone.now()
        healthy = Q(health=Health.OK) | Q(health=Health.LIMITED, limited_until__lte=now)
        return self.filter(healthy, enabled=True).order_by("priority", "in_flight", "pk")

    def with_room(self, now=None) -> "ApiTokenQuerySet":
        return self.usable(now).filter(in_flight__lt=F("max_in_flight"))

    def recount(self) -> None:
        """Count the slots anew from the rows, where the rows are not those the counts were made with."""
        from .generation import HOLDS_A_SLOT

        for token in self:
            token.in_flight = token.generations.filter(state__in=HOLDS_A_SLOT).count()
            token.save(update_fields=["in_flight"])

    def take_over(self, base_url: str, secret: str, name: str, **extra) -> "ApiToken":
        """Make sure this secret is a token of the pool; the row that has it already is left as it is."""
        with transaction.atomic():
            for token in self.filter(base_url=base_url):
                if token.opens_with(secret):
                    return token
            token = ApiToken(base_url=base_url, name=name, **extra)
            token.secret = secret
            token.save()
            return token


class ApiToken(models.Model):
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
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many videos may be in the making with this token at the same time.",
    )
    in_flight = models.PositiveIntegerField(default=0, editable=False)
    enabled = models.BooleanField(default=True, help_text="Off: nothing new is sent with it.")
    health = models.CharField(max_length=10, choices=Health, default=Health.OK, editable=False)
    limited_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["priority", "pk"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})" if self.last_four else self.name

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
        self.last_four = value[-4:] if len(value) >= 12 else ""

    def opens_with(self, secret: str) -> bool:
        try:
            return self.secret == secret
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
        on_this_machine = origin_of(self.base_url)[1] in ("127.0.0.1", "localhost", "::1")
        return settings.LOCAL_URL if on_this_machine else ""

    def take_slot(self) -> bool:
        """Count one more video in the making, unless the limit is reached. One UPDATE decides."""
        return bool(
            ApiToken.objects.with_room()
            .filter(pk=self.pk)
            .update(in_flight=F("in_flight") + 1, last_used_at=timezone.now())
        )

    @staticmethod
    def move_slots(pk: int | None, by: int) -> None:
        """Give back (-1) or count in (+1) a slot whatever the limit says: the work is there, or gone."""
        if pk and by:
            ApiToken.objects.filter(pk=pk).update(in_flight=F("in_flight") + by)

    def rest(self, seconds: float, because: str) -> None:
        """Send nothing new with it for a while; a longer rest that is already on stays."""
        until = timezone.now() + timedelta(seconds=seconds)
        earlier = Q(limited_until__isnull=True) | Q(limited_until__lt=until)
        ApiToken.objects.filter(earlier, pk=self.pk, health__in=[Health.OK, Health.LIMITED]).update(
            health=Health.LIMITED, limited_until=until, last_error=because[:300]
        )

    def take_out(self, health: Health, because: str) -> None:
        """Send nothing new with it until an admin mends it."""
        ApiToken.objects.filter(pk=self.pk).update(health=health, limited_until=None, last_error=because[:300])

    def worked(self) -> None:
        """The provider accepted work: whatever rest there was is over."""
        ApiToken.objects.filter(pk=self.pk, health=Health.LIMITED, limited_until__lte=timezone.now()).update(
            health=Health.OK, limited_until=None, last_error=""
        )
