"""The generations of two years, one row after the other."""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from .prompts import RARE, make_prompt

DAYS = 730
MAX_OPEN = 60
RARE_INTERVAL = 50_000  # rows
RARE_MINIMUM = 3
TAKES = (1, 1, 1, 2, 2, 4)
EXTENSION_SHARE = 0.1
TRASH_DAYS = 30
# Shares of the hours of a day.
HOURS = (1, 1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 10, 12, 14, 14, 13, 11, 8, 6, 5, 4, 3, 2)
MAX_PARENTS, DROPPED_PARENTS = 400, 200

# State, error code, and their number among 10,000 rows.
OUTCOMES = (
    ("completed", "", 9050),
    ("failed", "forbidden", 320),
    ("failed", "api_error", 210),
    ("failed", "timeout", 90),
    ("failed", "overdue", 25),
    ("failed", "bad_request", 45),
    ("failed", "dismissed", 30),
    ("failed", "too_late", 10),
    ("failed", "source_gone", 10),
    ("canceled", "", 190),
    ("unconfirmed", "no_answer", 20),
)
FORMATS = (("16:9", 1360, 752), ("16:9", 1360, 752), ("9:16", 752, 1360), ("1:1", 1024, 1024), ("21:9", 1552, 656))

Format = tuple[str, int, int]  # aspect ratio, width, height
Row = dict[str, Any]  # by column


@dataclass(frozen=True, slots=True)
class Parent:
    """A finished video that a later one extends."""

    pk: int
    depth: int
    format: Format


@dataclass(frozen=True, slots=True)
class Submission:
    """What all takes of one submission share."""

    pk: int
    takes: int
    member: int
    parent: Parent | None
    prompt: str
    format: Format
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """State and times of one generation."""

    state: str
    error_code: str
    accepted_at: datetime | None
    finished_at: datetime | None
    changed_at: datetime
    trashed_at: datetime | None
    purged_at: datetime | None

    @property
    def is_sent(self) -> bool:
        return self.accepted_at is not None


