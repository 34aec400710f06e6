from dataclasses import dataclass

from lumaweb.logs import redact


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check. `level` is ok, skip, warn or fail; `fix` tells the operator what to do."""

    level: str
    message: str
    fix: str = ""


def ok(message: str) -> Finding:
    return Finding("ok", redact(message))


def skip(message: str) -> Finding:
    return Finding("skip", redact(message))


def warn(message: str, fix: str) -> Finding:
    return Finding("warn", redact(message), redact(fix))


def fail(message: str, fix: str) -> Finding:
    return Finding("fail", redact(message), redact(fix))
