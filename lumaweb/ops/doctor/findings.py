from dataclasses import dataclass

from lumaweb.logs import redact


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look showed. level: ok, skip, warn or fail; mend: what to do about it."""

    level: str
    words: str
    mend: str = ""


def ok(words: str) -> Finding:
    return Finding("ok", redact(words))


def skip(words: str) -> Finding:
    return Finding("skip", redact(words))


def warn(words: str, mend: str) -> Finding:
    return Finding("warn", redact(words), redact(mend))


def fail(words: str, mend: str) -> Finding:
    return Finding("fail", redact(words), redact(mend))