class History:
    """Rows of the generation table, in order; times are naive and in UTC.

    Members and tokens are primary keys, the first of them used most.
    """

    def __init__(
        self, rng: random.Random, rows: int, now: datetime, members: Sequence[int], tokens: Sequence[int]
    ) -> None:
        self._rng, self._count, self._now = rng, rows, now
        self._members, self._tokens = members, tokens
        self._times = _request_times(rng, rows, now)
        self._member_weights = list(accumulate(12 / (place + 3) for place in range(len(members))))
        self._outcome_weights = list(accumulate(share for _, _, share in OUTCOMES))
        rare = max(RARE_MINIMUM, rows // RARE_INTERVAL)
        self._rare_places = {rows * (2 * part + 1) // (2 * rare) for part in range(rare)}
        self._open_from = rows - min(MAX_OPEN, rows // 20)
        self._parents: list[Parent] = []

    def rows(self) -> Iterator[Row]:
        place, submission_pk = 0, 1
        while place < self._count:
            submission = self._submission(submission_pk, place)
            for take in range(1, submission.takes + 1):
                yield self._row(place, take, submission)
                place += 1
            submission_pk += 1

    def _submission(self, pk: int, place: int) -> Submission:
        draw = self._rng.random
        takes = min(TAKES[int(draw() * len(TAKES))], self._count - place)
        member = self._members[bisect(self._member_weights, draw() * self._member_weights[-1])]
        is_extension = self._parents and draw() < EXTENSION_SHARE
        parent = self._parents[int(draw() * len(self._parents))] if is_extension else None
        prompt = make_prompt(self._rng)
        chosen = parent.format if parent else self._rng.choices(FORMATS)[0]
        return Submission(pk, takes, member, parent, prompt, chosen, self._times[place])

    def _outcome(self, place: int, created_at: datetime) -> Outcome:
        draw, now = self._rng.random, self._now
        state, code, _ = OUTCOMES[bisect(self._outcome_weights, draw() * self._outcome_weights[-1])]
        if place >= self._open_from:
            state, code = ("queued", "") if draw() < 0.4 else ("processing", "")
        is_sent = state not in ("canceled", "queued") and code != "too_late"
        is_final = state in ("completed", "failed", "canceled")
        accepted_at = created_at + timedelta(seconds=round(1 + 3 * draw(), 3)) if is_sent else None
        # Most take one to two minutes, a few much longer.
        seconds = 55 + 70 * draw() if draw() < 0.93 else 130 + 700 * draw()
        finished_at = None
        if is_final:
            finished_at = created_at + timedelta(seconds=round(seconds if is_sent else 20 * draw() + 1, 3))
        changed_at = min((finished_at or accepted_at or created_at) + timedelta(seconds=4), now)
        trashed_at = purged_at = None
        if is_final and draw() < 0.03:
            trashed_at = changed_at = min(changed_at + timedelta(days=20 * draw()), now)
            if now - trashed_at > timedelta(days=TRASH_DAYS - 1):
                purged_at = changed_at = min(trashed_at + timedelta(days=TRASH_DAYS), now)
        return Outcome(state, code, accepted_at, finished_at, changed_at, trashed_at, purged_at)

    def _row(self, place: int, take: int, submission: Submission) -> Row:
        rng, parent = self._rng, submission.parent
        pk, created_at = place + 1, submission.created_at
        outcome = self._outcome(place, created_at)
        is_completed, is_purged = outcome.state == "completed", outcome.purged_at is not None
        is_saved = is_completed and not is_purged
        name = f"{rng.getrandbits(128):032x}"
        prompt = "" if is_purged else self._prompt(place, submission)
        choice = ""
        if is_saved and rng.random() < 0.05:
            choice = "picked" if rng.random() < 0.7 else "rejected"
        price = (1500 if parent else 1000) * (1 if place < self._count * 0.6 else 2)
        token = self._tokens[int(rng.random() * rng.random() * len(self._tokens))] if outcome.is_sent else None
        row = {
            "id": pk,
            "uuid": name,
            "submission_id": submission.pk,
            "take": take,
            "takes": submission.takes,
            "member_id": submission.member,
            "token_id": token,
            "parent_id": parent.pk if parent else None,
            "depth": parent.depth + 1 if parent else 0,
            "action": "extend" if parent else "generate",
            "prompt": prompt,
            "search_text": prompt.casefold(),
            "aspect_ratio": submission.format[0],
            "shape": submission.format[0],
            "state": outcome.state,
            "error_code": outcome.error_code,
            "error_message": f"The provider said {outcome.error_code}." if outcome.error_code and not is_purged else "",
            "version": 5 if is_completed else 3,
            "created_at": text(created_at),
            "changed_at": text(outcome.changed_at),
            "not_before": text(created_at),
            "submitted_at": text(outcome.accepted_at),
            "accepted_at": text(outcome.accepted_at),
            "finished_at": text(outcome.finished_at),
            "attempts": int(outcome.is_sent),
            "task_id": _task_id(name) if outcome.is_sent and outcome.error_code != "no_answer" else "",
            "amount": price,
            "month": f"{created_at:%Y-%m}-01",
            "claimed_on": f"{created_at:%Y-%m-%d}" if outcome.is_sent else None,
            "choice": choice,
            "trashed_at": text(outcome.trashed_at),
            "trashed_by_id": submission.member if outcome.trashed_at else None,
            "purged_at": text(outcome.purged_at),
            **self._result(name, submission.format, is_completed, is_saved),
            "fingerprint": "" if is_purged else f"{rng.getrandbits(256):064x}",
        }
        if is_saved and outcome.trashed_at is None and rng.random() < 0.02:
            self._add_parent(Parent(pk, row["depth"], submission.format))
        return row

    def _prompt(self, place: int, submission: Submission) -> str:
        return f"{submission.prompt}, {RARE} veins" if place in self._rare_places else submission.prompt

    def _result(self, name: str, chosen: Format, is_completed: bool, is_saved: bool) -> Row:
        """Return the columns of a result, and of its saved files."""
        rng, path = self._rng, f"videos/{name[:2]}/{name}"
        link = f"https://platform.cdn.acedata.cloud/luma/{name}"
        _, width, height = chosen
        return {
            "via": "callback" if is_completed else "",
            "video_id": f"film-{name}" if is_completed else "",
            "video_url": f"{link}.mp4" if is_saved else "",
            "thumbnail_url": f"{link}.jpg" if is_saved else "",
            "video_width": width if is_completed else None,
            "video_height": height if is_completed else None,
            "result_state": "completed" if is_completed else "",
            "archive": "saved" if is_saved else "",
            "video_file": f"{path}.mp4" if is_saved else "",
            "thumbnail_file": f"{path}.jpg" if is_saved else "",
            "poster_file": f"{path}-poster.webp" if is_saved else "",
            "sha256": f"{rng.getrandbits(256):064x}" if is_completed else "",
            "size_bytes": int(2e6 + 6e6 * rng.random()) if is_completed else None,
            "duration": 5.0 if is_completed else None,
        }

    def _add_parent(self, parent: Parent) -> None:
        self._parents.append(parent)
        if len(self._parents) > MAX_PARENTS:
            del self._parents[:DROPPED_PARENTS]


def text(at: datetime | None) -> str | None:
    """Return a time as the database's text."""
    return at.isoformat(" ") if at else None


def _task_id(name: str) -> str:
    return f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:]}"


def _request_times(rng: random.Random, rows: int, now: datetime) -> list[datetime]:
    """Return when each row was requested, in order: more lately, and by day more than by night."""
    hours = list(accumulate(HOURS))
    first = now - timedelta(days=DAYS)
    times = []
    for _ in range(rows):
        day = first + timedelta(days=int(DAYS * rng.random() ** 0.75))
        at = day.replace(hour=bisect(hours, rng.random() * hours[-1]), minute=0, second=0)
        at += timedelta(seconds=round(rng.random() * 3600, 3))
        times.append(at if first < at < now else now - timedelta(seconds=round(rng.random() * 86400, 3)))
    return sorted(times)
