import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.utils import timezone

from lumaweb.locked_command import LockedCommand
from videos.media import files
from videos.media.decoding.client import check_video
from videos.media.decoding.errors import Busy, NotAVideo
from videos.models import Frame, Generation
from videos.models.generation.queryset import in_batches

BATCH = 500
# A file is in place before its row says so, and a download under way has no row yet.
YOUNG = timedelta(hours=1)


class Command(LockedCommand):
    help = (
        "Read every saved file again: compare videos with their SHA-256 and check that they are whole, look whether "
        "the other files are there, then look for files nobody names. Ends with 1 where anything is wrong."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="Have videos whose file is missing, changed or incomplete saved again from the provider, "
            "by the next sweep.",
        )

    def handle(self, *args, repair: bool, **options) -> None:
        self.found: Counter[str] = Counter()
        self.expected: dict[str, str] = {}
        try:
            self.look_at_all(repair)
        except (OSError, Busy) as error:
            # A storage that does not answer has lost nothing: no word about what was not seen.
            raise CommandError(f"The media could not be read to the end, so this says nothing: {error}") from None
        found = self.found
        self.stdout.write(
            f"Videos good: {found['good']}, changed: {found['changed']}, incomplete: {found['incomplete']}. "
            f"Files missing: {found['missing']}, orphans: {found['orphan']}."
        )
        if repair:
            self.stdout.write(
                f"To be saved again: {found['repaired']}. Cannot be, without a link: {found['hopeless']}."
            )
        if any(found[problem] for problem in ("missing", "changed", "incomplete", "orphan")):
            sys.exit(1)

    def look_at_all(self, repair: bool) -> None:
        for generation in in_batches(Generation.objects.filter(archive="saved"), BATCH):
            self.look_at(generation, repair)
        for frame in in_batches(Frame.objects.exclude(file=""), BATCH):
            self.expect(frame.file.name, f"frame {frame.uuid}")
        self.look_for_the_expected()
        for name in orphans():
            self.say("orphan", f"{name} (no row names it)")

    def look_at(self, generation: Generation, repair: bool) -> None:
        problem, detail = problem_of(generation)
        if problem:
            stored = generation.video_file.name, generation.sha256
            generation.refresh_from_db()
            if (generation.video_file.name, generation.sha256) != stored or generation.archive != "saved":
                return  # purged or saved anew while we were reading
            self.say(problem, f"{stored[0]} (video {generation.uuid}){f': {detail}' if detail else ''}")
            if repair:
                why = detail or f"The file is {problem}."
                self.found["repaired" if generation.unsave(why) else "hopeless"] += 1
        else:
            self.found["good"] += 1
        for name in (generation.thumbnail_file.name, generation.poster_file.name):
            if name:
                self.expect(name, f"video {generation.uuid}")

    def expect(self, name: str, of: str) -> None:
        self.expected[name] = of
        if len(self.expected) == BATCH:
            self.look_for_the_expected()

    def look_for_the_expected(self) -> None:
        """Look for many at once: in a bucket each is a question over the network."""
        there = files.sizes(self.expected)
        for name, of in self.expected.items():
            if name not in there:
                self.say("missing", f"{name} ({of})")
        self.expected.clear()

    def say(self, what: str, line: str) -> None:
        self.found[what] += 1
        self.stdout.write(f"{what}: {line}")


def problem_of(generation: Generation) -> tuple[str, str]:
    """Return "missing", "changed" or "incomplete" for a saved video, "" if it is good, and more about it, if known."""
    if not generation.video_file:
        return "missing", ""
    try:
        with files.on_disk(generation.video_file) as (path, sha256):
            if sha256 != generation.sha256:
                return "changed", ""
            check_video(path)
    except FileNotFoundError:
        return "missing", ""
    except NotAVideo as reason:
        return "incomplete", str(reason)
    return "", ""


def orphans() -> Iterator[str]:
    """Files that no row names, but for very young ones."""
    before = timezone.now() - YOUNG
    names = files.names()
    while batch := list(islice(names, BATCH)):
        named = set(Frame.objects.filter(file__in=batch).values_list("file", flat=True))
        for field in ("video_file", "thumbnail_file", "poster_file"):
            named.update(Generation.objects.filter(**{f"{field}__in": batch}).values_list(field, flat=True))
        for name in batch:
            if name not in named and is_older(name, before):
                yield name


def is_older(name: str, before) -> bool:
    try:
        return default_storage.get_modified_time(name) < before
    except FileNotFoundError:
        return False
