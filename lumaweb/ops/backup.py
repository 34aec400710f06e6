"""One archive of everything: the database, the media it names, and the keys if somebody asks for them.

Or of the database alone, where the media have a safe place of their own.

The archive is a plain tar: the database's snapshot first, then the files, and last a manifest with the SHA-256 of each
member. Contents are streamed both ways; only names and hashes are held in memory.
"""

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from videos.jobs import queue
from videos.media import files as media
from videos.models import ApiToken, Frame, Generation, Heartbeat, Invitation, Lease, Member, Share
from videos.models.generation.queryset import in_batches
from videos.models.token import TokenUnreadable

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MAX_BYTES = 512 * 1024**2
FILES_AT_MOST = 2_500_000  # of about 180 bytes each in the manifest
SQLITE, POSTGRESQL = "database.sqlite3", "database.pgdump"
KEYS = {"keys/secret-key": "secret-key", "keys/encryption-keys": "encryption-keys"}
# What a member may be called: these and nothing else, so that no name can lead anywhere.
MEDIA = re.compile(r"media/((?:videos|frames)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)")
PIECE = 1024 * 1024


class BackupFailed(Exception):
    """There is no archive; the message is for the admin."""


class RestoreRefused(Exception):
    """Nothing was restored; the message is for the admin."""


@dataclass
class Report:
    """What a backup holds, or a restore brought back; `remarks` are sentences for the admin."""

    counts: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    with_keys: bool = False
    with_media: bool = True


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────


def write(target: Path, *, with_keys: bool, with_media: bool = True) -> Report:
    """Write the archive, safe while everything runs; raise BackupFailed, OSError.

    It appears under its name only when it is whole, readable by its owner alone.
    """
    if target.exists():
        raise BackupFailed(f"{target} exists already. Name another file, or a folder: then the name gets the date.")
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        raise BackupFailed(f"There is no database at {connection.settings_dict['NAME']} yet.")
    if with_media:
        _refuse_too_many_files()
    report = Report(with_keys=with_keys, with_media=with_media)
    # Beside the target, where there has to be room anyway. The folder is ours alone (0700), and so is all in it.
    with TemporaryDirectory(prefix=".lumaweb-backup-", dir=target.parent) as folder:
        unfinished = Path(folder, "archive.tar")
        with _snapshot(Path(folder)) as snapshot, tarfile.open(unfinished, "x") as tar:
            archive = _Archive(tar)
            archive.add_file(snapshot, snapshot.name)
            if with_keys:
                archive.add_bytes(settings.SECRET_KEY.encode(), "keys/secret-key")
                archive.add_bytes(",".join(settings.ENCRYPTION_KEYS).encode(), "keys/encryption-keys")
            # The snapshot is older than this look at the files: what it names was there, unless purged since.
            for name, sha256 in named_media() if with_media else ():
                _add_media(archive, name, sha256, report)
            report.counts |= {
                "members": Member.objects.count(),
                "generations": Generation.objects.count(),
                "files": archive.media_files,
                "bytes": archive.media_bytes,
            }
            manifest = {
                "format": FORMAT,
                "product": "lumaweb",
                "created_at": timezone.now().isoformat(),
                "database": connection.vendor,
                "migrations": _applied(),
                "with_keys": with_keys,
                "with_media": with_media,
                "counts": report.counts,
                "remarks": report.remarks,
                "members": archive.members,
            }
            archive.add_bytes(json.dumps(manifest, indent=1).encode(), MANIFEST)
        unfinished.chmod(0o600)
        with unfinished.open("rb") as whole:
            os.fsync(whole.fileno())
        unfinished.rename(target)
        _sync(target.parent)
    return report


def _refuse_too_many_files() -> None:
    """Better now than after days of writing, or when the archive is needed and its manifest is more than is read."""
    files = 3 * Generation.objects.exclude(video_file="").count() + Frame.objects.exclude(file="").count()
    if files > FILES_AT_MOST:
        raise BackupFailed(
            f"There are {files:,} files, more than one archive can hold ({FILES_AT_MOST:,}). Use --without-media, and "
            "keep a copy of the folder or the bucket by its own means."
        )


