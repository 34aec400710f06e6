"""Read the balance and the provider's sums with the platform token: for admins only, nothing depends on it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from .. import provider
from ..mail import send_to_admins
from ..models import ProviderAccount
from ..models.amounts import CREDIT, in_credits, shown
from ..models.provider_account import PERIOD, AccountUnreadable, Reading
from .queue import enqueue_balance_mail

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_SECONDS = 10.0
# The ticker waits for it, and renews its lease before the next step.
BALANCE_SECONDS, CHARGES_SECONDS = 4.0, 6.0


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """The result of a platform token's test, and a sentence for the admin."""

    status: Literal["ok", "refused", "unknown"]
    message: str
    reading: Reading | None = None


def check_platform_token(base_url: str, secret: str) -> AccountCheck:
    """Read the balance with a token that is not stored yet; change nothing."""
    try:
        remaining = _call(base_url, secret, lambda account: account.balance(CHECK_SECONDS))
    except provider.ProviderError as error:
        status: Literal["refused", "unknown"] = "refused" if error.status in (401, 403) else "unknown"
        return AccountCheck(status, explain(error, base_url))
    return AccountCheck("ok", "The provider accepts it.", Reading(_thousandths(remaining)))


def read_account() -> None:
    """Read the account if that is due or requested; a failure keeps the last values and says why."""
    account = ProviderAccount.objects.begin_reading()
    if account is None:
        return
    try:
        reading = _read(account, timezone.now() - PERIOD)
    except AccountUnreadable as error:
        account.record_failure(str(error))
    except provider.ProviderError as error:
        logger.warning("the balance could not be read: %s", error)
        account.record_failure(explain(error, account.base_url))
    else:
        account.record_reading(reading)
        if settings.CAN_MAIL and account.needs_warning():
            enqueue_balance_mail()


def mail_low_balance() -> None:
    """Mail the admins once that the balance is low; if nobody receives it, the next reading tries again."""
    account = ProviderAccount.objects.current()
    if account is None or account.remaining is None or not account.begin_warning():
        return
    context = {
        "remaining": in_credits(account.remaining),
        "warn_below": shown(account.warn_below or 0),
        "days": account.whole_days_left,
        "platform": account.base_url,
    }
    if not send_to_admins("balance_low", context):
        account.cancel_warning()


def _read(account: ProviderAccount, since: datetime) -> Reading:
    secret = account.secret

    async def read(client: provider.AccountClient) -> Reading:
        remaining = _thousandths(await client.balance(BALANCE_SECONDS))
        try:
            charges = await client.charges(since, CHARGES_SECONDS)
        except provider.ProviderError as error:
            # The balance is what matters: it is kept without the comparison.
            logger.warning("the provider's charges could not be read: %s", error)
            return Reading(remaining, problem=explain(error, account.base_url))
        return Reading(remaining, charges.since, _thousandths(charges.amount), charges.videos)

    return _call(account.base_url, secret, read)


def _call(base_url: str, secret: str, call: Callable[[provider.AccountClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with provider.new_client() as client:
            return await call(provider.AccountClient(base_url, secret, client=client))

    return asyncio.run(run())


def _thousandths(amount: Decimal) -> int:
    return round(amount * CREDIT)


def explain(error: provider.ProviderError, base_url: str) -> str:
    """Say in words why the account could not be read, and what to do."""
    host = urlsplit(base_url).netloc
    if error.status == 401:
        return (
            f"{host} refuses this token. A platform token starts with “platform-” and comes from the provider's "
            "console; an API token cannot read the balance."
        )
    if error.status == 403:
        return f"{host} does not let this token read the account. Create another platform token there."
    if error.status == 404:
        return f"{host} has no account page. Check the address under Advanced."
    if error.status == 429:
        return f"{host} received too many requests. Lumaweb tries again later."
    if error.code in ("no_answer", "not_sent"):
        return f"{host} does not answer. Check the address, and whether this machine reaches it."
    if error.status is not None and error.status >= 500:
        return f"{host} failed with status {error.status}. Lumaweb tries again later."
    return f"{host}: {error.message or error.code}"
