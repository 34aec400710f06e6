"""Check of the balance at the provider, which is optional."""

from collections.abc import Iterator

from django.utils import timezone

from videos.models import ProviderAccount
from videos.models.amounts import in_credits, shown
from videos.models.provider_account import AccountUnreadable

from .findings import Finding, fail, ok, skip, warn

ACCOUNT_PAGE = "provider-account"


def balance() -> Iterator[Finding]:
    """Check that the balance was read lately, and that it is not low."""
    account = ProviderAccount.objects.current()
    if account is None:
        yield skip("The balance is not read: there is no platform token, which is optional.")
        return
    try:
        _ = account.secret
    except AccountUnreadable as error:
        yield fail(
            "platform-token-unreadable",
            "The platform token cannot be decrypted",
            str(error),
            "Replace the platform token on the Provider page if the key is lost.",
            ACCOUNT_PAGE,
        )
        return
    if account.failing_since is not None and account.is_outdated:
        since = timezone.localtime(account.failing_since)
        yield warn(
            "balance-unread",
            "The balance cannot be read",
            f"The balance has not been read since {since:%Y-%m-%d %H:%M}. {account.failure}",
            "Videos are still sent. Replace the platform token on the Provider page, or remove it.",
            ACCOUNT_PAGE,
        )
    if account.is_low:
        yield warn(
            "balance-low",
            "The balance at the provider is low",
            f"The balance is {in_credits(account.remaining or 0)}, below the warning at "
            f"{shown(account.warn_below or 0)}.",
            "Top up the account in the provider's console. When it is used up, queued videos wait.",
            ACCOUNT_PAGE,
        )
    elif account.remaining is not None and not account.is_outdated:
        yield ok(f"The balance is {in_credits(account.remaining)}{_days(account)}.")


def _days(account: ProviderAccount) -> str:
    days = account.whole_days_left
    return "" if days is None else f", enough for about {days:,} day{'' if days == 1 else 's'} at the present pace"
