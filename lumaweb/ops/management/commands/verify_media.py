import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from lumaweb.locked_command import LockedCommand
from videos.media import storage
from videos.media.decoding.client import check_video
from videos.media.decoding.errors import Busy, NotAVideo
from videos.models import Frame, Generation
from videos.models.generation.queryset import in_batches

BATCH_SIZE = 500
# A file is stored before its row names it, and a running download has no row yet.
MIN_ORPHAN_AGE = timedelta(hours=1)


class Command(LockedCommand):
    help = (
        "Read every saved file: compare videos with their SHA-256 and check that they are complete, check that the "
        "other files exist, then find files that no row names. Exit status 1 if anything is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="Let the next sweep download videos again whose file is missing, changed or incomplete.",
        )

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.expected: dict[str, str] = {}  # the file's name: its owner
        try:
            self._verify(repair)
        except (OSError, Busy) as error:
            # The files may all be there: report no counts of a check that was not finished.
            raise CommandError(f"The check did not finish, so it shows nothing: {error}") from None
        counts = self.counts
        self.stdout.write(
            f"Videos good: {counts['good']}, changed: {counts['changed']}, incomplete: {counts['incomplete']}. "
            f"Files missing: {counts['missing']}, orphans: {counts['orphan']}."
        )
        if repair:
            self.stdout.write(
                f"To be saved again: {counts['repaired']}. Cannot be, without a link: {counts['unrepairable']}."
            )
        if any(counts[problem] for problem in ("missing", "changed", "incomplete", "orphan")):
            sys.exit(1)

    def _verify(self, repair: bool) -> None:
        for generation in in_batches(Generation.objects.filter(archive="saved"), BATCH_SIZE):
            self._verify_video(generation, repair)
        for frame in in_batches(Frame.objects.exclude(file=""), BATCH_SIZE):
            if frame.file.name:
                self._expect(frame.file.name, f"frame {frame.uuid}")
        self._report_missing()
        for name in orphaned_files():
            self._report("orphan", f"{name} (no row names it)")

    def _verify_video(self, generation: Generation, repair: bool) -> None:
        problem, detail = video_problem(generation)
        if problem:
            stored = generation.video_file.name, generation.sha256
            generation.refresh_from_db()
            if (generation.video_file.name, generation.sha256) != stored or generation.archive != "saved":
                return  # deleted or saved again meanwhile
            self._report(problem, f"{stored[0]} (video {generation.uuid}){f': {detail}' if detail else ''}")
            if repair:
                reason = detail or f"The file is {problem}."
                self.counts["repaired" if generation.mark_unsaved(reason) else "unrepairable"] += 1
        else:
            self.counts["good"] += 1
        for name in (generation.thumbnail_file.name, generation.poster_file.name):
            if name:
                self._expect(name, f"video {generation.uuid}")

    def _expect(self, name: str, owner: str) -> None:
        self.expected[name] = owner
        if len(self.expected) == BATCH_SIZE:
            self._report_missing()

    def _report_missing(self) -> None:
        """Check the expected files in one batch: in a bucket each is a request over the network."""
        existing = storage.file_sizes(self.expected)
        for name, owner in self.expected.items():
            if name not in existing:
                self._report("missing", f"{name} ({owner})")
        self.expected.clear()

    def _report(self, problem: str, line: str) -> None:
        self.counts[problem] += 1
        self.stdout.write(f"{problem}: {line}")


def video_problem(generation: Generation) -> tuple[str, str]:
    """Return "missing", "changed" or "incomplete" for a saved video, or "", and a reason if one is known."""
    if not generation.video_file:
        return "missing", ""
    try:
        with storage.local_copy(generation.video_file) as (path, sha256):
            if sha256 != generation.sha256:
                return "changed", ""
            check_video(path)
    except FileNotFoundError:
        return "missing", ""
    except NotAVideo as error:
        return "incomplete", str(error)
    return "", ""


def orphaned_files() -> Iterator[str]:
    """Yield the files that no row names, except for recent ones."""
    before = timezone.now() - MIN_ORPHAN_AGE
    names = storage.list_files()
    while batch := list(islice(names, BATCH_SIZE)):
        named = set(Frame.objects.filter(file__in=batch).values_list("file", flat=True))
        for field in ("video_file", "thumbnail_file", "poster_file"):
            named.update(Generation.objects.filter(**{f"{field}__in": batch}).values_list(field, flat=True))
        for name in batch:
            if name not in named and _is_older(name, before):
                yield name


def _is_older(name: str, before: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < before
    except FileNotFoundError:
        return False
