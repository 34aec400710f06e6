"""The provider's own ledger against our database: what was paid for, and what became of it."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Count

from videos.models import ApiToken, Generation
from videos.models.state import HOLDS_A_SLOT, OPEN

from ..support.installation import ROOT

ADDRESS = re.compile(r"/callbacks/luma/([0-9a-f-]{36})/")
TRUE_CALLBACKS = ("callback", "duplicate")
SENT_ABOUT = 2.0  # seconds between the sending of a row and the closing of a port at which its connection waits


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """All POSTs on record, oldest first, as `python -m videos.sandbox --ledger` tells them."""
    done = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger", "--data-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class Findings:
    """Each list names what breaks a bar, one sentence per case; `unconfirmed` names those that may stay so."""

    paid_twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)
    wrong_bytes: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    news: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds from ready to recorded

    @property
    def broken(self) -> dict[str, list[str]]:
        bars = ("paid_twice", "lost", "stuck", "unsaved", "wrong_bytes", "unexplained", "slots")
        return {bar: found for bar in bars if (found := getattr(self, bar))}


def compare(
    ledger: list[dict[str, Any]],
    media: Path,
    killed_while_sending: dict[UUID, list[float]],
    closings: Sequence[float] = (),
) -> Findings:
    """Hold the ledger against the database. `media` is the provider's folder of films.

    `killed_while_sending` has the moments (Unix time, s) at which a process that was sending a generation was killed,
    `closings` those at which the provider's port was closed.
    """
    found = Findings()
    rows = {row.uuid: row for row in Generation.objects.select_related("token")}
    # Without callbacks the prompt tells, which is one of a kind then.
    by_prompt = {row.prompt: row.uuid for row in rows.values()}
    posts: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for post in ledger:
        found.posts["accepted" if post["accepted"] else "not accepted"] += 1
        found.faults.update(post["faults"])
        callback_url = post["request"].get("callback_url", "")
        address = ADDRESS.search(callback_url)
        uuid = UUID(address[1]) if address else by_prompt.get(post["request"]["prompt"])
        if uuid in rows:
            posts[uuid].append(post)
        elif post["accepted"]:
            found.lost.append(f"task {post['task_id']} belongs to no generation")
    for uuid, row in rows.items():
        found.outcomes[row.state] += 1
        if row.state == "unconfirmed" and not posts[uuid] and any(_sent_about(row, at) for at in closings):
            found.unconfirmed.append(f"generation {row.pk}: the port was closed on its connection, and no POST arrived")
            continue
        _look_at(row, posts[uuid], media, killed_while_sending.get(uuid, []), found)
    for token in ApiToken.objects.annotate(rows=Count("generations")):
        held = token.generations.filter(state__in=HOLDS_A_SLOT).count()
        if held != token.in_flight:
            found.slots.append(f"token {token.pk} counts {token.in_flight} in flight, {held} rows hold a slot")
    return found


def _sent_about(row: Generation, at: float) -> bool:
    """Tell whether a row was sent around this time: its connection may have been in the queue of the port."""
    return row.submitted_at is not None and abs(row.submitted_at.timestamp() - at) < SENT_ABOUT


def _look_at(row: Generation, posts: list, media: Path, killed: list[float], found: Findings) -> None:
    name = f"generation {row.pk} ({row.state} {row.error_code})"
    accepted = [post for post in posts if post["accepted"]]
    if len(accepted) > 1:
        found.paid_twice.append(f"{name}: accepted {len(accepted)} times")
    if row.state in OPEN:
        found.stuck.append(f"{name}: {_story(row)}")
        return
    if row.state == "unconfirmed":
        why = _why_unconfirmed(posts, killed)
        (found.unconfirmed if why else found.unexplained).append(f"{name}: {why or _story(row)}")
        return
    if row.state == "completed" and row.archive != "saved":
        found.unsaved.append(f"{name}: {row.archive}, {row.archive_attempts} attempts; {_story(row)}")
    for post in accepted:
        if post["finished_at"] is None:
            found.stuck.append(f"{name}: the provider itself never finished task {post['task_id']}")
        elif post["success"] != (row.state == "completed") or post["task_id"] != row.task_id:
            found.lost.append(f"{name}: task {post['task_id']} ended with success {post['success']}; {_story(row)}")
        elif row.state == "completed":
            found.news[row.via].append(row.finished_at.timestamp() - post["finished_at"])
            if row.archive == "saved":
                _look_at_the_bytes(row, name, media / post["task_id"], found)
    if row.state == "completed" and not accepted:
        found.lost.append(f"{name}: completed, but the provider knows of no such task")


def _look_at_the_bytes(row: Generation, name: str, folder: Path, found: Findings) -> None:
    films = [film for film in folder.glob("*.mp4") if film.name != "parent.mp4"]
    theirs = [hashlib.sha256(film.read_bytes()).hexdigest() for film in films]
    with row.video_file.open("rb") as file:
        ours = hashlib.file_digest(file, "sha256").hexdigest()
    if theirs != [ours] or ours != row.sha256:
        found.wrong_bytes.append(f"{name}: theirs {theirs}, ours {ours}, noted {row.sha256}")


def _why_unconfirmed(posts: list, killed: list[float]) -> str:
    """Why nobody can know what became of it; "" when somebody could."""
    if not posts:
        return "killed while sending, and no POST arrived" if killed else ""
    last = posts[-1]
    if any(
        call["status"] is not None and call["status"] < 300
        for post in posts for call in post["callbacks"] if call["kind"] in TRUE_CALLBACKS
    ):  # fmt: skip
        return ""
    if last["accepted"] and "lost" not in last["faults"] and not _calls(last):
        return ""  # its callback is still to come, and we have not waited for it
    silent = (
        f"no callback that we acknowledged ({'lost' if 'lost' in last['faults'] else _calls(last) or 'none was due'})"
    )
    if last["answered"] is None:
        return f"no answer left, {silent}"
    if last["answered"] == 0:
        return f"the answer was held or cut, {silent}"
    if not last["named"]:
        return f"answered {last['answered']} without a task id, {silent}"
    if last["named"] != last["task_id"]:
        return f"answered with the task id of another request, {silent}"
    # The ledger notes an answer just before it leaves: the process that was to read it was killed meanwhile.
    if any(last["received_at"] - 0.5 <= at <= last["answered_at"] + 1.0 for at in killed):
        return f"its reader was killed as the answer ({last['answered']}) left, {silent}"
    return ""


def _calls(post: dict[str, Any]) -> str:
    tried = [call["status"] or call["error"][:60] for call in post["callbacks"] if call["kind"] in TRUE_CALLBACKS]
    return f"{len(tried)} tried: {', '.join(map(str, tried))}" if tried else ""


def _story(row: Generation) -> str:
    return ", ".join(f"{event.at:%H:%M:%S} {event.kind} {event.text[:60]}".strip() for event in row.events.all())