def _sync(folder: Path) -> None:
    """Have a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Archive:
    """A tar being written, which remembers the size and the SHA-256 of what went in."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.members: dict[str, dict] = {}
        self.media_files = self.media_bytes = 0

    def add(self, file, size: int, name: str) -> str:
        """Add an open file of so many bytes; its SHA-256. Raises OSError where it turns out shorter."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o600, int(timezone.now().timestamp())
        hashed = _Hashed(file)
        self.tar.addfile(entry, hashed)
        self.tar.members.clear()  # tarfile keeps every header it wrote, for nothing
        self.members[name] = {"size": size, "sha256": hashed.sha256.hexdigest()}
        return self.members[name]["sha256"]

    def add_file(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self.add(file, path.stat().st_size, name)

    def add_bytes(self, data: bytes, name: str) -> None:
        self.add(io.BytesIO(data), len(data), name)


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.sha256.update(data)
        return data


def _add_media(archive: _Archive, name: str, sha256: str, report: Report) -> None:
    if f"media/{name}" in archive.members:
        return
    if not MEDIA.fullmatch(f"media/{name}"):
        report.remarks.append(f"left out, a name no restore would take: {name}")
        return
    try:
        file = default_storage.open(name, "rb")
    except FileNotFoundError:
        report.remarks.append(f"missing: {name}")
        return
    with file:
        found = archive.add(file, file.size, f"media/{name}")
        archive.media_files += 1
        archive.media_bytes += file.size
    if sha256 and found != sha256:
        report.remarks.append(f"changed since it was saved: {name}")


def named_media() -> Iterator[tuple[str, str]]:
    """The files the database names, each with the SHA-256 it must have, "" where none is known."""
    for row in in_batches(Generation.objects.only("video_file", "sha256", "thumbnail_file", "poster_file")):
        named = ((row.video_file, row.sha256), (row.thumbnail_file, ""), (row.poster_file, ""))
        yield from ((file.name, sha256) for file, sha256 in named if file)
    for frame in in_batches(Frame.objects.exclude(file="").only("file")):
        yield frame.file.name, ""


def _applied() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


@contextmanager
def _snapshot(folder: Path) -> Iterator[Path]:
    """Write the database as it is at one moment into a file; inside, the ORM reads that very moment."""
    if connection.vendor == "sqlite":
        path = folder / SQLITE
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=20)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            # In one step: in several, each write of the running installation would start it all over again. With a
            # write-ahead log a long reader keeps nobody from writing.
            source.backup(copy, pages=-1)
        with _database_at(path):
            pass  # leaves it as one file, without a log beside it
        with _database_at(path):
            yield path
        return
    path = folder / POSTGRESQL
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (moment,) = cursor.fetchone()
        _postgres("pg_dump", "--format=custom", "--no-owner", f"--snapshot={moment}", f"--file={path}")
        yield path


@contextmanager
def _database_at(path: Path) -> Iterator[None]:
    """Let Django work on another SQLite file for a while; afterwards all it wrote is in that one file."""
    home = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = path
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = home
        with closing(sqlite3.connect(path)) as plain:
            plain.execute("PRAGMA journal_mode=DELETE")


PG_NAMES = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL", "channel_binding": "PGCHANNELBINDING", "target_session_attrs": "PGTARGETSESSIONATTRS",
    "options": "PGOPTIONS", "service": "PGSERVICE", "passfile": "PGPASSFILE", "connect_timeout": "PGCONNECT_TIMEOUT",
}  # fmt: skip


def _postgres(program: str, *words: str) -> None:
    """Run one of PostgreSQL's programs on our database; the password goes by the environment, where nobody reads it."""
    there = connection.settings_dict
    env = {
        "PGDATABASE": there["NAME"],
        "PGUSER": there.get("USER"),
        "PGPASSWORD": there.get("PASSWORD"),
        "PGHOST": there.get("HOST"),
        "PGPORT": str(there.get("PORT") or ""),
    }
    # What else the address says, by the names that these programs know: a root certificate, say.
    env |= {PG_NAMES[name]: str(value) for name, value in there.get("OPTIONS", {}).items() if name in PG_NAMES}
    try:
        done = subprocess.run(
            [program, *words],
            env=os.environ | {name: value for name, value in env.items() if value},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise BackupFailed(f"{program} is not installed. It comes with PostgreSQL's client programs.") from None
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-500:]}")


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────


