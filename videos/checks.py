"""Stop the start, in words, when what is configured cannot work."""

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Error, register


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
