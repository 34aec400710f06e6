"""Classify why a video could not be saved."""

import errno
from dataclasses import dataclass

from ..media import download
from ..media.decoding.errors import Incomplete, NotAVideo
from ..models.generation.saving_explanation import CAUSES

GONE_STATUSES = (400, 401, 403, 404, 410)  # of an expired link, depending on the vendor
# Causes that somebody else removes: the saving is retried without limit.
EXTERNAL_CAUSES = ("not_allowed", "refused_link", "storage_full", "storage_away")


class NotFetched(Exception):
    """The file could not be fetched; the message adds, in a sentence, what a fresh link led to."""

    def __init__(self, error: Exception, link: str) -> None:
        super().__init__(f"{error} {link}".strip())
        self.error = error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: a key of CAUSES, a sentence for members ("" if the cause has one), and full details."""

    code: str
    message: str
    details: str

    @property
    def is_external(self) -> bool:
        return self.code in EXTERNAL_CAUSES


def classify(error: Exception) -> Failure:
    """Describe the error of an attempt."""
    code = cause_of(error.error if isinstance(error, NotFetched) else error)
    return Failure(code, "" if CAUSES[code].text else str(error), str(error))


def cause_of(error: Exception) -> str:
    """Return the key of CAUSES for an error."""
    match error:
        case download.HostNotListed():
            return "not_allowed"
        case download.NotAllowed():
            return "refused_link"
        case Incomplete():
            return "incomplete"
        case NotAVideo():
            return "not_a_video"
        case download.TooLarge():
            return "too_large"
        case download.DownloadFailed(status=401 | 403):
            return "no_access"
        case download.DownloadFailed() if error.status in GONE_STATUSES:
            return "link_gone"
        case download.DownloadFailed():
            return "server_error" if error.status else "unreachable"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return "storage_full"
        case OSError():
            return "storage_away"
    return "unexpected"
