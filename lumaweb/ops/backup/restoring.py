"""Restore an archive into an empty installation."""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from lumaweb.durability import sync_folder
from lumaweb.ops.migration_state import known_migrations
from videos.jobs import queue
from videos.media import storage
from videos.models import (
    ApiToken,
    Backup,
    Generation,
    HealthReport,
    Heartbeat,
    Invitation,
    Lease,
    Machine,
    Member,
    Share,
)

from . import postgresql, sqlite
from .archive import CHUNK_SIZE, KEYS, MEDIA, POSTGRESQL, SQLITE, HashingReader, read_manifest, unpack
from .errors import BackupFailed, RestoreRefused
from .manifest import Manifest, Report
from .store import MediaStore


def restore(archive: Path, *, store: Path | None = None, without_media: bool = False) -> Report:
    """Restore an archive into this installation, which must be stopped and empty.

    store: the folder of a scheduled backup's media; by default `media` beside the archive. Queued videos are held: they
    may have been sent, and charged, since the backup. Raises RestoreRefused, BackupFailed if a program of PostgreSQL
    fails, and OSError; then no media and no keys are left in place, and it can be repeated.
    """
    manifest = read_manifest(archive)
    # Without media in the archive, the installation keeps those it has.
    with_media = manifest.get("with_media", True) and not without_media
    _refuse_unless_empty(with_media)
    _check_versions(manifest)
    media = MediaStore(store or archive.parent / "media")
    if with_media:
        _check_store(media, manifest)
    with TemporaryDirectory(prefix=".lumaweb-restore-", dir=settings.DATA_DIR) as folder, ExitStack() as undo:
        staged = Path(folder)
        unpack(archive, manifest, staged)
        report = Report(manifest["counts"], manifest["remarks"], manifest["with_keys"], with_media)
        if connection.vendor == "sqlite":
            with sqlite.database_at(staged / SQLITE):
                _update(report)
        # The database comes last: a process that starts before that finds an installation without members.
        if with_media:
            _place_media(staged, manifest, media, undo)
        encryption_keys_changed = _place_keys(staged, report, undo)
        _refuse_database_in_use()
        if connection.vendor == "sqlite":
            sqlite.replace(staged / SQLITE)
        else:
            hold = f"UPDATE public.{Generation._meta.db_table} SET held_at = now() WHERE state = 'queued'"
            postgresql.load(staged / POSTGRESQL, then=hold)
            _update_loaded_database(report)
        undo.pop_all()
    sync_folder(settings.DATA_DIR)
    if not encryption_keys_changed:
        _report_unreadable_tokens(report)
    return report


# ── Checks ────────────────────────────────────────────────────────────────────────────────────────────────────


def _refuse_unless_empty(with_media: bool) -> None:
    """Raise RestoreRefused if there is anything that a restore could hide, overwrite or disturb."""
    if with_media and any(next(storage.list_files(folder), None) for folder in ("videos", "frames")):
        raise RestoreRefused(
            "There are media files already, and a restore never replaces any. Restore into a new, empty data directory "
            "(LUMAWEB_DATA_DIR) or, if LUMAWEB_S3_BUCKET is set, into an empty bucket or another LUMAWEB_S3_PREFIX; or "
            "move the files away first."
        )
    _refuse_database_in_use()


def _refuse_database_in_use() -> None:
    tables = set(connection.introspection.table_names())
    if tables and connection.vendor == "postgresql":
        raise RestoreRefused("This database has tables already. Create an empty one and name it in DATABASE_URL.")
    if Member._meta.db_table in tables and (Member.objects.exists() or Generation.objects.exists()):
        raise RestoreRefused(
            "There are members or videos in this database already, and a restore never replaces any. Restore into a "
            "new, empty data directory (LUMAWEB_DATA_DIR) or database (DATABASE_URL)."
        )
    if Heartbeat._meta.db_table in tables and Heartbeat.objects.recent().exists():
        raise RestoreRefused("This installation is running, or was a minute ago. Stop it first, then try again.")


def _check_versions(manifest: Manifest) -> None:
    if manifest["database"] != connection.vendor:
        raise RestoreRefused(
            f"This backup is of a {manifest['database']} database and this installation uses {connection.vendor}. "
            "Restore it into an installation with the same kind of database (DATABASE_URL)."
        )
    if (SQLITE if connection.vendor == "sqlite" else POSTGRESQL) not in manifest["members"]:
        raise RestoreRefused("The archive holds no database.")
    known = {f"{app}.{name}" for app, name in known_migrations()}
    apps = {name.partition(".")[0] for name in known}
    if newer := [name for name in manifest["migrations"] if name not in known and name.partition(".")[0] in apps]:
        raise RestoreRefused(f"This backup was made by a newer Lumaweb ({newer[-1]}). Update this one first.")


