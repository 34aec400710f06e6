"""Read variables from the file `.env` in the project's root.

Variables that are set already win. Tests and checks set LUMAWEB_ENV_FILE to an empty value, and read no file.
"""

import io
import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv.parser import Binding, parse_stream

from .paths import BASE_DIR
from .variable import SOURCES

SWITCH = "LUMAWEB_ENV_FILE"
MAX_BYTES = 1024 * 1024


def load() -> list[str]:
    """Set the variables of the file, if there is one, and return warnings.

    Raises ImproperlyConfigured for a line that cannot be read. Processes that this one starts inherit the variables and
    do not read the file again: it may have changed.
    """
    path = env_file()
    if path is None:
        return []
    for name, (value, line) in parse(path).items():
        if name not in os.environ:
            os.environ[name] = value
            SOURCES[name] = f"{path.name}, line {line}"
    os.environ[SWITCH] = ""
    return list(_permission_warnings(path))


def env_file() -> Path | None:
    """Return the file to read: that of LUMAWEB_ENV_FILE, else `.env`, if it exists; None if no file is wanted."""
    if SWITCH in os.environ:
        return Path(os.environ[SWITCH]) if os.environ[SWITCH] else None
    path = BASE_DIR / ".env"
    # Not a folder: some tools keep a virtual environment there.
    return path if path.exists() and not path.is_dir() else None


def parse(path: Path) -> dict[str, tuple[str, int]]:
    """Return each variable's value and line number; if it is set twice, the last. Raises ImproperlyConfigured."""
    found: dict[str, tuple[str, int]] = {}
    faults = []
    for binding in parse_stream(io.StringIO(_content(path))):
        line = binding.original.line + _blank_lines_before(binding)
        if binding.error or binding.key is not None:
            if remedy := _remedy(binding):
                faults.append(f"{path}, line {line}, cannot be read; {remedy}.")
            else:
                found[binding.key or ""] = (binding.value or "", line)
    if faults:
        raise ImproperlyConfigured("\n  ".join(faults))
    return found


def _permission_warnings(path: Path) -> Iterator[str]:
    """Yield a warning if other users can read the file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield (
            f"Other users of this machine can read {path} (mode {mode:04o}), which may contain secrets. Run: chmod 600 "
            f"{shlex.quote(str(path))}"
        )


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImproperlyConfigured(f"{path} is larger than 1 MB, so it is not a file of variables; remove it.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read: {error.strerror}. Make it a file that the user who runs Lumaweb can read."
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ImproperlyConfigured(f"{path}, line {line}, is not UTF-8; save the file in that encoding.") from None
    return text


def _blank_lines_before(binding: Binding) -> int:
    """Return how many lines the parser has skipped before the variable."""
    text = binding.original.string
    return text[: len(text) - len(text.lstrip())].count("\n")


def _remedy(binding: Binding) -> str:
    """Return what to write instead of a line that cannot be right; "" if it can. Never contains the value."""
    name = binding.key or re.split(r"[=\s]", binding.original.string.strip().removeprefix("export "), maxsplit=1)[0]
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return "write NAME=value with a name of letters, digits and underscores, or begin the line with # for a comment"
    if binding.error:
        return f"write {name}=value, and end the value with the quote that it begins with"
    if binding.value is None:
        return f"write {name}=value, or {name}= for an empty value"
    if "\0" in binding.value:
        return f"remove the NUL character from the value of {name}"
    if "\n" in binding.value or "\r" in binding.value:
        # A quote that is not closed goes on to the next one. In double quotes \n is a new line.
        return f"end the value of {name} on this line, and write a value with backslashes in single quotes"
    return ""
