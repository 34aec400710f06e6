"""Logging for every process: to standard output, with the paths and words that are secrets taken out."""

import logging
import re

# A callback's key, a frame's or clip's address, an invitation and a share link open something by themselves.
SECRET_PATHS = re.compile(
    r"(/(?:callbacks/luma/[^/\s\"']+|watch/[^/\s\"']+|password/[^/\s\"']+|frames|clips|invitations)/)[^/\s\"'?<&]+"
)
BEARER = re.compile(r"(bearer\s+)[^\s\"',;]+", re.IGNORECASE)


def redact(text: str) -> str:
    return BEARER.sub(r"\1[redacted]", SECRET_PATHS.sub(r"\1[redacted]", text))


class RedactingFormatter(logging.Formatter):
    """Redact the finished line, so that no argument, request or traceback passes by."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": RedactingFormatter,
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "lumaweb": {"level": "INFO"},
        "videos": {"level": "INFO"},
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # A 4xx is the visitor's affair, and says so on the page.
        "django.request": {"level": "ERROR"},
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "gunicorn.access": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