def _check_store(store: MediaStore, manifest: Manifest) -> None:
    """Raise RestoreRefused if the store lacks media of the manifest; their content is checked when it is copied."""
    stored = manifest.get("stored_media", {})
    if bad_name := next((name for name in stored if not MEDIA.fullmatch(f"media/{name}")), None):
        raise RestoreRefused(f"The archive names a file that no backup has: {bad_name[:200]!r}")
    missing = [name for name, member in stored.items() if not store.has(member)]
    if missing:
        raise RestoreRefused(
            f"{len(missing)} of the {len(stored)} videos and frames of this backup are not in {store.folder}, such as "
            f"{missing[0]}. Keep the archive beside its folder media, or name that folder with --media. "
            "--without-media restores the database alone."
        )


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _place_media(staged: Path, manifest: Manifest, store: MediaStore, undo: ExitStack) -> None:
    """Move the media of the archive into the storage, and copy those of the store. Raises RestoreRefused, OSError."""
    placed: list[str] = []
    undo.callback(storage.delete_files, placed)
    for member in manifest["members"]:
        if match := MEDIA.fullmatch(member):
            storage.store_as(staged / member, match[1])
            placed.append(match[1])
    for name, expected in manifest.get("stored_media", {}).items():
        copy = staged / "copy"
        with store.path(expected["sha256"]).open("rb") as file, copy.open("xb") as target:
            reader = HashingReader(file)
            shutil.copyfileobj(reader, target, CHUNK_SIZE)
            target.flush()
            os.fsync(target.fileno())
        if reader.sha256.hexdigest() != expected["sha256"]:
            raise RestoreRefused(f"The store of the backup was changed or damaged: {expected['sha256']} ({name}).")
        storage.store_as(copy, name)
        copy.unlink(missing_ok=True)  # a bucket copies the file
        placed.append(name)


def _place_keys(staged: Path, report: Report, undo: ExitStack) -> bool:
    """Replace this installation's generated keys by those of the archive, and keep the former files beside them.

    Returns whether the encryption keys are other than those that this process has loaded.
    """
    loaded = {"secret-key": settings.SECRET_KEY, "encryption-keys": ",".join(settings.ENCRYPTION_KEYS)}
    encryption_keys_changed = False
    for member, file_name in KEYS.items():
        source, target = staged / member, settings.DATA_DIR / file_name
        if not source.exists() or source.read_text() == loaded[file_name]:
            continue
        if not target.exists() or target.read_text().strip() != loaded[file_name]:
            report.remarks.append(
                f"{file_name} was not restored: the environment sets another one, which takes precedence over the "
                "file. The backup's own is in the archive."
            )
            continue
        former = target.rename(settings.DATA_DIR / f"{file_name}.before-restore")
        undo.callback(former.replace, target)
        source.rename(target)
        encryption_keys_changed |= file_name == "encryption-keys"
    return encryption_keys_changed


# ── The database ──────────────────────────────────────────────────────────────────────────────────────────────


def _update(report: Report) -> None:
    """Migrate the restored database, and change what must not take effect a second time."""
    call_command("migrate", interactive=False, verbosity=0)
    held, unconfirmed = Generation.objects.hold_after_restore()
    queue.clear_queue()
    Heartbeat.objects.all().delete()
    Lease.objects.all().delete()
    Machine.objects.all().delete()
    HealthReport.objects.all().delete()
    Backup.objects.forget_under_way()
    shares, invitations = _revoke_access()
    report.counts |= {"held": held, "unconfirmed": unconfirmed, "shares": shares, "invitations": invitations}


def _update_loaded_database(report: Report) -> None:
    """Update a database that is in place already, and that only its owner may empty again."""
    try:
        _update(report)
    except Exception as error:
        raise BackupFailed(
            f"The database was loaded, but could not be brought up to date: {error} Do not use it: make a new, empty "
            "one and name it in DATABASE_URL."
        ) from error


def _revoke_access() -> tuple[int, int]:
    """End all sessions, and revoke the share links and invitations, as some may have been revoked since the backup.

    Returns the numbers of revoked share links and invitations.
    """
    now = timezone.now()
    Session.objects.all().delete()
    open_ones = {"revoked_at": None, "expires_at__gt": now}
    shares = Share.objects.filter(**open_ones).update(revoked_at=now)
    invitations = Invitation.objects.filter(accepted_at=None, **open_ones).update(revoked_at=now)
    return shares, invitations


def _report_unreadable_tokens(report: Report) -> None:
    if unreadable := [token.name for token in ApiToken.objects.unreadable()]:
        report.remarks.append(
            f"The encryption keys of this installation do not decrypt the API tokens {', '.join(unreadable)}. Put back "
            "the encryption keys they were stored with (the file encryption-keys or LUMAWEB_ENCRYPTION_KEYS), or enter "
            "the tokens again on the Provider page."
        )
