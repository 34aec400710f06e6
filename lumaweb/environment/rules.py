"""Validate all variables at once: each alone, and those that depend on each other."""

import os
from collections.abc import Callable, Iterator

from django.core.exceptions import ImproperlyConfigured

from . import generated_secrets
from .paths import data_dir
from .sign_in import HEADER_EXAMPLE
from .site import read_site
from .values import did_you_mean
from .variable import SOURCES, Variable
from .variables import VARIABLES, data, first_start, mail, object_storage, sign_in, simulation

# The tests, the proxies, the containers and django-q2 read these; the settings do not.
ELSEWHERE = {
    "LUMAWEB_ENV_FILE", "LUMAWEB_FUZZ_CASES", "LUMAWEB_MEDIA", "LUMAWEB_TEST_BROWSER", "LUMAWEB_UPSTREAM",
    "POSTGRES_PASSWORD", "Q_CLUSTER_NAME",
}  # fmt: skip
PREFIXES = ("LUMAWEB_", *{f"{variable.name.partition('_')[0]}_" for variable in simulation.SECTION.variables})


def require_valid() -> None:
    """Raise ImproperlyConfigured with a sentence for each fault, if there is one."""
    faults = list(dict.fromkeys(_faults()))
    if len(faults) == 1:
        raise ImproperlyConfigured(faults[0])
    if faults:
        raise ImproperlyConfigured("\n  ".join([f"{len(faults)} settings need a change.", *faults]))


def _faults() -> Iterator[str]:
    for variable in VARIABLES.values():
        if fault := variable.fault():
            yield fault
    for rule in RULES:
        try:
            yield from rule()
        except ImproperlyConfigured:
            continue  # the rule reads a variable whose fault is listed


def _admin() -> Iterator[str]:
    yield from _both_or_neither(first_start.ADMIN_USERNAME, first_start.ADMIN_PASSWORD)


def _bucket_keys() -> Iterator[str]:
    if object_storage.S3_BUCKET.text:
        yield from _both_or_neither(
            object_storage.S3_ACCESS_KEY,
            object_storage.S3_SECRET_KEY,
            " if the machine's own role has access to the bucket",
        )


def _both_or_neither(one: Variable[str], other: Variable[str], when: str = "") -> Iterator[str]:
    if bool(one.text) != bool(other.text):
        present, absent = (one, other) if one.text else (other, one)
        yield f"{present.name} is set and {absent.name} is not; set both, or neither{when}."


def _sender() -> Iterator[str]:
    if mail.EMAIL_URL.value and not mail.EMAIL_FROM.text:
        yield (
            "LUMAWEB_EMAIL_FROM is not set, although LUMAWEB_EMAIL_URL is; set it to an address such as "
            "Lumaweb <films@example.com>."
        )


def _keys() -> Iterator[str]:
    if read_site().may_generate_keys:
        return
    reason = "with PostgreSQL" if data.DATABASE_URL.text else "for an address on the internet"
    if not first_start.SECRET_KEY.text:
        yield generated_secrets.missing("LUMAWEB_SECRET_KEY", data_dir() / "secret-key", reason)
    if not first_start.ENCRYPTION_KEYS.text:
        yield generated_secrets.missing("LUMAWEB_ENCRYPTION_KEYS", data_dir() / "encryption-keys", reason)


def _backup_folder() -> Iterator[str]:
    backups, used = data.BACKUP_DIR.value, data_dir()
    # Other folders in the data directory are allowed: the settings page warns about backups on the same disk.
    if backups and (used.is_relative_to(backups) or backups.is_relative_to(used / "media")):
        yield (
            f"LUMAWEB_BACKUP_DIR is {str(backups)!r}, where Lumaweb keeps other files; set it to a separate folder, "
            "on another disk if possible."
        )


def _openid() -> Iterator[str]:
    names = (sign_in.OIDC_CLIENT_ID, sign_in.OIDC_CLIENT_SECRET, sign_in.OIDC_DOMAINS, sign_in.OIDC_ADMIN_GROUP)
    if not sign_in.OIDC_ISSUER.value:
        for variable in (*names, sign_in.OIDC_NAME):
            if variable.value:
                yield f"{variable.name} is set and LUMAWEB_OIDC_ISSUER is not; set the issuer too, or neither."
                return
        return
    if not sign_in.OIDC_CLIENT_ID.value:
        yield (
            "LUMAWEB_OIDC_ISSUER is set and LUMAWEB_OIDC_CLIENT_ID is not; set it to the client ID that the identity "
            "provider shows for Lumaweb."
        )
    if not read_site().site_url:
        yield (
            "LUMAWEB_OIDC_ISSUER is set and LUMAWEB_SITE_URL is not; set it to the address that members open, such as "
            "https://films.example.com: the identity provider sends them back there."
        )


def _auth_proxy() -> Iterator[str]:
    header, proxies = sign_in.AUTH_HEADER.value, sign_in.AUTH_PROXIES.value
    if header and not proxies:
        yield (
            "LUMAWEB_AUTH_HEADER is set and LUMAWEB_AUTH_PROXIES is not; set it to the addresses of the proxies that "
            "set this header, such as 10.0.0.5: otherwise anybody could sign in as anybody."
        )
    if proxies and not header:
        yield f"LUMAWEB_AUTH_PROXIES is set and LUMAWEB_AUTH_HEADER is not; set it to {HEADER_EXAMPLE}."


def _ways_in() -> Iterator[str]:
    if not (sign_in.PASSWORD_SIGN_IN.value or sign_in.OIDC_ISSUER.value or sign_in.AUTH_HEADER.value):
        yield (
            "LUMAWEB_PASSWORD_SIGN_IN is 0, and there is no other way to sign in; set LUMAWEB_OIDC_ISSUER or "
            "LUMAWEB_AUTH_HEADER too."
        )


RULES: tuple[Callable[[], Iterator[str]], ...] = (
    _admin, _backup_folder, _bucket_keys, _sender, _keys, _openid, _auth_proxy, _ways_in,
)  # fmt: skip


def unknown_names() -> list[str]:
    """Return a warning for each variable that is set and whose name is almost that of a known one."""
    warnings = []
    for name in sorted(os.environ):
        is_ours = name.upper().startswith(PREFIXES) or name in SOURCES
        if is_ours and name not in VARIABLES and name not in ELSEWHERE and (meant := _meant(name)):
            source = f" ({SOURCES[name]})" if name in SOURCES else ""
            warnings.append(f"{name}{source} is not a setting and has no effect; did you mean {meant}?")
    return warnings


def _meant(name: str) -> str:
    """Return the variable that is probably meant; "" if none is."""
    bare = name.upper().removeprefix("LUMAWEB_")
    if bare in VARIABLES:
        return bare
    # Without the prefix, which makes all names alike.
    by_end = {known.removeprefix("LUMAWEB_"): known for known in VARIABLES}
    return by_end.get(did_you_mean(bare, by_end), "")
