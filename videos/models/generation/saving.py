"""The saving of a finished video: the steps of its row, and what a card says while the video is not saved."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format

from ... import provider
from ..orphaned_file import OrphanedFile
from ..state import Archive, State, nearest_ratio
from .explanation import News

LINK_LIVES = timedelta(days=30)  # from the end of the task; source: the Luma videos contract
TASKS_KEPT = timedelta(hours=24)  # after which the provider may forget a task
WORKERS_STOPPED_AT_MOST = 2  # by one file, before it is set aside
READING = "/reading"  # what a worker adds to its name while it reads the downloaded file


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a video is not saved: `text` for members, "" where the error's own sentence says it; `admin` for admins."""

    text: str = ""
    who: str = ""
    admin: str = ""


_ADMIN = "An admin has to change that."
CAUSES = {
    "not_allowed": Cause(
        "",
        _ADMIN,
        "If the host is the provider's, add it to LUMAWEB_MEDIA_HOSTS and restart Lumaweb, then choose “Save again”. "
        "A redirect to a sign-in page comes from a proxy between Lumaweb and the provider.",
    ),
    "refused_link": Cause(
        "", "", "Lumaweb fetches http and https links on the usual ports at public addresses only: check the DNS."
    ),
    "no_access": Cause("", "", "A sign-in page or a proxy between Lumaweb and the provider may answer for its host."),
    "link_gone": Cause(),
    "server_error": Cause(),
    "unreachable": Cause("", "", "Check the network and the provider's status page."),
    "incomplete": Cause("", "", "A proxy between Lumaweb and the provider may cut downloads."),
    "not_a_video": Cause("", "", "A sign-in page or a proxy between Lumaweb and the provider may answer for its host."),
    "too_large": Cause(),
    "too_slow": Cause("Saving took too long and was stopped."),
    "storage_full": Cause(
        "The storage for videos is full.", _ADMIN, "Free space on the disk that holds the media; saving then continues."
    ),
    "storage_away": Cause(
        "The storage for videos cannot be written to.",
        _ADMIN,
        "Check the media folder or object storage: `manage.py doctor` tests it, and the video's page has the error.",
    ),
    "unexpected": Cause(
        "An error in Lumaweb stopped the saving.", "", "The log of the media worker has the traceback."
    ),
    "interrupted": Cause("The worker that saved it stopped.", "", "The log of the media worker may say why."),
    "stops_worker": Cause(
        "Its file stopped a worker each time it was saved, so Lumaweb does not try again automatically. "
        "Other videos are saved as usual.",
        "",
        "The log of the media worker says how it ended: too little memory, a crash, or its time limit.",
    ),
}