def restore(archive: Path) -> Report:
    """Bring an archive back into this installation, which has to be an empty one.

    Raises RestoreRefused, BackupFailed where PostgreSQL's programs fail, OSError; then nothing is left in place, and it
    can be tried again. What was waiting in the backup is held: it may have been sent, and paid for, since.
    """
    manifest = read_manifest(archive)
    # Those of an archive without media are where they always were.
    with_media = manifest.get("with_media", True)
    refuse_unless_empty(with_media)
    _check_versions(manifest)
    with TemporaryDirectory(prefix=".lumaweb-restore-", dir=settings.DATA_DIR) as folder, ExitStack() as undo:
        staged = Path(folder)
        unpack(archive, manifest, staged)
        report = Report(manifest["counts"], manifest["remarks"], manifest["with_keys"], with_media)
        if connection.vendor == "sqlite":
            with _database_at(staged / SQLITE):
                _settle_in(report)
        # The database is put in place last: what starts before that finds an installation without members.
        _put_media(staged, manifest, undo)
        keys_changed = _put_keys(staged, report, undo)
        _refuse_where_somebody_is()
        if connection.vendor == "sqlite":
            _replace_sqlite(staged / SQLITE)
        else:
            _load_postgresql(staged)
            _settle_in_after_loading(report)
        undo.pop_all()
    _sync(settings.DATA_DIR)
    if not keys_changed:
        _say_which_tokens_open(report)
    return report


def _put_media(staged: Path, manifest: dict, undo: ExitStack) -> None:
    """Put the media where they belong. Raises OSError."""
    placed: list[str] = []
    undo.callback(media.take_away, placed)
    for name in manifest["members"]:
        if matched := MEDIA.fullmatch(name):
            media.put_in_place(staged / name, matched[1])
            placed.append(matched[1])


def refuse_unless_empty(of_media: bool = True) -> None:
    """Raise RestoreRefused where there is anything a restore could hide, destroy or disturb."""
    if of_media and next((name for name in _all_media()), None):
        raise RestoreRefused(
            "There are media files here already, and a restore never replaces any. Restore into a new, empty data "
            "directory (LUMAWEB_DATA_DIR), or, where LUMAWEB_S3_BUCKET is set, into an empty bucket or another "
            "LUMAWEB_S3_PREFIX; or move these away first."
        )
    _refuse_where_somebody_is()


def _refuse_where_somebody_is() -> None:
    tables = set(connection.introspection.table_names())
    if tables and connection.vendor == "postgresql":
        raise RestoreRefused("This database has tables already. Make a new, empty one and let DATABASE_URL name it.")
    if Member._meta.db_table in tables and (Member.objects.exists() or Generation.objects.exists()):
        raise RestoreRefused(
            "There are members or videos in this database already, and a restore never replaces any. Restore into a "
            "new, empty data directory (LUMAWEB_DATA_DIR) or database (DATABASE_URL)."
        )
    if Heartbeat._meta.db_table in tables and Heartbeat.objects.lately().exists():
        raise RestoreRefused("This installation is running, or was a minute ago. Stop it first, then try again.")


