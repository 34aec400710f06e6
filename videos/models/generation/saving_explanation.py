"""Why a finished video is not saved, in words."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format

from ..policy.causes import FINISHED_CHARGED, Cause, Explanation
from ..policy.causes import SAVING as CAUSES
from ..state import Archive
from .fields import GenerationFields

LINK_LIVES = timedelta(days=30)  # from the end of the task; source: the Luma videos contract

WAIT = "Until it is saved here, open it at the provider."
REUSE = "To request it again, choose Reuse; the new video is charged too."


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
    parts = (cause.text, row.archive_message, progress, link_expiry(row), FINISHED_CHARGED)
    author, others = _what_to_do(row)
    return Explanation(
        title,
        " ".join(filter(None, parts)),
        for_members=cause.for_members,
        for_admins=cause.for_admins,
        for_author=author,
        for_others=others,
    )


def _what_to_do(row: GenerationFields) -> tuple[str, str]:
    """Return what the author or an admin can do, and what everybody else can."""
    until = _link_until(row)
    if until and until > timezone.now():
        if row.archive == Archive.REMOTE:
            return WAIT, WAIT
        return "Save it again, or open it at the provider and download it.", "Open it at the provider and download it."
    return REUSE, REUSE


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
