"""Why a finished video is not saved, in words."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format

from ..state import Archive
from .explanation import Explanation
from .fields import GenerationFields

LINK_LIVES = timedelta(days=30)  # from the end of the task; source: the Luma videos contract


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason why a video is not saved.

    text: for members; "" if the error's own message says it. advice: what to do. for_admins: for admins only.
    """

    text: str = ""
    advice: str = ""
    for_admins: str = ""


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


def explain_saving(row: GenerationFields) -> Explanation | None:
    """Explain what keeps a finished video from being saved; None if nothing does."""
    if row.archive not in (Archive.REMOTE, Archive.LOST) or not (row.archive_error or row.archive == Archive.LOST):
        return None
    cause = CAUSES.get(row.archive_error, Cause())
    if row.archive == Archive.REMOTE:
        tries = "once" if row.archive_attempts == 1 else f"{row.archive_attempts} times"
        title, progress = "Not saved yet", f"Tried {tries}; {_next_attempt(row)}."
    else:
        title = "Set aside" if row.archive_error == "stops_worker" else "The video could not be saved here"
        progress = "" if row.archive_error else "Its events say why."
    parts = (cause.text, row.archive_message, progress, link_expiry(row))
    return Explanation(title, " ".join(filter(None, parts)), cause.advice, cause.for_admins)


def link_expiry(row: GenerationFields) -> str:
    """Say until when the provider's link to an unsaved video works; "" if there is no link."""
    until = _link_until(row)
    if not until:
        return ""
    day = date_format(timezone.localtime(until), "j F")
    works = until > timezone.now()
    return f"The provider's link works until {day}." if works else f"The provider's link ended on {day}."


def _link_until(row: GenerationFields) -> datetime | None:
    unsaved = row.archive in (Archive.REMOTE, Archive.LOST)
    return row.finished_at + LINK_LIVES if unsaved and row.finished_at and row.video_url else None


def _next_attempt(row: GenerationFields) -> str:
    if row.archive_worker or not row.archive_at or row.archive_at <= timezone.now():
        return "the next attempt is due"
    return f"next attempt on {date_format(timezone.localtime(row.archive_at), 'j F, H:i')}"
