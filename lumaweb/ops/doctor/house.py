"""What is on this machine: versions, settings, keys, space, static files."""

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
# The largest video that is saved has 2 GB, and is whole on this disk before it is moved to where it stays.
LEAST, COMFORTABLE = 3 * GB, 20 * GB


def versions() -> Iterator[Finding]:
    required = settings.BASE_DIR / "requirements.txt"
    missing, other = [], []
    # Those with a marker are for other machines.
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+) \\$", required.read_text(), re.MULTILINE
    ):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != version:
            other.append(f"{name} {installed} (tested with {version})")
    if missing:
        yield fail(f"Not installed: {', '.join(missing)}.", "Install requirements.txt again, then restart.")
    if other:
        yield warn(f"Other versions than the tested ones: {', '.join(other)}.", "Install requirements.txt again.")
    if not missing and not other:
        python, django = platform.python_version(), metadata.version("django")
        yield ok(f"Python {python}, Django {django}, Lumaweb {settings.VERSION}; all packages as pinned.")


def settings_() -> Iterator[Finding]:
    found = [*_of_the_settings(), *_of_django()]
    yield from found or [ok(f"Debugging is off; it answers to {', '.join(dict.fromkeys(settings.ALLOWED_HOSTS))}.")]


def _of_the_settings() -> Iterator[Finding]:
    beyond = not settings.ON_LOOPBACK
    bad = fail if beyond else warn
    if settings.DEBUG:
        yield bad("Debugging is on: an error shows code to whoever made it.", "Unset LUMAWEB_DEBUG.")
    if "*" in settings.ALLOWED_HOSTS:
        yield warn("It answers to any host name.", "Set LUMAWEB_ALLOWED_HOSTS to the names it has.")
    site = urlsplit(settings.SITE_URL).netloc
    if site and not validate_host(split_domain_port(site)[0], settings.ALLOWED_HOSTS):
        yield fail(
            f"Members use {settings.SITE_URL}, and Lumaweb does not answer to that name: mailed links fail.",
            "Add the name to LUMAWEB_ALLOWED_HOSTS, or correct LUMAWEB_SITE_URL.",
        )
    key = settings.SECRET_KEY
    if len(key) < 32 or len(set(key)) < 8:
        yield bad(
            "The secret key is short or simple, and could be guessed.",
            "Set LUMAWEB_SECRET_KEY to 32 random characters or more; everybody signs in once more then.",
        )
    if key in settings.ENCRYPTION_KEYS:
        yield warn("The secret key is an encryption key too.", "Give LUMAWEB_SECRET_KEY a value of its own.")
    if beyond and (settings.SITE_URL or settings.PUBLIC_URL) and not settings.BEHIND_TLS:
        yield warn(
            "The public address has no TLS: passwords and videos can be read on the way.",
            "Put a proxy with TLS in front, and say https:// in LUMAWEB_SITE_URL, else in LUMAWEB_PUBLIC_URL.",
        )
    if settings.BEHIND_TLS and not settings.TRUSTED_PROXIES:
        yield warn(
            "There is TLS, so there is a proxy, but LUMAWEB_TRUSTED_PROXIES is 0: all visitors count as one address, "
            "and one who guesses passwords keeps everybody waiting.",
            "Set LUMAWEB_TRUSTED_PROXIES to how many proxies are in front, usually 1.",
        )


def _of_django() -> Iterator[Finding]:
    for message in checks.run_checks(include_deployment_checks=not settings.ON_LOOPBACK):
        if message.is_silenced() or message.level < checks.WARNING or message.id == "security.W009":
            continue  # the last is the secret key, of which there is a sentence of ours
        what = fail if message.level >= checks.ERROR else warn
        yield what(f"{message.id}: {message.msg}", str(message.hint or "Django's documentation explains it."))


def keys() -> Iterator[Finding]:
    """Who may read the files that open everything."""
    open_to_others = []
    for name in ("secret-key", "encryption-keys"):
        path = settings.DATA_DIR / name
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            open_to_others.append(name)
    if open_to_others:
        places = " ".join(str(settings.DATA_DIR / name) for name in open_to_others)
        yield fail(f"Others on this machine can read {' and '.join(open_to_others)}.", f"chmod 600 {places}")
    if settings.DATA_DIR.stat().st_mode & stat.S_IRWXO:
        yield warn("Everybody on this machine can look into the data directory.", f"chmod o= {settings.DATA_DIR}")
    if not open_to_others:
        yield ok("The keys can be read by the owner only, or come from the environment.")


def space(least: int = LEAST, comfortable: int = COMFORTABLE) -> Iterator[Finding]:
    places = {"the data directory": settings.DATA_DIR, "the folder for temporary files": Path(tempfile.gettempdir())}
    if not settings.BUCKET:
        places["media"] = settings.MEDIA_ROOT
    if not settings.DATABASE_URL:
        places["the database"] = Path(settings.DATABASES["default"]["NAME"]).parent
    known: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for name, path in places.items():
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        device = there.stat().st_dev
        known.setdefault(device, []).append(name)
        free[device] = shutil.disk_usage(there).free
    for device, names in known.items():
        words = f"{free[device] / GB:.1f} GB are free for {' and '.join(names)}."
        mend = "Make room, or move it to a larger disk."
        if free[device] < least:
            yield fail(f"Only {words} Videos may not be saved.", mend)
        else:
            yield ok(words) if free[device] >= comfortable else warn(f"Only {words}", mend)


def static_files() -> Iterator[Finding]:
    if settings.DEBUG:
        yield ok("While debugging they are taken from where they are.")
        return
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    mend = "Run manage.py collectstatic --no-input, then restart."
    if not manifest.exists():
        yield fail("They were not collected: pages have no style.", mend)
        return
    source = max((path.stat().st_mtime for path in (settings.BASE_DIR / "static").rglob("*.*")), default=0)
    if source > manifest.stat().st_mtime:
        yield warn("They changed since they were collected.", mend)
    else:
        yield ok("They are collected.")
