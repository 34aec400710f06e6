"""System checks: refuse to start with settings that cannot work."""

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from .models import ApiToken


@register()
def encryption_keys_are_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        keys = [Fernet(key) for key in settings.ENCRYPTION_KEYS]
    except ValueError:
        keys = []
    if keys:
        return []
    return [
        Error(
            "LUMAWEB_ENCRYPTION_KEYS holds something that is no key.",
            hint="Each key is 32 bytes in URL-safe base64; several are separated by commas, the newest first.",
            id="videos.E001",
        )
    ]


@register(Tags.database)
def encryption_keys_open_stored_tokens(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn about tokens that no key opens: the gallery and the other tokens still work."""
    if "default" not in (databases or ()) or encryption_keys_are_keys(app_configs):
        return []
    if ApiToken._meta.db_table not in connections["default"].introspection.table_names():
        return []  # before the first migration
    # Load only columns from the first migration, as this check runs before newer ones are applied.
    unreadable = ApiToken.objects.only("name", "encrypted").order_by("pk").unreadable()
    return [
        Warning(
            f"The encryption keys do not open the API token “{token.name}”.",
            hint="Put the key it was stored with back into LUMAWEB_ENCRYPTION_KEYS, or give it a new secret in the "
            "admin.",
            id="videos.W001",
        )
        for token in unreadable
    ]
