"""Checks of this machine: versions, settings, keys, disk space and static files."""

import platform
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import split_domain_port, validate_host

from .findings import Finding, fail, ok, warn

GB = 1024**3
# A saved video may have 2 GB, and is complete on this disk before it moves to the storage.
MIN_FREE, LOW_FREE = 3 * GB, 20 * GB
FULL = 100 * 1024**2  # bytes; SQLite and the logs need some room too
STORAGE_PAGE = "storage"


def versions() -> Iterator[Finding]:
    """Compare the installed packages with requirements.txt."""
    requirements = (settings.BASE_DIR / "requirements.txt").read_text()
    missing, different = [], []
    # Packages with an environment marker do not match, as they may not be for this machine.
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+) \\$", requirements, re.MULTILINE):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != version:
            different.append(f"{name} {installed} (tested with {version})")
    if missing:
        yield fail(
            "packages-missing",
            "Packages are missing",
            f"Not installed: {', '.join(missing)}.",
            "Install requirements.txt again, then restart.",
        )
    if different:
        yield warn(
            "packages-differ",
            "Packages have untested versions",
            f"Versions other than the tested ones: {', '.join(different)}.",
            "Install requirements.txt again, then restart.",
        )
    if not missing and not different:
        python, django = platform.python_version(), metadata.version("django")
        yield ok(f"Python {python}, Django {django}, Lumaweb {settings.VERSION}; all packages as pinned.")


# Django's checks of what `_settings` checks too: the secret key; redirects and cookies without TLS.
SECRET_KEY_CHECK = "security.W009"
TLS_CHECKS = {f"security.{number}" for number in ("W004", "W008", "W010", "W012", "W016")}


def configuration() -> Iterator[Finding]:
    """Check the settings, and run Django's system checks."""
    findings = [*_settings(), *_system_checks()]
    hosts = ", ".join(dict.fromkeys(settings.ALLOWED_HOSTS))
    yield from findings or [ok(f"Debug mode is off; Lumaweb serves the hosts {hosts}.")]


