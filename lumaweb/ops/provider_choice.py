"""Choose the provider at start: the sandbox, until the environment or an enabled API token names another."""

from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Q

from videos.models import ApiToken, Generation
from videos.models.simulation import mark_as_simulated

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
    """Return whether the environment or an enabled token names a provider other than the sandbox; change nothing."""
    if settings.LUMA_BASE_URL_GIVEN or settings.FIRST_TOKEN:
        return True
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return False  # a query would create the file
    if ApiToken._meta.db_table not in connection.introspection.table_names():
        return False
    enabled = ApiToken.objects.filter(enabled=True)
    return enabled.exclude(_sandbox_tokens()).exists()


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
            Generation.objects.hold(but=settings.LUMA_BASE_URL)
        return False
    ApiToken.objects.ensure(settings.SANDBOX_URL, SANDBOX_TOKEN, SANDBOX_NAME, max_in_flight=SANDBOX_MAX_IN_FLIGHT)
    mark_as_simulated(sandbox_tokens)
    for token in sandbox_tokens:
        token.set_enabled(True, None, ", as there is no other provider")
    return True