def _all_media() -> Iterator[str]:
    yield from media.names("videos")
    yield from media.names("frames")


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive for reading; what is wrong with the file as such becomes RestoreRefused."""
    try:
        with tarfile.open(archive, "r:") as tar:
            yield tar
    except FileNotFoundError:
        raise RestoreRefused(f"There is no file {archive}.") from None
    except (tarfile.TarError, ValueError, OverflowError) as error:  # tarfile lets the latter two pass for odd headers
        raise RestoreRefused(f"{archive} cannot be read as a backup: {error}") from None


def read_manifest(archive: Path) -> dict:
    """What an archive says of itself; raise RestoreRefused, OSError."""
    with _opened(archive) as tar:
        entries = [entry for entry in _members(tar) if entry.name == MANIFEST]
        if len(entries) != 1 or entries[0].size > MANIFEST_MAX_BYTES:
            raise RestoreRefused("This is no backup of Lumaweb, or its end is missing: it has no manifest.")
        text = tar.extractfile(entries[0]).read()
    try:
        manifest = json.loads(text)
        readable = (
            manifest["product"] == "lumaweb"
            and isinstance(manifest["format"], int)
            and isinstance(manifest["database"], str)
            and isinstance(manifest["with_keys"], bool)
            and isinstance(manifest.get("with_media", True), bool)
            and isinstance(manifest["counts"], dict)
            and all(isinstance(name, str) for name in manifest["migrations"] + manifest["remarks"])
            and all(
                isinstance(member["size"], int) and re.fullmatch("[0-9a-f]{64}", member["sha256"])
                for member in manifest["members"].values()
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        readable = False
    if not readable:
        raise RestoreRefused("The manifest of this archive cannot be read.")
    if manifest["format"] > FORMAT:
        raise RestoreRefused("This backup was made by a newer Lumaweb. Update this one first.")
    return manifest


def unpack(archive: Path, manifest: dict, staged: Path) -> None:
    """Take out every member that the manifest names, each with its right hash; refuse whatever else there is."""
    seen = set()
    with _opened(archive) as tar:
        for entry in _members(tar):
            if entry.name == MANIFEST:
                continue
            if entry.name in seen:
                raise RestoreRefused(f"The archive holds something no backup of ours has: {entry.name!r} twice")
            seen.add(entry.name)
            if entry.name not in manifest["members"]:
                raise RestoreRefused(f"The manifest does not know this part of the archive: {entry.name}")
            _take_out(tar, entry, staged, manifest["members"][entry.name])
    if missing := manifest["members"].keys() - seen:
        raise RestoreRefused(f"The archive is not whole: {min(missing)} is missing ({len(missing)} in all).")


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of the archive; raise RestoreRefused at the first that `backup` would not have written.

    The product checks this itself, because Python has tarfile.data_filter from 3.11.4 only.
    """
    for entry in tar:
        named = entry.name in (SQLITE, POSTGRESQL, MANIFEST, *KEYS) or MEDIA.fullmatch(entry.name)
        # A sparse member counts as a regular file and could fill the disk from a few bytes. After a negative size
        # tarfile reads the same member again, without end.
        if not named or entry.type != tarfile.REGTYPE or entry.issparse() or entry.size < 0:
            raise RestoreRefused(f"The archive holds something no backup of ours has: {entry.name[:200]!r}")
        yield entry


def _take_out(tar: tarfile.TarFile, entry: tarfile.TarInfo, staged: Path, promised: dict) -> None:
    damaged = f"The archive was changed or damaged: {entry.name} is not what the manifest says."
    if entry.size != promised["size"]:  # before anything is written, since the disk may not hold it
        raise RestoreRefused(damaged)
    path = staged / entry.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = _Hashed(tar.extractfile(entry))
    with path.open("xb") as file:
        path.chmod(0o600)
        shutil.copyfileobj(source, file, PIECE)
        file.flush()
        os.fsync(file.fileno())
    if source.sha256.hexdigest() != promised["sha256"]:
        raise RestoreRefused(damaged)


def _check_versions(manifest: dict) -> None:
    if manifest["database"] != connection.vendor:
        raise RestoreRefused(
            f"This backup is of a {manifest['database']} database and this installation uses {connection.vendor}. "
            "Restore it where DATABASE_URL is of the same kind."
        )
    if (SQLITE if connection.vendor == "sqlite" else POSTGRESQL) not in manifest["members"]:
        raise RestoreRefused("The archive holds no database.")
    ours = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    ours_apps = {name.partition(".")[0] for name in ours}
    if newer := [name for name in manifest["migrations"] if name not in ours and name.partition(".")[0] in ours_apps]:
        raise RestoreRefused(f"This backup was made by a newer Lumaweb ({newer[-1]}). Update this one first.")