def _settings() -> Iterator[Finding]:
    is_public = not settings.ON_LOOPBACK
    bad = fail if is_public else warn
    if settings.DEBUG:
        yield bad(
            "debug-mode",
            "Debug mode is on",
            "Debug mode is on: error pages show code to every visitor.",
            "Unset LUMAWEB_DEBUG.",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield warn(
            "any-host",
            "Any host name is served",
            "Lumaweb serves any host name. Links in pages could lead elsewhere.",
            "Set LUMAWEB_ALLOWED_HOSTS to the names it has.",
        )
    site = urlsplit(settings.SITE_URL).netloc
    if site and not validate_host(split_domain_port(site)[0], settings.ALLOWED_HOSTS):
        yield fail(
            "site-host",
            "The members' address is not served",
            f"Members use {settings.SITE_URL}, but Lumaweb does not serve that host: links in mails fail.",
            "Add the name to LUMAWEB_ALLOWED_HOSTS, or correct LUMAWEB_SITE_URL.",
        )
    key = settings.SECRET_KEY
    if len(key) < 32 or len(set(key)) < 8:
        yield bad(
            "secret-key-weak",
            "The secret key is weak",
            "The secret key is short or simple, and could be guessed.",
            "Set LUMAWEB_SECRET_KEY to at least 32 random characters; all members then sign in again.",
        )
    if key in settings.ENCRYPTION_KEYS:
        yield warn(
            "secret-key-shared",
            "One key has two uses",
            "The secret key is also an encryption key.",
            "Set LUMAWEB_SECRET_KEY to another value.",
        )
    if is_public and not settings.BEHIND_TLS:
        where = "The public address" if settings.SITE_URL or settings.PUBLIC_URL else "The local network"
        yield warn(
            "no-tls",
            "The connection is not encrypted",
            f"{where} has no TLS: others on the network can read passwords and videos.",
            "Put a proxy with TLS in front and set LUMAWEB_SITE_URL to its https:// address, or use Lumaweb only on a "
            "network that you trust.",
        )
    if settings.BEHIND_TLS and not settings.TRUSTED_PROXIES:
        yield warn(
            "trusted-proxies",
            "All visitors count as one address",
            "There is TLS, so there is a proxy, but LUMAWEB_TRUSTED_PROXIES is 0: all visitors count as one address, "
            "and wrong passwords of one of them lock out all.",
            "Set LUMAWEB_TRUSTED_PROXIES to the number of proxies in front, usually 1.",
        )


def _system_checks() -> Iterator[Finding]:
    for message in checks.run_checks(include_deployment_checks=not settings.ON_LOOPBACK):
        if message.is_silenced() or message.level < checks.WARNING or message.id == SECRET_KEY_CHECK:
            continue
        if message.id in TLS_CHECKS and not settings.BEHIND_TLS:
            continue
        level = fail if message.level >= checks.ERROR else warn
        yield level(
            str(message.id),
            "A setting is not safe" if level is warn else "A setting is wrong",
            f"{message.id}: {message.msg}",
            str(message.hint or "See Django's documentation of this check."),
        )


def keys() -> Iterator[Finding]:
    """Check who can read the generated keys."""
    readable = []
    for name in ("secret-key", "encryption-keys"):
        path = settings.DATA_DIR / name
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            readable.append(name)
    if readable:
        paths = " ".join(str(settings.DATA_DIR / name) for name in readable)
        yield fail(
            "keys-readable",
            "Other users of the machine can read the keys",
            f"Other users of this machine can read {' and '.join(readable)}.",
            f"chmod 600 {paths}",
        )
    if settings.DATA_DIR.exists() and settings.DATA_DIR.stat().st_mode & stat.S_IRWXO:
        yield warn(
            "data-readable",
            "Other users of the machine have access to the data",
            "All users of this machine have access to the data directory.",
            f"chmod o= {settings.DATA_DIR}",
        )
    if not readable:
        yield ok("Only their owner can read the keys, or they come from the environment.")


def disk_space(minimum: int = MIN_FREE, low: int = LOW_FREE) -> Iterator[Finding]:
    """Check the free space, in bytes, of each disk that Lumaweb writes to."""
    folders = {"the data directory": settings.DATA_DIR, "temporary files": Path(tempfile.gettempdir())}
    if not settings.BUCKET:
        folders["media"] = settings.MEDIA_ROOT
    if not settings.DATABASE_URL:
        folders["the database"] = Path(settings.DATABASES["default"]["NAME"]).parent
    if settings.BACKUP_DIR is not None:
        folders["backups"] = settings.BACKUP_DIR
    uses: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for use, path in folders.items():
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        device = existing.stat().st_dev
        uses.setdefault(device, []).append(use)
        free[device] = shutil.disk_usage(existing).free
    for device, names in uses.items():
        message = f"{free[device] / GB:.1f} GB are free for {' and '.join(names)}."
        fix = "Empty the trash or free some other space, or move it to a larger disk."
        if free[device] < FULL:
            yield fail("disk-full", "The disk is full", f"Only {message} Nothing can be saved.", fix, STORAGE_PAGE)
        elif free[device] < minimum:
            title = "The disk is almost full"
            yield fail("disk-almost-full", title, f"Only {message} Videos may not be saved.", fix, STORAGE_PAGE)
        elif free[device] < low:
            yield warn("disk-low", "Disk space is running low", f"Only {message}", fix, STORAGE_PAGE)
        else:
            yield ok(message)


def static_files() -> Iterator[Finding]:
    """Check that the static files were collected after their last change."""
    if settings.DEBUG:
        yield ok("Debug mode serves them from their sources.")
        return
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    fix = "Run manage.py collectstatic --no-input, then restart."
    if not manifest.exists():
        yield fail("static-missing", "Pages have no styles", "They were not collected: pages have no styles.", fix)
        return
    changed_at = max((path.stat().st_mtime for path in (settings.BASE_DIR / "static").rglob("*.*")), default=0)
    if changed_at > manifest.stat().st_mtime:
        yield warn("static-outdated", "Pages have outdated styles", "They changed after they were collected.", fix)
    else:
        yield ok("They are collected.")
