"""Logging of every process: to standard output, with secret paths and words redacted.

Either lines for people, or with LUMAWEB_LOG_FORMAT=json one object per line. Both name the request and the generation
that an entry is about, if known. docs/decisions/logs.md explains why no library does this.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

# The key of a callback, frame, video, invitation, share link, password link or sign-in link gives access to everyone
# who has it.
SECRET_PATHS = re.compile(
    r"(/(?:callbacks/luma/[^/\s\"']+|watch/[^/\s\"']+|password/[^/\s\"']+|frames|clips|invitations|sign-in)/)"
    r"[^/\s\"'?<&]+"
)
# A signed link into a bucket gives access until it expires.
SIGNATURES = re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"'<]+", re.IGNORECASE)
# The query with which an OpenID provider redirects back: its code works once, in the browser that began the sign-in.
OPENID_ANSWERS = re.compile(r"(/oidc/callback/\?)[^\s\"'<]+")
BEARER_TOKENS = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)

QUEUE_OUTAGE_EVERY = 60.0  # seconds

# What the current thread or asyncio task works on.
REQUEST: ContextVar[str] = ContextVar("request", default="")
GENERATION: ContextVar[str] = ContextVar("generation", default="")


def redact(text: str) -> str:
    """Replace the secrets in a text by "[redacted]"."""
    for secret in (SECRET_PATHS, SIGNATURES, OPENID_ANSWERS, BEARER_TOKENS):
        text = secret.sub(r"\1[redacted]", text)
    return text


@contextmanager
def for_generation(uuid: object) -> Iterator[None]:
    """Name a generation in every log entry of the block."""
    token = GENERATION.set(str(uuid))
    try:
        yield
    finally:
        GENERATION.reset(token)


def process_name(argv: Sequence[str], cluster: str) -> str:
    """Return the name of this process: web, worker, media, ticker, serve, or its management command."""
    if "server" in PurePath(argv[0]).parts[-2:]:
        return "web"
    command = argv[1] if len(argv) > 1 else PurePath(argv[0]).name
    if command == "qcluster":
        return "media" if cluster == "media" else "worker"
    return {"sweep": "ticker", "runserver": "web"}.get(command, command)


class UnknownHostFilter(logging.Filter):
    """Name the variable to change, in place of a traceback for each request with an unknown host."""

    def filter(self, record: logging.LogRecord) -> bool:
        refusal = record.getMessage().partition(" You may need")[0]
        record.msg = f"{refusal} LUMAWEB_ALLOWED_HOSTS names the hosts that are served."
        record.args, record.exc_info, record.exc_text = None, None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return logging.getLogger("django").isEnabledFor(logging.WARNING)


class RedactingFormatter(logging.Formatter):
    """Redact the complete line, with its arguments and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        context = {"request": REQUEST.get(), "generation": GENERATION.get()}
        suffix = " ".join(f"{name} {value}" for name, value in context.items() if value)
        return super().formatMessage(record) + (f" [{suffix}]" if suffix else "")


class QueueOutageFilter(logging.Filter):
    """Report once a minute that Redis does not work, in place of django-q's entries at each of its attempts."""

    def __init__(self) -> None:
        super().__init__()
        self._reported_at = self._seen_at = -QUEUE_OUTAGE_EVERY

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop entries that repeat the outage, such as the end of the process that fetches calls."""
        now = time.monotonic()
        error = record.exc_info[1] if record.exc_info else record.msg
        if not isinstance(error, BaseException) or type(error).__module__.split(".")[0] != "redis":
            return not (now - self._seen_at < QUEUE_OUTAGE_EVERY and "reincarnated pusher" in record.getMessage())
        self._seen_at = now
        if now - self._reported_at < QUEUE_OUTAGE_EVERY:
            return False
        self._reported_at = now
        record.msg, record.args = "Redis does not work, so no calls are fetched: %s", (str(error),)
        record.exc_info = record.exc_text = None
        return True


class JsonFormatter(logging.Formatter):
    """Format an entry as one object with these fields only: a record also holds requests, rows and settings."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "part": self._process,
            "request": REQUEST.get(),
            "generation": GENERATION.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return _to_json(fields)


def as_json(process: str, line: bytes) -> bytes:
    """Return an output line of a process as an object, or unchanged if it is one already."""
    if line.startswith(b'{"time": ') and line.endswith(b"}"):
        return line
    fields = {"time": _timestamp(), "level": "INFO", "logger": process, "message": line.decode("utf-8", "replace")}
    return _to_json(fields | {"part": process}).encode()


def _to_json(fields: dict[str, Any]) -> str:
    # Redact before encoding: escaped quotes would hide the end of a secret.
    return json.dumps(
        {name: redact(value) if isinstance(value, str) else value for name, value in fields.items() if value != ""},
        default=lambda value: redact(str(value)),
    )


def _timestamp(seconds: float | None = None) -> str:
    time = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def logging_config(log_format: str, level: str = "INFO", cluster: str = "") -> dict[str, Any]:
    """Return the LOGGING setting for the format "line" or "json" and the least important level to log."""
    # Libraries describe every step at INFO; that is for DEBUG. Never their own DEBUG, which contains whole requests.
    libraries = {"DEBUG": "INFO", "INFO": "WARNING"}.get(level, level)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"()": RedactingFormatter, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "json": {"()": JsonFormatter, "process": process_name(sys.argv, cluster)},
        },
        "filters": {"queue_outage": {"()": QueueOutageFilter}, "unknown_hosts": {"()": UnknownHostFilter}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": log_format, "stream": "ext://sys.stdout"}
        },
        "root": {"handlers": ["console"], "level": libraries},
        "loggers": {
            "lumaweb": {"level": level},
            "videos": {"level": level},
            # LUMAWEB_ACCESS_LOG switches this one on and off.
            "lumaweb.access": {"level": "INFO"},
            "django": {"handlers": ["console"], "level": libraries, "propagate": False},
            "django.security.DisallowedHost": {"filters": ["unknown_hosts"]},
            # Not the 4xx responses, whose pages tell the visitor what is wrong.
            "django.request": {"level": "ERROR"},
            "django-q": {"handlers": ["console"], "filters": ["queue_outage"], "level": libraries, "propagate": False},
            # waitress warns about every request that waits for a thread.
            "waitress.queue": {"level": "ERROR"},
        },
    }
