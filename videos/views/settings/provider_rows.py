"""The rows of the provider page: each API token's health in words, its figures, and what to do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Q
from django.utils import timezone

from ...forms.provider import SecretForm, TokenSettingsForm
from ...models import ApiToken, AuditEntry, Health, Pricing
from ...models.amounts import shown
from ...models.circuit import clock_time
from ...reports import usage
from ...reports.periods import DateRange

Level = Literal["ok", "warning", "error", "off"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong with a token, and what to do."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token on the page."""

    token: ApiToken
    level: Level
    health: str
    stop: AuditEntry | None  # since when it is paused or disabled, and by whom
    advice: Advice | None
    today: str
    limit_today: str
    month: str
    month_videos: int
    is_current: bool
    can_be_removed: bool
    form: TokenSettingsForm
    secret_form: SecretForm
    opens_settings: bool
    opens_secret: bool


def token_rows(form: TokenSettingsForm | None = None, secret: tuple[int, SecretForm] | None = None) -> list[TokenRow]:
    """List all tokens; form: a rejected change of one; secret: a token's key with its rejected new secret."""
    now, pricing, current = timezone.now(), Pricing.current(), ApiToken.objects.current_provider()
    today = timezone.localdate(now)
    sums = usage.usage_by_token(DateRange(today.replace(day=1), today))
    stops = ApiToken.objects.filter(Q(enabled=False) | Q(health__in=[Health.USED_UP, Health.INVALID])).stops()
    rows = []
    for token in ApiToken.objects.order_by("-enabled", "priority", "pk"):
        level, health = _health(token, now)
        month = sums.get(token.pk)
        changes = form if form and form.instance.pk == token.pk else None
        rejected = secret[1] if secret and secret[0] == token.pk else None
        rows.append(
            TokenRow(
                token=token,
                level=level,
                health=health,
                stop=stops.get(token.pk),
                advice=_advice(token, now),
                today=shown(token.used_today(today)),
                limit_today="" if token.daily_limit is None else shown(token.daily_limit),
                month=pricing.amount(month.amount) if month else pricing.amount(0),
                month_videos=month.requested if month else 0,
                is_current=token.base_url == current,
                can_be_removed=not token.enabled and not token.generations.exists(),
                form=changes or TokenSettingsForm(instance=token, prefix=f"t{token.pk}"),
                secret_form=rejected or SecretForm(auto_id=f"t{token.pk}_%s"),
                opens_settings=changes is not None,
                opens_secret=rejected is not None,
            )
        )
    return rows


def _health(token: ApiToken, now: datetime) -> tuple[Level, str]:
    if not token.is_readable or (token.enabled and token.is_unhealthy):
        return "error", token.condition
    if not token.enabled:
        return "off", token.condition
    if token.is_backing_off(now) or token.awaits_look_up(now) or token.is_suspect:
        return "warning", "Refused without a reason" if token.is_suspect else token.condition
    return "ok", "Working"


def _advice(token: ApiToken, now: datetime) -> Advice | None:
    """Say what to do about a token's condition; None if there is nothing to do."""
    if not token.is_readable:
        return Advice(
            "The encryption keys do not open this token.",
            "Put the key it was stored with back into LUMAWEB_ENCRYPTION_KEYS, or enter the token again.",
        )
    if token.health == Health.USED_UP:
        return Advice(
            "The balance behind this token is used up.",
            "Top it up in the provider’s console, then test it here. Queued videos continue automatically.",
        )
    if token.health == Health.INVALID:
        return Advice("The provider does not accept this token.", "Enter a new secret, or test it again.")
    if token.enabled and token.is_suspect:
        return Advice(
            "The provider refused several videos in a row without a known reason.",
            "Read its message on one of these videos. The token is tried again automatically.",
        )
    if token.enabled and token.is_backing_off(now) and token.limited_until:
        return Advice(
            f"Nothing new is sent until {clock_time(token.limited_until, now)}.",
            "The provider was busy, not reachable or gave no clear answer. Sending resumes automatically.",
        )
    if token.enabled and token.awaits_look_up(now):
        return Advice("Lumaweb is checking whether the provider answers again.", "Sending resumes automatically.")
    return None
