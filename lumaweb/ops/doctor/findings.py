"""What a check found, as data that `manage.py doctor`, the Health page and /readyz share."""

from dataclasses import dataclass

from lumaweb.logs import redact


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    code: a stable name for scripts, such as "mail-password".
    level: ok, skip, warn or fail.
    title: the problem in a few words. It names no host, user or path, because /readyz is public.
    message: what it means. fix: what the operator does next.
    page: the URL name of the settings page that helps, or "".
    """

    level: str
    message: str
    fix: str = ""
    code: str = ""
    title: str = ""
    page: str = ""

    @property
    def is_problem(self) -> bool:
        return self.level in ("fail", "warn")


def ok(message: str) -> Finding:
    return Finding("ok", redact(message))


def skip(message: str) -> Finding:
    return Finding("skip", redact(message))


def warn(code: str, title: str, message: str, fix: str, page: str = "") -> Finding:
    return Finding("warn", redact(message), redact(fix), code, redact(title), page)


def fail(code: str, title: str, message: str, fix: str, page: str = "") -> Finding:
    return Finding("fail", redact(message), redact(fix), code, redact(title), page)
