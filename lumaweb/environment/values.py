"""Parse simple values: switches, numbers, words, time zones, tokens and keys. Each function raises Invalid."""

import base64
import binascii
import difflib
import math
import re
import zoneinfo
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from .variable import Invalid

KEY_COMMAND = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
MIN_SECRET_KEY, MIN_DIFFERENT = 32, 8  # characters


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    """Parse a switch; "" is off."""
    if value.lower() in ("", "0", "no", "off", "false"):
        return False
    if value.lower() in ("1", "yes", "on", "true"):
        return True
    raise Invalid("1 or 0")


def number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within these limits."""

    def parse(value: str) -> int:
        # Bounded in length, as Python refuses to convert thousands of digits.
        if not (re.fullmatch(r"[0-9]{1,12}", value) and minimum <= int(value) <= maximum):
            raise Invalid(f"a whole number from {minimum} to {maximum}")
        return int(value)

    return parse


def decimal(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of decimal numbers within these limits."""

    def parse(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not minimum <= found <= maximum:
            raise Invalid(f"a number from {minimum:g} to {maximum:g}")
        return found

    return parse


def choice(*choices: str) -> Callable[[str], str]:
    """Return a parser of one of these words, in any case."""
    by_lower = {word.lower(): word for word in choices}

    def parse(value: str) -> str:
        if value.lower() not in by_lower:
            listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise Invalid(did_you_mean(value, choices) or listed)
        return by_lower[value.lower()]

    return parse


def did_you_mean(value: str, known: Collection[str]) -> str:
    """Return the known word that is most like this one, whatever the case; "" if none is."""
    by_lower = {word.lower(): word for word in sorted(known)}
    close = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else ""


def words(value: str) -> list[str]:
    """Parse a comma-separated list."""
    return [word.strip() for word in value.split(",") if word.strip()]


def time_zone(value: str) -> str:
    """Parse the name of a time zone."""
    if value == "UTC":
        return value  # also on a machine without the database of time zones
    with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo(value).key
    known = zoneinfo.available_timezones()  # slow: it reads a thousand files
    if not known:
        raise Invalid("UTC, or install the package tzdata", "cannot be checked without the database of time zones")
    cities = {name.rpartition("/")[2]: name for name in sorted(known) if "/" in name}
    by_city = cities.get(did_you_mean(value.rpartition("/")[2].replace(" ", "_"), cities), "")
    remedy = did_you_mean(value, known) or by_city or "a name such as Europe/Berlin or America/New_York"
    raise Invalid(remedy, "is not a time zone")


def folder(value: str) -> Path | None:
    """Parse the path of a folder, which need not exist; None if empty."""
    if not value:
        return None
    if "\0" in value or "\n" in value or "://" in value:
        raise Invalid("the path of a folder", "is not a path")
    if value.startswith("~"):
        raise Invalid(str(Path.home() / value.lstrip("~/")), "only a shell understands because of its ~")
    path = Path(value).resolve()
    if path.exists() and not path.is_dir():
        raise Invalid("the path of a folder", "is a file")
    return path


def absolute_folder(value: str) -> Path | None:
    """Parse the absolute path of a folder, which need not exist; None if empty."""
    path = folder(value)
    # Processes start in different working directories.
    if path and not value.startswith("/"):
        raise Invalid(f"an absolute path such as {path}", "depends on the working directory")
    return path


def url_path(value: str) -> str:
    """Parse a path such as /protected-media/; "" if empty."""
    if value and not re.fullmatch(r"/(?:[A-Za-z0-9_-]+/)+", value):
        raise Invalid("a path such as /protected-media/")
    return value


def bearer_token(value: str) -> str:
    """Parse a token that another program sends, of 20 to 200 characters; "" if empty."""
    if not value:
        return ""
    _check_token(value, "20 to 200 letters and digits")
    if not 20 <= len(value) <= 200:
        raise Invalid("20 to 200 letters and digits", f"has {len(value)} characters")
    return value


def api_token(value: str) -> str:
    """Parse an API token of the provider; "" if empty."""
    if value:
        _check_token(value, "the token exactly as the provider shows it")
    return value


def _check_token(value: str, remedy: str) -> None:
    if re.match(r"(?:authorization:|bearer\b)", value, re.IGNORECASE):
        raise Invalid("the token alone", "begins with the name of the header or with “Bearer”")
    for problem, pattern in (
        ("has spaces", r"\s"),
        ("has quotes", r"[\"'`“”‘’«»]"),
        ("has special characters, perhaps because a masked token was copied", r"[^!-~]"),
    ):
        if re.search(pattern, value):
            raise Invalid(remedy, problem)


def secret_key(value: str) -> str:
    """Parse the signing key; "" if empty."""
    if not value:
        return ""
    problem = ""
    if len(value) < MIN_SECRET_KEY:
        problem = f"has {len(value)} characters, and a key that cannot be guessed needs {MIN_SECRET_KEY} or more"
    elif len(set(value)) < MIN_DIFFERENT:
        problem = f"has only {len(set(value))} different characters, so it can be guessed"
    elif value.lower().startswith("django-insecure-"):
        problem = "is one that Django made for development"
    if problem:
        raise Invalid(f"the output of {KEY_COMMAND}", problem)
    return value


def encryption_keys(value: str) -> list[str]:
    """Parse comma-separated keys, each 32 bytes in URL-safe base64."""
    keys = words(value)
    for position, key in enumerate(keys, 1):
        try:
            size = len(base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True))
        except (binascii.Error, UnicodeEncodeError):
            size = 0
        if size != 32:
            which = f"has {len(keys)} keys, of which number {position}" if len(keys) > 1 else "has a key that"
            raise Invalid(
                f"keys that are each the output of {KEY_COMMAND}, separated by commas, the newest first",
                f"{which} is not 32 bytes in URL-safe base64",
            )
    return keys


def chances(value: str) -> str:
    """Check a list such as lost=0.1,twice=0.05, and return it."""
    for part in words(value):
        name, _, chance = part.partition("=")
        if not re.fullmatch(r"[a-z0-9_]+", name.strip()) or not re.fullmatch(
            r"0*1(\.0*)?|0+(\.[0-9]*)?|\.[0-9]+", chance
        ):
            raise Invalid("faults with probabilities from 0 to 1, such as lost=0.1,twice=0.05")
    return value
