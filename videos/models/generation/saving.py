"""Saving a finished video in Lumaweb's storage."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from ... import provider
from ..member import Member
from ..orphaned_file import OrphanedFile
from ..state import Archive, State, nearest_ratio
from .transition import Transitions

TASKS_KEPT = timedelta(hours=24)  # after which the provider may forget a task
WORKERS_STOPPED_AT_MOST = 2  # by one file, before Lumaweb stops trying to save it
READING = "/reading"  # the suffix of the worker's name while it reads the downloaded file

# The values of an attempt that has ended.
NO_ATTEMPT: dict[str, Any] = {"archive_worker": "", "archive_error": "", "archive_message": ""}
# The values of a row whose result was not its own.
NO_RESULT: dict[str, Any] = dict.fromkeys(
    ("result_channel", "task_id", "task_id_channel", "video_id", "video_url", "thumbnail_url", "result_prompt"), ""
)


class Saving(Transitions):
    class Meta:
        abstract = True

    # ── The lease of a worker ─────────────────────────────────────────────────────────────────────────────────

    def begin_saving(self, seconds: float, worker: str = "") -> bool:
        """Lease the saving to a worker for `seconds`; return False if another has it, or if nothing is left to save.

        The attempt counts from here, so that an attempt in which the worker dies counts too.
        """
        now = timezone.now()
        archive_at = now + timedelta(seconds=seconds)
        with transaction.atomic():
            due = type(self).objects.worth_saving(now).filter(pk=self.pk)
            began = due.update(archive_attempts=F("archive_attempts") + 1, archive_at=archive_at, archive_worker=worker)
        if began:
            self.archive_attempts += 1
            self.archive_at, self.archive_worker = archive_at, worker
        return bool(began)

    def renew_saving_lease(self, seconds: float) -> None:
        """Extend the lease of the worker that holds it."""
        mine = Q(archive=Archive.REMOTE, archive_worker__startswith=self.archive_worker.removesuffix(READING))
        type(self).objects.filter(mine, pk=self.pk).update(archive_at=timezone.now() + timedelta(seconds=seconds))

    def return_saving_lease(self, seconds: float) -> bool:
        """End an attempt that does not count, as its file could not be read yet, and retry in `seconds`."""
        mine = type(self).objects.filter(pk=self.pk, archive=Archive.REMOTE, archive_worker=self.archive_worker)
        with transaction.atomic():
            return bool(
                mine.update(
                    archive_attempts=F("archive_attempts") - 1,
                    archive_worker="",
                    archive_at=timezone.now() + timedelta(seconds=seconds),
                )
            )

    def postpone_saving(self, seconds: float) -> None:
        """Begin no attempt for `seconds`."""
        with transaction.atomic():
            due = type(self).objects.worth_saving().filter(pk=self.pk)
            due.update(archive_at=timezone.now() + timedelta(seconds=seconds))

    def mark_reading(self, reading: bool) -> None:
        """Record whether the worker reads the downloaded file: the step in which a file can kill it."""
        name = self.archive_worker.removesuffix(READING)
        name = f"{name}{READING}" if reading else name
        with transaction.atomic():
            type(self).objects.filter(pk=self.pk, archive_worker=self.archive_worker).update(archive_worker=name)
        self.archive_worker = name

    def record_worker_death(self) -> bool:
        """Count the death of the worker that saved this; return False if that was the last one allowed."""
        deaths = self.archive_deaths + 1
        same = Q(archive=Archive.REMOTE, archive_worker=self.archive_worker, archive_at__lte=timezone.now())
        if deaths < WORKERS_STOPPED_AT_MOST:
            self._transition(
                {State.COMPLETED},
                event="save_interrupted",
                text="The worker stopped while it saved this video.",
                condition=same,
                archive_deaths=deaths,
                **NO_ATTEMPT | {"archive_error": "interrupted"},
            )
            return True
        return not self._transition(
            {State.COMPLETED},
            event="set_aside",
            text=f"The worker stopped {deaths} times while it saved this video.",
            condition=same,
            archive=Archive.LOST,
            archive_at=None,
            archive_deaths=deaths,
            **NO_ATTEMPT | {"archive_error": "stops_worker"},
        )

    # ── The end of an attempt ─────────────────────────────────────────────────────────────────────────────────

    def saved(self, **facts: Any) -> bool:
        """Record the saved files and what was read from them; return False if they were saved before.

        facts: sha256 (hex), size_bytes, duration (s), and other columns.
        """
        if shape := nearest_ratio(facts.get("video_width"), facts.get("video_height")):
            facts = facts | {"shape": shape}
        kept = {facts.get(name) for name in ("video_file", "thumbnail_file", "poster_file")}
        replaced = [file for file in (self.video_file, self.thumbnail_file, self.poster_file) if file.name not in kept]
        return self._transition(
            {State.COMPLETED},
            event="saved",
            condition=Q(archive__in=[Archive.REMOTE, Archive.LOST]),
            # Files that `verify_media` found incomplete or changed.
            on_success=lambda: OrphanedFile.objects.mark(*replaced),
            archive=Archive.SAVED,
            archive_at=None,
            archive_deaths=0,
            **NO_ATTEMPT,
            **facts,
        )

    def save_failed(
        self, why: str, *, for_good: bool, retry_in: float, code: str = "unexpected", message: str = ""
    ) -> bool:
        """End an attempt that failed: retry in `retry_in` seconds, or mark the video as lost.

        `why` is the event's text, `message` is shown on the card, and `code` is one of `saving_explanation.CAUSES`.
        """
        return self._transition(
            {State.COMPLETED},
            event="lost" if for_good else "save_failed",
            text=why,
            # Unless it was deleted permanently or leased to another worker meanwhile.
            condition=Q(archive=Archive.REMOTE, archive_worker=self.archive_worker),
            archive=Archive.LOST if for_good else Archive.REMOTE,
            archive_at=None if for_good else timezone.now() + timedelta(seconds=retry_in),
            archive_worker="",
            archive_error=code,
            archive_message=message[:500],
        )

    def keep_incomplete(self, why: str) -> bool:
        """Keep the incomplete copy that an earlier version saved, as the whole file is no longer available."""
        return self._transition(
            {State.COMPLETED},
            event="kept_incomplete",
            text=why,
            condition=Q(archive=Archive.REMOTE, archive_worker=self.archive_worker) & ~Q(video_file=""),
            archive=Archive.SAVED,
            archive_at=None,
            **NO_ATTEMPT | {"archive_error": "incomplete"},
        )

    # ── Links, and saving again ───────────────────────────────────────────────────────────────────────────────

    def relink(self, result: provider.Result) -> bool:
        """Store a new link to a video that is not saved yet; return False if it is the known one."""
        if not result.video_url:
            return False
        return self._transition(
            {State.COMPLETED},
            event="relinked",
            condition=Q(archive=Archive.REMOTE) & ~Q(video_url=result.video_url),
            video_url=result.video_url,
            thumbnail_url=result.thumbnail_url or F("thumbnail_url"),
        )

    def revert_completion(self) -> bool:
        """Undo a completion by a callback that came before any answer, whose task the provider does not know.

        The callback was forged or was about another row's task; the true result may still come. Only while the provider
        certainly remembers its tasks: later it does not know a true one either.
        """
        young = Q(finished_at__gt=timezone.now() - TASKS_KEPT)
        return self._transition(
            {State.COMPLETED},
            event="foreign_news",
            condition=young & Q(archive=Archive.REMOTE, result_channel="callback", accepted_at__isnull=True),
            state=State.UNCONFIRMED,
            finished_at=None,
            error_code="no_answer",
            archive=Archive.NONE,
            archive_at=None,
            archive_worker="",
            **NO_RESULT,
        )

    def mark_unsaved(self, why: str) -> bool:
        """Save a video again whose file is missing, changed or incomplete; return False if no link is known."""
        return self._transition(
            {State.COMPLETED},
            event="unsaved",
            text=why,
            # Only the file that was checked: one that was saved again meanwhile has another name or hash.
            condition=Q(archive=Archive.SAVED, video_file=self.video_file.name, sha256=self.sha256) & ~Q(video_url=""),
            **_new_attempts(),
        )

    def save_again(self, member: Member) -> bool:
        """Save the video now, with all attempts, after the cause was fixed; return False if saving had not failed."""
        failed = Q(archive=Archive.LOST) | Q(archive=Archive.REMOTE, archive_worker="") & ~Q(archive_error="")
        return self._transition(
            {State.COMPLETED},
            event="unsaved",
            by=member,
            text="Save again.",
            condition=Q(purged_at__isnull=True) & failed & ~Q(video_url=""),
            **_new_attempts(),
        )


def _new_attempts() -> dict[str, Any]:
    return NO_ATTEMPT | {
        "archive": Archive.REMOTE,
        "archive_at": timezone.now(),
        "archive_attempts": 0,
        "archive_deaths": 0,
    }
