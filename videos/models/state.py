from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from .. import provider

# Asked for, these are nearest to what comes: width / height.
RATIOS = {word: int(word.split(":")[0]) / int(word.split(":")[1]) for word in provider.ASPECT_RATIOS}

# Beyond the provider's own timeout: how long a result may stay away before the row says so.
GRACE = timedelta(minutes=15)
# A POST takes at most 10 s to connect and 30 s to be answered; a `submitting` row older than this has lost its worker.
# Were it only slow, its answer would still be recorded: nothing is sent again because of this.
SUBMITTING_AT_MOST = timedelta(seconds=60)
QUEUED_AT_MOST = timedelta(hours=24)
# What ended without a video is looked up for this long, and what cannot be looked up at all is given up after it.
ASKED_AFTER_THE_END = timedelta(hours=24)
# A row is changed and committed within this time, so a poll that looks back this far misses nothing.
LONGEST_TRANSACTION = timedelta(seconds=20)
# An equal request this soon after another is a held key, a double click or a repeating script, whatever became of the
# first.
ONE_INTENTION = timedelta(seconds=10)
# Longer than anything queued, and than the saving of a video, is put off: what is due even later was written by a clock
# that has been set back since.
WAITING_AT_MOST = timedelta(hours=2)
SAVING_AT_MOST = timedelta(hours=8)
# Look-ups that were answered before a running task is given up, whatever the clock says.
LOOKED_UP_AT_LEAST = 20
# How long the trash keeps what was thrown away.
IN_THE_TRASH = timedelta(days=30)


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

# What a purge takes off the row itself: all that was said, and every link. Ids, dates and the amount stay.
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
# What a member asks for in so many words; frames and the clip to extend come on top.
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
# What counts for the day's limit of the token it was claimed with; the others were not sent, or came to nothing.
COUNTS_FOR_THE_DAY = frozenset({State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED, State.COMPLETED})
AT_THE_PROVIDER = frozenset({State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED})


# What is on its way to the provider or with it cannot be thrown away: it may be charged, and its video may come.
CAN_BE_TRASHED = frozenset({State.COMPLETED, State.FAILED, State.CANCELED})


class Archive(models.TextChoices):
    NONE = "", "nothing to save"
    REMOTE = "remote", "at the provider only"
    SAVED = "saved", "saved here"
    LOST = "lost", "could not be saved"


class Choice(models.TextChoices):
    """What the team thinks of a clip beside others."""

    NONE = "", "neither"
    PICKED = "picked"
    REJECTED = "rejected"


class Unfinished(models.Func):
    """Whether a row is open or unconfirmed, in the very words of the index that holds these rows alone.

    SQLite enters such an index only where the query has its condition word for word, and not as a parameter.
    """

    template = "%(expressions)s IN ('queued', 'submitting', 'processing', 'unconfirmed')"
    output_field = models.BooleanField()


class SearchOutcome(models.TextChoices):
    """What the search at the provider for a video in doubt has brought."""

    NOT_YET = "", "not searched yet"
    NOT_FOUND = "not_found", "no such task"
    OFFERED = "offered", "tasks to choose from"
    UNAVAILABLE = "unavailable", "no list of tasks"


def is_due(field: str, now: datetime, at_most: timedelta) -> Q:
    """Match what is due at this moment, or later than it can have been put off to: its clock has been set back."""
    return Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + at_most})


def nearest_ratio(width: int | None, height: int | None) -> str:
    """The known aspect ratio nearest to these pixels; "" where they are not known."""
    if not width or not height:
        return ""
    return min(RATIOS, key=lambda word: abs(RATIOS[word] * height / width - 1))
