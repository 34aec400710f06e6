"""The states of a generation and the limits in time that its transitions share."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from .. import provider

# Width / height of each aspect ratio that can be requested.
RATIOS = {word: int(word.split(":")[0]) / int(word.split(":")[1]) for word in provider.ASPECT_RATIOS}

# How long after the provider's own timeout a result may be late before the row says so.
RESULT_GRACE = timedelta(minutes=15)
# A POST takes at most 10 s to connect and 30 s to be answered, so an older `submitting` row has lost its worker. If the
# worker is only slow, its answer is still recorded: nothing is sent again because of this limit.
SUBMITTING_AT_MOST = timedelta(seconds=60)
QUEUED_AT_MOST = timedelta(hours=24)
# How long a row without a video is still looked up, and after which a row that cannot be looked up is given up.
ASKED_AFTER_THE_END = timedelta(hours=24)
# A row's change is committed within this time, so a poll that looks back this far misses no change.
LONGEST_TRANSACTION = timedelta(seconds=20)
# An equal request within this time is a held key, a double click or a script, whatever became of the first.
DUPLICATE_WITHIN = timedelta(seconds=10)
# The longest delay of a queued row, and of the saving of a video. A later time was written by a clock that has since
# been set back, so the row is due.
WAITING_AT_MOST = timedelta(hours=2)
SAVING_AT_MOST = timedelta(hours=8)
# The number of look-ups before a running task is given up, whatever the clock says.
LOOKED_UP_AT_LEAST = 20

# The error code of a row whose task id the provider also gave to another row.
SAME_TASK = "same_task"
# The error code of a row in progress whose token is refused, so that its task cannot be looked up.
TOKEN_REFUSED = "token_refused"
# The error codes of failed rows that Lumaweb no longer waits for: the provider may have made and charged their videos.
GIVEN_UP = ("dismissed", "overdue")


class State(models.TextChoices):
    QUEUED = "queued"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    CANCELED = "canceled"


EVERY = frozenset(State)
ANY = Q()

# What deleting permanently clears on the row itself: every text and link. Ids, dates and the amount stay.
PURGED = (
    "prompt",
    "result_prompt",
    "start_image_url",
    "end_image_url",
    "source_video_url",
    "video_url",
    "thumbnail_url",
    "error_message",
    "archive_message",
    "search_text",
    "fingerprint",
)
# The fields of the form; frames and the video to extend are separate.
REQUEST = (
    "action",
    "prompt",
    "aspect_ratio",
    "start_image_url",
    "end_image_url",
    "enhancement",
    "loop",
    "timeout",
)
HOLDS_A_SLOT = frozenset({State.SUBMITTING, State.PROCESSING})
OPEN = frozenset({State.QUEUED, State.SUBMITTING, State.PROCESSING})
# The states that count towards the daily limit of the row's token. The others were not sent, or have no video.
COUNTS_FOR_THE_DAY = frozenset({State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED, State.COMPLETED})
AT_THE_PROVIDER = frozenset({State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED})
# A row at the provider cannot be trashed: it may be charged, and its video may arrive.
CAN_BE_TRASHED = frozenset({State.COMPLETED, State.FAILED, State.CANCELED})


class Archive(models.TextChoices):
    NONE = "", "nothing to save"
    REMOTE = "remote", "at the provider only"
    SAVED = "saved", "saved here"
    LOST = "lost", "could not be saved"


class HoldReason(models.TextChoices):
    """Why a queued video is held until an admin decides. UNKNOWN: an earlier version held it."""

    UNKNOWN = "", "not recorded"
    RESTORE = "restore", "a restore, or a move of the database"
    PROVIDER = "provider", "a change of the provider"
    MEDIA = "media", "a move of the media"


# A video held for one of these was surely not sent; after the others, sending it may be charged twice.
HELD_UNSENT = frozenset({HoldReason.PROVIDER, HoldReason.MEDIA})


class Choice(models.TextChoices):
    """The team's verdict on a video among its alternatives."""

    NONE = "", "neither"
    PICKED = "picked"
    REJECTED = "rejected"


class Unfinished(models.Func):
    """Match open or unconfirmed rows in exactly the words of the partial index on them.

    SQLite uses a partial index only if the query contains its condition verbatim, without parameters.
    """

    template = "%(expressions)s IN ('queued', 'submitting', 'processing', 'unconfirmed')"
    output_field = models.BooleanField()


class Rejected(models.Func):
    """Match rejected rows in exactly the words of the partial index on them, as `Unfinished` does."""

    template = "%(expressions)s = 'rejected'"
    output_field = models.BooleanField()


class SearchOutcome(models.TextChoices):
    """The result of searching the provider's list for the task of an unconfirmed video."""

    NOT_YET = "", "not searched yet"
    NOT_FOUND = "not_found", "no such task"
    OFFERED = "offered", "tasks to choose from"
    UNAVAILABLE = "unavailable", "no list of tasks"


def is_due(field: str, now: datetime, at_most: timedelta) -> Q:
    """Match rows due now, or later than `at_most` from now: the latter were written by a clock since set back."""
    return Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + at_most})


def nearest_ratio(width: int | None, height: int | None) -> str:
    """Return the known aspect ratio nearest to this size in pixels, or "" if the size is not known."""
    if not width or not height:
        return ""
    return min(RATIOS, key=lambda word: abs(RATIOS[word] * height / width - 1))
