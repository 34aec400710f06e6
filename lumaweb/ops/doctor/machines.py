"""Check of the machines against each other: keys and versions have to be the same on all."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from django.conf import settings

from videos.models import Machine
from videos.models.machine import fingerprint

from .findings import Finding, fail, ok, warn


def machines() -> Iterator[Finding]:
    """Compare the keys and the version of every machine that runs a part of this installation."""
    rows = list(Machine.objects.running())
    findings = [*_secret_keys(rows), *_encryption_keys(rows), *_versions(rows)]
    number = len({row.host for row in rows} | {socket.gethostname()})
    yield from findings or [
        ok("There is one machine." if number == 1 else f"All {number} machines have the same keys.")
    ]


def _secret_keys(rows: Sequence[Machine]) -> Iterator[Finding]:
    here = fingerprint(settings.SECRET_KEY)
    keys = Counter([here, *(row.secret_key for row in rows)])
    if len(keys) == 1:
        return
    usual = keys.most_common(1)[0][0]
    different = [str(row) for row in rows if row.secret_key != usual]
    others = [str(row) for row in rows if row.secret_key == usual]
    if here != usual and not any(row.secret_key == here for row in rows):
        different.append(f"this command on {socket.gethostname()}")
    elif here == usual and not others:
        others.append(socket.gethostname())
    yield fail(
        "secret-key-differs",
        "Machines have different secret keys",
        f"The secret key of {_listed(different)} differs from that of {_listed(others)}. Members are signed out "
        "whenever another machine answers, and links by mail work on some machines only.",
        "Set LUMAWEB_SECRET_KEY to the same value on every machine, then restart them.",
    )


def _encryption_keys(rows: Sequence[Machine]) -> Iterator[Finding]:
    """Each machine stores tokens with its newest key, so every other one needs that key."""
    here = [fingerprint(key) for key in settings.ENCRYPTION_KEYS]
    newest = {row.encryption_keys[0] for row in rows if row.encryption_keys} | set(here[:1])
    lacking = [str(row) for row in rows if not newest <= set(row.encryption_keys)]
    if not newest <= set(here):
        lacking.append(f"this command on {socket.gethostname()}")
    if lacking:
        yield fail(
            "encryption-keys-differ",
            "Machines have different encryption keys",
            f"{_listed(lacking)} cannot decrypt an API token that another machine stores.",
            "Set LUMAWEB_ENCRYPTION_KEYS to the same keys on every machine, then restart them.",
        )


def _versions(rows: Sequence[Machine]) -> Iterator[Finding]:
    other = sorted({f"{row.host} runs {row.version}" for row in rows if row.version != settings.VERSION})
    if other:
        yield warn(
            "versions-differ",
            "Machines run different versions",
            f"{_listed(other)}, and this is {settings.VERSION}.",
            "Finish the upgrade: install the same version on every machine.",
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
