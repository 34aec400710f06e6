"""Choose the provider at start: the sandbox, until the environment or an enabled API token names another."""

from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Q

from videos.models import ApiToken, Generation, HoldReason, State
from videos.models.simulation import mark_as_simulated
from videos.models.state import Archive

SANDBOX_NAME = "Sandbox"
SANDBOX_TOKEN = "sandbox"
SANDBOX_MAX_IN_FLIGHT = 100  # the sandbox sets no limit


def _has_column(name: str) -> bool:
    """Return whether the table of tokens has this column: the first start after an upgrade migrates later."""
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, ApiToken._meta.db_table)
    return any(column.name == name for column in columns)


def _sandbox_tokens() -> Q:
    """Match the tokens of this installation's sandbox, perhaps on another port."""
    if _has_column("simulated"):
        return Q(base_url=settings.SANDBOX_URL) | Q(simulated=True)
    return Q(name=SANDBOX_NAME, base_url__startswith="http://127.0.0.1:")  # as the migration marks them


def has_real_provider() -> bool:
    """Return whether the environment or a token names a provider other than the sandbox; change nothing.

    A paused token counts too, unless an admin lets the sandbox make the videos: a start must not replace a provider
    that is only paused.
    """
    if settings.LUMA_BASE_URL_GIVEN or settings.FIRST_TOKEN:
        return True
    if not _has_tables():
        return False
    real = ApiToken.objects.exclude(_sandbox_tokens())
    return _has_enabled(~_sandbox_tokens()) or (real.exists() and not _has_enabled(Q()))


def needs_sandbox() -> bool:
    """Return whether the sandbox has to run: for new videos, for those it has not delivered, or for a return to it."""
    if not has_real_provider():
        return True
    if not _has_tables():
        return False
    sandbox_tokens = _sandbox_tokens()
    if not (settings.LUMA_BASE_URL_GIVEN or settings.FIRST_TOKEN or _has_enabled(~sandbox_tokens)):
        return ApiToken.objects.filter(sandbox_tokens).exists()  # every other token is paused
    made_there = Generation.objects.filter(token__in=ApiToken.objects.filter(sandbox_tokens), purged_at__isnull=True)
    in_flight = Q(state__in=[State.SUBMITTING, State.PROCESSING])
    looked_up = Q(state=State.UNCONFIRMED, next_poll_at__isnull=False)
    return made_there.filter(in_flight | looked_up | Q(archive=Archive.REMOTE)).exists()


def _has_enabled(condition: Q) -> bool:
    return ApiToken.objects.filter(condition, enabled=True).exists()


def _has_tables() -> bool:
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return False  # a query would create the file
    return ApiToken._meta.db_table in connection.introspection.table_names()


def choose_provider() -> bool:
    """Create, enable and disable tokens as the environment implies; return whether the sandbox is the provider."""
    sandbox_tokens = ApiToken.objects.filter(base_url=settings.SANDBOX_URL)
    for token in ApiToken.objects.filter(simulated=True).exclude(base_url=settings.SANDBOX_URL):
        token.set_enabled(False, None, ", as the sandbox listens elsewhere now")
        # It is the same sandbox on another port, so requests that wait for it remain valid.
        Generation.objects.filter(state="queued", provider_base_url=token.base_url).update(
            provider_base_url=settings.SANDBOX_URL
        )
    replaced = sandbox_tokens
    if settings.FIRST_TOKEN:
        first, is_new = ApiToken.objects.ensure(settings.LUMA_BASE_URL, settings.FIRST_TOKEN, "First token")
        if is_new:
            replaced = ApiToken.objects.exclude(base_url=first.base_url)
    if has_real_provider():
        disabled = settings.LUMA_BASE_URL != settings.SANDBOX_URL and [
            token for token in replaced if token.set_enabled(False, None, ", as there is another provider now")
        ]
        if disabled:
            # Videos requested from the replaced provider cannot be sent to the new one: hold them, so members see it.
            Generation.objects.hold(HoldReason.PROVIDER, but=settings.LUMA_BASE_URL)
        return False
    ApiToken.objects.ensure(settings.SANDBOX_URL, SANDBOX_TOKEN, SANDBOX_NAME, max_in_flight=SANDBOX_MAX_IN_FLIGHT)
    mark_as_simulated(sandbox_tokens)
    for token in sandbox_tokens:
        token.set_enabled(True, None, ", as there is no other provider")
    return True
