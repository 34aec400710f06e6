"""Stop the start, in words, when what is configured cannot work."""

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Error, Tags, Warning, register
from django.db import connections


@register()
def encryption_keys_are_keys(app_configs, **kwargs) -> list[Error]:
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
def encryption_keys_open_what_is_stored(app_configs, databases=None, **kwargs) -> list[Warning]:
    """Name the tokens that stay closed. A warning: the videos can be seen all the same, and other tokens work."""
    from .models import ApiToken

    if "default" not in (databases or ()) or encryption_keys_are_keys(app_configs):
        return []
    if ApiToken._meta.db_table not in connections["default"].introspection.table_names():
        return []  # before the first migration
    # Only columns it had from the start: this is asked before a migration adds others.
    closed = ApiToken.objects.only("name", "encrypted").order_by("pk").unreadable()
    return [
        Warning(
            f"The encryption keys do not open the API token “{token.name}”.",
            hint="Put the key it was stored with back into LUMAWEB_ENCRYPTION_KEYS, or give it a new secret in the "
            "admin.",
            id="videos.W001",
        )
        for token in closed
    ]
