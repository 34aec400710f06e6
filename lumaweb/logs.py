"""Logging for every process: to standard output, with the paths and words that are secrets taken out.

A line for people, or with LUMAWEB_LOG_FORMAT=json an object for a machine to sort. Both say which request and which
generation a line is about, where that is known. Why no library does it: docs/decisions/logs.md.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

# A callback's key, a frame's or clip's address, an invitation and a share link open something by themselves.
SECRET_PATHS = re.compile(
    r"(/(?:callbacks/luma/[^/\s\"']+|watch/[^/\s\"']+|password/[^/\s\"']+|frames|clips|invitations)/)[^/\s\"'?<&]+"
)
# A link into a bucket is good for whoever has it, while it lives.
SIGNED = re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"'<]+", re.IGNORECASE)
BEARER = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)

# What the work at hand is about. Each thread has its own, and each task of asyncio a copy of its maker's.
REQUEST: ContextVar[str] = ContextVar("request", default="")
GENERATION: ContextVar[str] = ContextVar("generation", default="")


def redact(text: str) -> str:
    for secret in (SECRET_PATHS, SIGNED, BEARER):
        text = secret.sub(r"\1[redacted]", text)
    return text


@contextmanager
def about(generation: object) -> Iterator[None]:
    """Name a generation (its UUID) in all that is logged within."""
    token = GENERATION.set(str(generation))
    try:
        yield
    finally:
        GENERATION.reset(token)


def part_of(argv: Sequence[str], cluster: str) -> str:
    """What this process is: web, worker, media, ticker, serve, or the command that was given."""
    if "server" in PurePath(argv[0]).parts[-2:]:
        return "web"
    command = argv[1] if len(argv) > 1 else PurePath(argv[0]).name
    if command == "qcluster":
        return "media" if cluster == "media" else "worker"
    return {"sweep": "ticker", "runserver": "web"}.get(command, command)


class RedactingFormatter(logging.Formatter):
    """Redact the finished line, so that no argument, request or traceback passes by."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        known = {"request": REQUEST.get(), "generation": GENERATION.get()}
        said = " ".join(f"{name} {value}" for name, value in known.items() if value)
        return super().formatMessage(record) + (f" [{said}]" if said else "")


class JsonFormatter(logging.Formatter):
    """One object a line. Only what is named here is in it: a record also holds requests, rows and settings."""

    def __init__(self, part: str = "") -> None:
        super().__init__()
        self.part = part

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _written(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "part": self.part,
            "request": REQUEST.get(),
            "generation": GENERATION.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            said["stack"] = record.stack_info
        return _as_line(said)


def as_json(part: str, line: bytes) -> bytes:
    """What a program of ours has written, as an object; left alone where it is one already."""
    if line.startswith(b'{"time": ') and line.endswith(b"}"):
        return line
    said = {"time": _written(), "level": "INFO", "logger": part, "message": line.decode("utf-8", "replace")}
    return _as_line(said | {"part": part}).encode()


def _as_line(said: dict[str, Any]) -> str:
    # Redacted before it is JSON: with its quotes escaped, a secret's end would not be found.
    return json.dumps(
        {name: redact(value) if isinstance(value, str) else value for name, value in said.items() if value != ""},
        default=lambda value: redact(str(value)),
    )


def _written(seconds: float | None = None) -> str:
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def logging_for(form: str, cluster: str = "") -> dict[str, Any]:
    """The LOGGING setting: form is "line" or "json"."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"()": RedactingFormatter, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "json": {"()": JsonFormatter, "part": part_of(sys.argv, cluster)},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form, "stream": "ext://sys.stdout"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "lumaweb": {"level": "INFO"},
            "videos": {"level": "INFO"},
            "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            # A 4xx is the visitor's affair, and says so on the page.
            "django.request": {"level": "ERROR"},
            "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            # It warns about every request that waits for a thread.
            "waitress.queue": {"level": "ERROR"},
        },
    }