def _put_keys(staged: Path, report: Report, undo: ExitStack) -> bool:
    """Put the archive's keys where generated ones are read from; what was there is kept beside them.

    True where the encryption keys are others than those this process knows.
    """
    in_force = {"secret-key": settings.SECRET_KEY, "encryption-keys": ",".join(settings.ENCRYPTION_KEYS)}
    changed = False
    for member, file_name in KEYS.items():
        source, target = staged / member, settings.DATA_DIR / file_name
        if not source.exists() or source.read_text() == in_force[file_name]:
            continue
        if not target.exists() or target.read_text().strip() != in_force[file_name]:
            report.remarks.append(
                f"{file_name} was not restored: the environment sets another one here, and wins over the file. "
                "The backup's own is in the archive."
            )
            continue
        kept = target.rename(settings.DATA_DIR / f"{file_name}.before-restore")
        undo.callback(kept.replace, target)
        source.rename(target)
        changed |= file_name == "encryption-keys"
    return changed


def _settle_in(report: Report) -> None:
    """Bring the database up to date, and make sure that nothing in it is paid for a second time."""
    call_command("migrate", interactive=False, verbosity=0)
    held, doubted = Generation.objects.hold_after_restore()
    queue.clear_queue()
    Heartbeat.objects.all().delete()
    Lease.objects.all().delete()
    _close_doors(report)
    report.counts |= {"held": held, "unconfirmed": doubted}


def _settle_in_after_loading(report: Report) -> None:
    """The same in a database that is in place already, which nobody but its owner may empty again."""
    try:
        _settle_in(report)
    except Exception as error:
        raise BackupFailed(
            f"The database was loaded, but could not be brought up to date: {error} Do not use it: make a new, empty "
            "one and let DATABASE_URL name that."
        ) from error


def _close_doors(report: Report) -> None:
    """What was signed out, used or taken back since the backup must not open anything again."""
    now = timezone.now()
    Session.objects.all().delete()
    good = {"revoked_at": None, "expires_at__gt": now}
    shared = Share.objects.filter(**good).update(revoked_at=now)
    invited = Invitation.objects.filter(accepted_at=None, **good).update(revoked_at=now)
    report.counts |= {"shares": shared, "invitations": invited}


def _replace_sqlite(staged: Path) -> None:
    """Put the finished file in the place of the empty one."""
    home = Path(connection.settings_dict["NAME"])
    connection.close()
    for ending in ("-wal", "-shm"):
        # A log of the empty database must not be taken for one of this.
        home.with_name(home.name + ending).unlink(missing_ok=True)
    staged.chmod(0o600)  # the proxy may be in the group, for the videos
    staged.rename(home)


def _load_postgresql(staged: Path) -> None:
    """Load the dump in one transaction, at the end of which the queue is held already."""
    script = staged / "database.sql"
    # Without comments: one on an extension that a superuser made is not ours to write.
    bare = ("--no-owner", "--no-privileges", "--no-comments")
    _postgres("pg_restore", *bare, f"--file={script}", str(staged / POSTGRESQL))
    _for_an_older_server(script)
    hold = f"UPDATE public.{Generation._meta.db_table} SET held_at = now() WHERE state = 'queued'"
    connection.close()
    _postgres("psql", "-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-f", str(script), "-c", hold)


def _for_an_older_server(script: Path) -> None:
    """Comment out what programs of PostgreSQL 17 and newer write at the head, and servers before 17 do not know."""
    with script.open("r+b") as file:
        place = file.read(65_536).find(b"\nSET transaction_timeout")
        if place >= 0:
            file.seek(place + 1)
            file.write(b"--")


def _say_which_tokens_open(report: Report) -> None:
    shut = []
    for token in ApiToken.objects.all():
        try:
            token.secret  # noqa: B018  (reading it is what checks it)
        except TokenUnreadable:
            shut.append(token.name)
    if shut:
        report.remarks.append(
            f"The encryption keys of this installation do not open the API tokens {', '.join(shut)}. Put the "
            "encryption-keys they were stored with back (the file, or LUMAWEB_ENCRYPTION_KEYS), or enter the tokens "
            "again in the admin."
        )
