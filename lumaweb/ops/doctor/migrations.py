"""Findings about migrations, which the doctor, /readyz and the start of Lumaweb share."""

from collections.abc import Sequence

from .findings import Finding, fail, warn

SHOWN = 3


def migrations_behind(pending: Sequence[str]) -> Finding:
    """Return the finding for migrations of this code that are not applied, as "app.name"."""
    return fail(
        "migrations-behind",
        "The database is not migrated to this version",
        f"Not applied: {_listed(pending)}. Pages may fail until they are.",
        "Make a backup, then run manage.py migrate (once, if there are several machines).",
    )


def migrations_ahead(newer: Sequence[str]) -> Finding:
    """Return the finding for applied migrations that this code does not know, as "app.name"."""
    return warn(
        "migrations-ahead",
        "The database is of a newer version than this code",
        f"The database is of a newer version than this code: {_listed(newer)}. Both work side by side during an "
        "upgrade, but not for longer than one release.",
        "Install the newer version on this machine too, or see “Roll back” in deploy/README.md.",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
