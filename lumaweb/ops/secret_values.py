"""Remove every secret of this installation from a text that leaves it: a second net below careful wording."""

import os
import re
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import DatabaseError

from videos.models import ApiToken, ProviderAccount
from videos.models.provider_account import AccountUnreadable

MIN_LENGTH = 8  # shorter values would remove ordinary words
SECRET_NAMES = re.compile(r"(?:_KEY|_KEYS|_TOKEN|_PASSWORD|_SECRET|SECRET_KEY)$")
URL_NAMES = re.compile(r"(?:^|_)URL$")
OURS = re.compile(r"^(?:LUMAWEB_|DATABASE_URL$|REDIS_URL$)")


def secret_values(*, with_database: bool) -> list[str]:
    """Return the secrets in the environment, the key files and, if it works, the database; the longest first."""
    values = {settings.SECRET_KEY, *settings.ENCRYPTION_KEYS, *_of_environment()}
    if with_database:
        # A database that fails has shown no check a token either.
        with suppress(DatabaseError):
            values |= {token.secret for token in ApiToken.objects.all() if token.is_readable}
            if account := ProviderAccount.objects.current():
                with suppress(AccountUnreadable):
                    values.add(account.secret)
    return sorted((value for value in values if len(value) >= MIN_LENGTH), key=len, reverse=True)


def without_secrets(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text


def _of_environment() -> set[str]:
    values = set()
    for name, value in os.environ.items():
        if not OURS.search(name):
            continue
        if SECRET_NAMES.search(name):
            values |= {word.strip() for word in value.split(",")}
        elif URL_NAMES.search(name):
            values |= _passwords(value)
    return values


def _passwords(url: str) -> set[str]:
    """Return the password in a URL, as written and decoded."""
    try:
        password = urlsplit(url.strip()).password or ""
    except ValueError:
        return set()
    return {password, unquote(password)}
