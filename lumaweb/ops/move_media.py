"""Copy the media from the folder into the bucket, or back. The originals stay until an admin removes them."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict, cast

from django.conf import settings
from django.core.files.storage import storages

from videos.media import storage
from videos.models import Generation, Heartbeat, HoldReason

from .backup import named_media

CHUNK_SIZE = 1024 * 1024  # bytes
JOURNAL = "move-media.journal"


class MoveRefused(Exception):
    """Nothing was copied; the message is for the admin."""


class Copied(TypedDict):
    size: int  # bytes
    sha256: str


class MediaMove:
    """Copy in one direction. `counts` has files by outcome (copied, there, missing, changed, different) and `bytes`."""

    def __init__(self, to_bucket: bool, log: Callable[[str], None]) -> None:
        bucket = settings.BUCKET
        if not bucket:
            raise MoveRefused("LUMAWEB_S3_BUCKET is not set, so there is no bucket: see docs/operator/storage.md.")
        self._to_bucket, self._log = to_bucket, log
        folder, object_storage = storages["folder"], storages["default"]
        self._source, self._target = (folder, object_storage) if to_bucket else (object_storage, folder)
        self._direction = {
            "to": "bucket" if to_bucket else "folder",
            "folder": str(settings.MEDIA_ROOT),
            "bucket": [bucket.endpoint, bucket.name, bucket.prefix],
        }
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Copy the files that the database names and the target lacks, and compare each by SHA-256. Raises OSError.

        Can be interrupted and run again: a file that the journal lists is not read again.
        """
        with self._journal() as (copied, record):
            for name, sha256, _ in named_media():
                if name in copied and self._target_has(name, copied[name]["size"]):
                    self.counts["there"] += 1
                elif entry := self._copy(name, sha256):
                    record(name, entry)

    @contextmanager
    def _journal(self) -> Iterator[tuple[dict[str, Copied], Callable[[str, Copied], None]]]:
        """Return the files that were copied in this direction before, and a function that adds one to the journal."""
        path = settings.DATA_DIR / JOURNAL
        copied: dict[str, Copied] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        if is_continued := bool(lines) and _parse(lines[0]) == self._direction:
            # An interruption may have cut off the last line.
            entries = [entry for entry in map(_parse, lines[1:]) if "name" in entry]
            copied = {entry["name"]: cast(Copied, entry) for entry in entries}
        with path.open("a" if is_continued else "w", buffering=1) as journal:
            journal.write("\n" if is_continued else json.dumps(self._direction) + "\n")
            yield copied, lambda name, entry: print(json.dumps({"name": name, **entry}), file=journal)

    def _target_has(self, name: str, size: int) -> bool:
        try:
            return self._target.size(name) == size
        except FileNotFoundError:
            return False

    def _copy(self, name: str, sha256: str) -> Copied | None:
        """Copy one file unless the target has it; return its journal entry, or None after logging a problem."""
        try:
            with self._local_source(name) as path:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if sha256 and found != sha256:
                    self._report("changed", name)
                    return None
                outcome, in_target = "there", self._hash_in_target(name)
                if in_target is None:
                    outcome = "copied"
                    self._store(path, name)
                    in_target = self._hash_in_target(name)
                if in_target != found:
                    self._report("different", name)
                    return None
                size = path.stat().st_size
        except FileNotFoundError:
            # Saved since the bucket was set, or removed from the source after it was copied.
            in_target = self._hash_in_target(name)
            if not in_target or in_target != (sha256 or in_target):
                self._report("missing", name)
                return None
            outcome, found, size = "there", in_target, self._target.size(name)
        self.counts[outcome] += 1
        self.counts["bytes"] += size if outcome == "copied" else 0
        return {"size": size, "sha256": found}

    @contextmanager
    def _local_source(self, name: str) -> Iterator[Path]:
        """Yield the path of the file in the folder, or of a temporary copy from the bucket; raise FileNotFoundError."""
        if self._to_bucket:
            yield Path(self._source.path(name))
            return
        incoming = storage.incoming_folder()
        with self._source.open(name, "rb") as file, TemporaryDirectory(dir=incoming) as folder:
            path = Path(folder, "copy")
            with path.open("xb") as copy:
                shutil.copyfileobj(file, copy, CHUNK_SIZE)
            yield path

    def _store(self, path: Path, name: str) -> None:
        if self._to_bucket:
            storage.store_as(path, name, self._target)
            return
        # The folder takes the file itself, and `_copy` still needs its size: give away a hard link.
        link = path.with_name("link")
        link.hardlink_to(path)
        storage.store_as(link, name, self._target)
        storage.flush_to_disk(name, self._target)

    def _hash_in_target(self, name: str) -> str | None:
        try:
            with self._target.open(name, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    def _report(self, problem: str, name: str) -> None:
        self.counts[problem] += 1
        self._log(f"{problem}: {name}")


def hold_queue() -> int:
    """Hold the queued videos until an admin has checked that the media are found; return how many."""
    if Heartbeat.objects.recent().exists():
        raise MoveRefused("This installation is running, or was a minute ago. Stop it first, then try again.")
    return Generation.objects.hold(HoldReason.MEDIA)


def _parse(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:
        return {}
