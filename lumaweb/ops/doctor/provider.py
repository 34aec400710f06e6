"""Checks of the provider: API tokens, hosts of results, and callbacks."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.utils import timezone

from videos.jobs import token_check
from videos.models import ApiToken, Generation, State

from .findings import Finding, fail, ok, skip, warn

RECENT_RESULTS = 20
PROVIDER_PAGE = "provider"
MIN_RESULTS = 3  # without a callback among them, before it counts as a problem


def stored_tokens() -> Iterator[Finding]:
    """Check that the encryption keys decrypt each API token, and that the enabled ones are in use."""
    tokens = list(ApiToken.objects.order_by("pk"))
    if not tokens:
        yield warn(
            "no-token",
            "There is no API token",
            "There is no API token: no video can be sent.",
            "Add one on the Provider page.",
            PROVIDER_PAGE,
        )
    unreadable = [token for token in tokens if not token.is_readable]
    for token in unreadable:
        yield fail(
            "token-unreadable",
            "An API token cannot be decrypted",
            f"The encryption keys do not decrypt the API token “{token.name}”.",
            "Add the key it was stored with to LUMAWEB_ENCRYPTION_KEYS, or enter the token again on the Provider page.",
            PROVIDER_PAGE,
        )
    for token in tokens:
        if token.enabled and token not in unreadable and token.is_unhealthy:
            yield warn(
                "token-unused",
                "An API token is not in use",
                f"The API token “{token.name}” is not in use: {token.last_error or token.condition}",
                "Test it on the Provider page.",
                PROVIDER_PAGE,
            )
    if tokens and not unreadable:
        yield ok(f"The keys decrypt {'the API token' if len(tokens) == 1 else f'all {len(tokens)} API tokens'}.")


def accepted_tokens() -> Iterator[Finding]:
    """Look up a task that does not exist with each enabled token, which is free."""
    tokens = [token for token in ApiToken.objects.filter(enabled=True) if token.is_readable]
    if not tokens:
        yield skip("There is no enabled API token to test.")
    for token in tokens:
        check = token_check.check_secret(token, token.secret)
        message = f"“{token.name}” at {urlsplit(token.base_url).netloc}: {check.message}"
        if check.status == "ok":
            yield ok(message)
        elif check.status == "refused":
            yield fail(
                "token-refused",
                "The provider refuses an API token",
                message,
                "Correct it on the Provider page; queued videos wait for it.",
                PROVIDER_PAGE,
            )
        else:
            yield warn(
                "provider-unreachable",
                "The provider does not answer",
                message,
                "Check that this machine reaches the provider, and the provider's status page.",
            )


def callbacks() -> Iterator[Finding]:
    """Check whether recent results arrived by callback, which shows that the provider reaches Lumaweb."""
    tokens = [token for token in ApiToken.objects.filter(enabled=True) if token.public_url]
    if not tokens:
        yield skip("No enabled API token's provider can call back, because there is no address for it.")
    for token in tokens:
        yield from _recent_results(token)


def _recent_results(token: ApiToken) -> Iterator[Finding]:
    finished = Generation.objects.filter(token=token, state=State.COMPLETED, finished_at__isnull=False)
    results = list(finished.order_by("-pk").values_list("result_channel", "finished_at")[:RECENT_RESULTS])
    sources = Counter(channel for channel, _ in results)
    host = urlsplit(token.base_url).netloc
    if sources["callback"]:
        latest = timezone.localtime(max(at for channel, at in results if channel == "callback" and at))
        yield ok(
            f"{host} reaches Lumaweb: {sources['callback']} of the last {sources.total()} results came by callback, "
            f"the latest on {latest:%Y-%m-%d at %H:%M}."
        )
    elif sources.total() >= MIN_RESULTS:
        yield warn(
            "callbacks-missing",
            "The provider's callbacks do not arrive",
            f"None of the last {sources.total()} results came by a callback of {host}; Lumaweb looked all of them up. "
            "The provider does not reach Lumaweb.",
            "Check whether a firewall or the proxy blocks /callbacks/.",
        )
    else:
        yield skip(f"It is not known whether {host} reaches Lumaweb: its first video will show it.")
