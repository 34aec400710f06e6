"""Read the environment: every variable through one of these, so that a bad value stops the start in words."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default)) or str(default)
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a whole number from {least} to {most}.")
    return int(value)


def flag(name: str) -> bool:
    value = text(name).lower()
    if value in ("", "0", "no", "off", "false"):
        return False
    if value in ("1", "yes", "on", "true"):
        return True
    raise ImproperlyConfigured(f"{name} is {value!r}; set it to 1 or 0.")


def origin(name: str, value: str) -> str:
    """Check an http(s) address without a path and return it without a trailing slash."""
    from urllib.parse import urlsplit

    value = value.rstrip("/")
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.username and not parts.query
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        good = False
    if not good:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to an address such as https://films.example.com.")
    return value


def secret(name: str, data_dir: Path, file_name: str, *, may_generate: bool) -> str:
    """Read a secret from the environment, else from the data directory, where it is generated once (mode 0600)."""
    if value := text(name):
        return value
    if not may_generate:
        raise ImproperlyConfigured(
            f"{name} is not set. Beyond loopback it has to be given: set it to the output of\n"
            '  python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"\n'
            "and keep it with your backups' secrets, not with the backups."
        )
    path = data_dir / file_name
    try:
        # O_EXCL: of several processes that start at once, one writes and the others read what it wrote.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _written(path)
    import base64

    value = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(handle, "w") as file:
        file.write(value)
    return value


def _written(path: Path) -> str:
    import time

    for _ in range(50):
        if value := path.read_text().strip():
            return value
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} is empty. Remove it to have a new key generated, or put the old key back.")