class Saving:
    """The steps of a `Generation` that concern the copy kept here."""

    def begin_saving(self, seconds: float, worker: str = "") -> bool:
        """Lease the saving to a worker for so many seconds; return False while another has it, or when it is done.

        The attempt counts from here, so that one that ends with its worker counts too.
        """
        now = timezone.now()
        due = type(self).objects.worth_saving(now).filter(pk=self.pk)
        lease = {"archive_at": now + timedelta(seconds=seconds), "archive_worker": worker}
        with transaction.atomic():
            began = due.update(archive_attempts=F("archive_attempts") + 1, **lease)
        if began:
            self.archive_attempts += 1
            for name, value in lease.items():
                setattr(self, name, value)
        return bool(began)

    def postpone_saving(self, seconds: float) -> None:
        """Leave the saving for so many seconds; this is no attempt."""
        with transaction.atomic():
            due = type(self).objects.worth_saving().filter(pk=self.pk)
            due.update(archive_at=timezone.now() + timedelta(seconds=seconds))

    def return_saving_lease(self, seconds: float) -> bool:
        """End an attempt whose file could not be read yet, and leave it for so many seconds; it does not count."""
        mine = type(self).objects.filter(pk=self.pk, archive=Archive.REMOTE, archive_worker=self.archive_worker)
        with transaction.atomic():
            return bool(
                mine.update(
                    archive_attempts=F("archive_attempts") - 1,
                    archive_worker="",
                    archive_at=timezone.now() + timedelta(seconds=seconds),
                )
            )

    def record_worker_death(self) -> bool:
        """The worker named in the row died while it saved this: count that; return False if it is set aside for it."""
        stopped = self.archive_deaths + 1
        same = Q(archive=Archive.REMOTE, archive_worker=self.archive_worker, archive_at__lte=timezone.now())
        if stopped < WORKERS_STOPPED_AT_MOST:
            self._advance(
                {State.COMPLETED},
                because="save_interrupted",
                text="The worker stopped while it saved this video.",
                only=same,
                archive_worker="",
                archive_deaths=stopped,
                archive_error="interrupted",
                archive_message="",
            )
            return True
        return not self._advance(
            {State.COMPLETED},
            because="set_aside",
            text=f"The worker stopped {stopped} times while it saved this video.",
            only=same,
            archive=Archive.LOST,
            archive_at=None,
            archive_worker="",
            archive_deaths=stopped,
            archive_error="stops_worker",
            archive_message="",
        )

    def renew_saving_lease(self, seconds: float) -> None:
        """Renew the lease of the worker that has it."""
        mine = Q(archive=Archive.REMOTE, archive_worker__startswith=self.archive_worker.removesuffix(READING))
        type(self).objects.filter(mine, pk=self.pk).update(archive_at=timezone.now() + timedelta(seconds=seconds))

    def mark_reading(self, reading: bool) -> None:
        """Note that the worker starts, or ends, to read the downloaded file: the step in which a file can kill it."""
        name = self.archive_worker.removesuffix(READING)
        name = f"{name}{READING}" if reading else name
        with transaction.atomic():
            type(self).objects.filter(pk=self.pk, archive_worker=self.archive_worker).update(archive_worker=name)
        self.archive_worker = name

    def relink(self, result: provider.Result) -> bool:
        """Take a fresh link to a video that is not saved yet; return False when it is the one we have."""
        if not result.video_url:
            return False
        return self._advance(
            {State.COMPLETED},
            because="relinked",
            only=Q(archive=Archive.REMOTE) & ~Q(video_url=result.video_url),
            video_url=result.video_url,
            thumbnail_url=result.thumbnail_url or F("thumbnail_url"),
        )

    def disown(self) -> bool:
        """Forget a callback that completed it, before any answer came, with a task its provider does not know.

        It was a lie, or about another's task: its link leads nowhere, and the true news may still come. Only while the
        provider surely remembers its tasks: later it knows nothing of a true one either.
        """
        young = Q(finished_at__gt=timezone.now() - TASKS_KEPT)
        return self._advance(
            {State.COMPLETED},
            because="foreign_news",
            only=young & Q(archive=Archive.REMOTE, via="callback", accepted_at__isnull=True),
            state=State.UNCONFIRMED,
            finished_at=None,
            error_code="no_answer",
            archive=Archive.NONE,
            archive_at=None,
            archive_worker="",
            **dict.fromkeys(
                ("via", "task_id", "task_via", "video_id", "video_url", "thumbnail_url", "result_prompt"), ""
            ),
        )

    def unsave(self, why: str) -> bool:
        """The saved file is missing, changed or incomplete: save it again; False where no link is known."""
        return self._advance(
            {State.COMPLETED},
            because="unsaved",
            text=why,
            # Only what was looked at: a file that was saved anew meanwhile has another name or hash.
            only=Q(archive=Archive.SAVED, video_file=self.video_file.name, sha256=self.sha256) & ~Q(video_url=""),
            **self._afresh(),
        )

    def saved(self, **facts) -> bool:
        """The files are in place: sha256 (hex), size_bytes, duration (s); False when they were before."""
        shape = nearest_ratio(facts.get("video_width"), facts.get("video_height"))
        if shape:
            facts["shape"] = shape
        kept = {facts.get(name) for name in ("video_file", "thumbnail_file", "poster_file")}
        replaced = [file for file in (self.video_file, self.thumbnail_file, self.poster_file) if file.name not in kept]
        return self._advance(
            {State.COMPLETED},
            because="saved",
            only=Q(archive__in=[Archive.REMOTE, Archive.LOST]),
            # What `verify_media` found cut or changed; no row names it any more.
            along=lambda: OrphanedFile.objects.mark(*replaced),
            archive=Archive.SAVED,
            archive_at=None,
            archive_worker="",
            archive_deaths=0,
            archive_error="",
            archive_message="",
            **facts,
        )

    def save_again(self, member) -> bool:
        """Save it now, with all attempts: what kept it from being saved was changed. False where nothing failed."""
        return self._advance(
            {State.COMPLETED},
            because="unsaved",
            by=member,
            text="Save again.",
            only=Q(purged_at__isnull=True)
            & (Q(archive=Archive.LOST) | Q(archive=Archive.REMOTE, archive_worker="") & ~Q(archive_error=""))
            & ~Q(video_url=""),
            **self._afresh(),
        )

    def _afresh(self) -> dict:
        return {
            "archive": Archive.REMOTE,
            "archive_at": timezone.now(),
            "archive_attempts": 0,
            "archive_worker": "",
            "archive_deaths": 0,
            "archive_error": "",
            "archive_message": "",
        }

    def save_failed(
        self, why: str, *, for_good: bool, retry_in: float, code: str = "unexpected", message: str = ""
    ) -> bool:
        """Saving did not work: try again in `retry_in` seconds, or say that the video is lost.

        `why` goes into the story, `message` onto the card; `code` is one of CAUSES.
        """
        return self._advance(
            {State.COMPLETED},
            because="lost" if for_good else "save_failed",
            text=why,
            # Not purged meanwhile, and not leased to another worker since.
            only=Q(archive=Archive.REMOTE, archive_worker=self.archive_worker),
            archive=Archive.LOST if for_good else Archive.REMOTE,
            archive_at=None if for_good else timezone.now() + timedelta(seconds=retry_in),
            archive_worker="",
            archive_error=code,
            archive_message=message[:500],
        )

    def keep_incomplete(self, why: str) -> bool:
        """The whole file cannot be had any more: keep the incomplete copy that an earlier version saved."""
        return self._advance(
            {State.COMPLETED},
            because="kept_incomplete",
            text=why,
            only=Q(archive=Archive.REMOTE, archive_worker=self.archive_worker) & ~Q(video_file=""),
            archive=Archive.SAVED,
            archive_at=None,
            archive_worker="",
            archive_error="incomplete",
            archive_message="",
        )

    # ── How it is shown ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def can_be_saved_again(self) -> bool:
        """Whether somebody may choose “Save again”."""
        waits = self.archive == Archive.REMOTE and self.archive_error
        return bool(self.state == State.COMPLETED and self.video_url and (waits or self.archive == Archive.LOST))

    @property
    def link_until(self) -> datetime | None:
        """When the provider's link to an unsaved video stops working, as far as is known."""
        unsaved = self.archive in (Archive.REMOTE, Archive.LOST)
        return self.finished_at + LINK_LIVES if unsaved and self.finished_at and self.video_url else None

    @property
    def link_words(self) -> str:
        """Until when the provider's link works, as a sentence; "" where there is none."""
        until = self.link_until
        if not until:
            return ""
        day = date_format(timezone.localtime(until), "j F")
        return (
            f"The provider's link works until {day}."
            if until > timezone.now()
            else f"The provider's link ended on {day}."
        )

    @property
    def saving_news(self) -> News | None:
        """What keeps a finished video from being saved; None while nothing does."""
        if self.archive not in (Archive.REMOTE, Archive.LOST) or not (
            self.archive_error or self.archive == Archive.LOST
        ):
            return None
        cause = CAUSES.get(self.archive_error, Cause())
        if self.archive == Archive.REMOTE:
            tries = "once" if self.archive_attempts == 1 else f"{self.archive_attempts} times"
            title, progress = "Not saved yet", f"Tried {tries}; {self._next_attempt()}."
        else:
            title = "Set aside" if self.archive_error == "stops_worker" else "The video could not be saved here"
            progress = "" if self.archive_error else "Its story says why."
        said = (cause.text, self.archive_message, progress, self.link_words)
        return News(title, " ".join(filter(None, said)), cause.who, cause.admin)

    def _next_attempt(self) -> str:
        if self.archive_worker or not self.archive_at or self.archive_at <= timezone.now():
            return "the next attempt is due"
        return f"next attempt on {date_format(timezone.localtime(self.archive_at), 'j F, H:i')}"
