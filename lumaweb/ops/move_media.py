"""Media on their way from the folder into the bucket or back. What is moved stays where it was: an admin removes it."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.core.files.storage import storages

from videos.media import files
from videos.models import Generation, Heartbeat

from . import backup

PIECE = 1024 * 1024


class MoveRefused(Exception):
    """Nothing was moved; the message is for the admin."""


class Move:
    """One direction. found counts files: moved, there (already), missing, changed, different; and bytes moved."""

    def __init__(self, to_bucket: bool, say: Callable[[str], None]) -> None:
        if not settings.BUCKET:
            raise MoveRefused("LUMAWEB_S3_BUCKET is not set, so there is no bucket: see docs/operator/storage.md.")
        self.to_bucket, self.say = to_bucket, say
        ends = storages["folder"], storages["default"]
        self.source, self.target = ends if to_bucket else reversed(ends)
        bucket = settings.BUCKET
        self.way = {"to": "bucket" if to_bucket else "folder", "folder": str(settings.MEDIA_ROOT)}
        self.way |= {"bucket": [bucket.endpoint, bucket.name, bucket.prefix]}
        self.found: Counter[str] = Counter()

    def run(self) -> None:
        """Move what the database names and the target does not have, each compared by its SHA-256. Raises OSError.

        Stopped at any moment it goes on where it was; what was compared once is not read again.
        """
        with self._done() as (done, note):
            for name, sha256 in backup.named_media():
                if name in done and self._is_there(name, done[name]["size"]):
                    self.found["there"] += 1
                elif moved := self._move(name, sha256):
                    note(name, moved)

    @contextmanager
    def _done(self) -> Iterator[tuple[dict[str, dict], Callable[[str, dict], None]]]:
        """What was moved this way before, by the journal in the data directory, and how to add to it."""
        path = settings.DATA_DIR / "move-media.journal"
        done: dict[str, dict] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        if goes_on := bool(lines) and _read(lines[0]) == self.way:
            # The last line may have been cut off by what stopped us.
            done = {entry["name"]: entry for entry in map(_read, lines[1:]) if "name" in entry}
        with path.open("a" if goes_on else "w", buffering=1) as journal:
            journal.write("\n" if goes_on else json.dumps(self.way) + "\n")
            yield done, lambda name, entry: print(json.dumps({"name": name} | entry), file=journal)

    def _is_there(self, name: str, size: int) -> bool:
        try:
            return self.target.size(name) == size
        except FileNotFoundError:
            return False

    def _move(self, name: str, sha256: str) -> dict | None:
        """Move one file; what to note of it, or None where there is something to say about it."""
        try:
            with self._at_hand(name) as path:
                with path.open("rb") as file:
                    found = _hash(file)
                if sha256 and found != sha256:
                    return self._tell("changed", name)
                what, there = "there", self._hash_there(name)
                if there is None:
                    what = "moved"
                    self._put(path, name)
                    there = self._hash_there(name)
                if there != found:
                    return self._tell("different", name)
                size = path.stat().st_size
        except FileNotFoundError:
            # Saved since the bucket was set, or taken from its old place once it had been moved.
            there = self._hash_there(name)
            if not there or there != (sha256 or there):
                return self._tell("missing", name)
            what, found, size = "there", there, self.target.size(name)
        self.found[what] += 1
        self.found["bytes"] += size if what == "moved" else 0
        return {"size": size, "sha256": found}

    @contextmanager
    def _at_hand(self, name: str) -> Iterator[Path]:
        """The file on our disk: in the folder, or a copy of it from the bucket. Raises FileNotFoundError."""
        if self.to_bucket:
            yield Path(self.source.path(name))
            return
        folder = Path(settings.MEDIA_ROOT) / "incoming"
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with self.source.open(name, "rb") as file, TemporaryDirectory(dir=folder) as ours:
            path = Path(ours, "copy")
            with path.open("xb") as copy:
                shutil.copyfileobj(file, copy, PIECE)
            yield path

    def _put(self, path: Path, name: str) -> None:
        if self.to_bucket:
            files.put_in_place(path, name, self.target)
            return
        # The folder takes what it is given, and this copy's size is asked for afterwards: it gets a second name of it.
        second = path.with_name("second")
        second.hardlink_to(path)
        files.put_in_place(second, name, self.target)
        files.outlasts_a_power_cut(name, self.target)

    def _hash_there(self, name: str) -> str | None:
        try:
            with self.target.open(name, "rb") as file:
                return _hash(file)
        except FileNotFoundError:
            return None

    def _tell(self, what: str, name: str) -> None:
        """Count what is wrong with a file, and say it."""
        self.found[what] += 1
        self.say(f"{what}: {name}")


def hold_the_queue() -> int:
    """Have nothing sent until an admin has seen that the media are where they are looked for. Answers how many rows."""
    if Heartbeat.objects.lately().exists():
        raise MoveRefused("This installation is running, or was a minute ago. Stop it first, then try again.")
    return Generation.objects.hold()


def _read(line: str) -> dict:
    try:
        return json.loads(line)
    except ValueError:
        return {}


def _hash(file) -> str:
    sha256 = hashlib.sha256()
    while piece := file.read(PIECE):
        sha256.update(piece)
    return sha256.hexdigest()
