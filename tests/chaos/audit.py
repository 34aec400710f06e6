"""Compares the provider's ledger with the database: what was paid for, and what became of it."""

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

CALLBACK_PATH = re.compile(r"/callbacks/luma/([0-9a-f-]{36})/")
REAL_CALLBACKS = ("callback", "duplicate")
CONNECTION_SECONDS = 2.0  # between the claim of a row and the closing of a port that its connection waits at
# In the ledger, a response and its reader's death may be this far apart in seconds.
BEFORE_RECEIVED, AFTER_ANSWERED = 0.5, 1.0

Post = dict[str, Any]


def read_ledger(folder: Path) -> list[Post]:
    """Return all POSTs of the sandbox with this data folder, oldest first."""
    command = [sys.executable, "-m", "videos.sandbox", "--ledger", "--data-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class Findings:
    """One sentence per case. All lists but `unconfirmed` are violations; `unconfirmed` rows are explained."""

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
    # Seconds from a result at the provider to its record here, by the way it arrived.
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def violations(self) -> dict[str, list[str]]:
        kinds = ("paid_twice", "lost", "stuck", "unsaved", "wrong_bytes", "unexplained", "slots")
        return {kind: cases for kind in kinds if (cases := getattr(self, kind))}


def compare(
    ledger: list[Post],
    media: Path,
    killed_while_sending: dict[UUID, list[float]],
    port_closed_at: Sequence[float] = (),
) -> Findings:
    """Compare the ledger and the provider's media folder with the database.

    `killed_while_sending` has the times (Unix seconds) at which the process that sent a generation was killed,
    `port_closed_at` those at which an outage closed the provider's port.
    """
    findings = Findings()
    generations = {generation.uuid: generation for generation in Generation.objects.select_related("token")}
    posts = _posts_by_generation(ledger, generations, findings)
    for uuid, generation in generations.items():
        findings.outcomes[generation.state] += 1
        if (
            generation.state == "unconfirmed"
            and not posts[uuid]
            and any(_was_connecting(generation, at) for at in port_closed_at)
        ):
            findings.unconfirmed.append(
                f"generation {generation.pk}: the port was closed on its connection, and no POST arrived"
            )
        else:
            _check(generation, posts[uuid], media, killed_while_sending.get(uuid, []), findings)
    for token in ApiToken.objects.annotate(rows=Count("generations")):
        held = token.generations.filter(state__in=HOLDS_A_SLOT).count()
        if held != token.in_flight:
            findings.slots.append(f"token {token.pk} counts {token.in_flight} in flight, {held} rows hold a slot")
    return findings


def _posts_by_generation(
    ledger: list[Post], generations: dict[UUID, Generation], findings: Findings
) -> dict[UUID, list[Post]]:
    """Group POSTs by the generation in their callback URL, or in runs without callbacks by their unique prompt."""
    by_prompt = {generation.prompt: generation.uuid for generation in generations.values()}
    posts: dict[UUID, list[Post]] = defaultdict(list)
    for post in ledger:
        findings.posts["accepted" if post["accepted"] else "not accepted"] += 1
        findings.faults.update(post["faults"])
        match = CALLBACK_PATH.search(post["request"].get("callback_url", ""))
        uuid = UUID(match[1]) if match else by_prompt.get(post["request"]["prompt"])
        if uuid in generations:
            posts[uuid].append(post)
        elif post["accepted"]:
            findings.lost.append(f"task {post['task_id']} belongs to no generation")
    return posts


def _was_connecting(generation: Generation, at: float) -> bool:
    """Tell whether the connection of a generation's POST may have waited at a port that was closed at this time."""
    return generation.submitted_at is not None and abs(generation.submitted_at.timestamp() - at) < CONNECTION_SECONDS


def _check(generation: Generation, posts: list[Post], media: Path, killed_at: list[float], findings: Findings) -> None:
    name = f"generation {generation.pk} ({generation.state} {generation.error_code})"
    accepted = [post for post in posts if post["accepted"]]
    if len(accepted) > 1:
        findings.paid_twice.append(f"{name}: accepted {len(accepted)} times")
    if generation.state in OPEN:
        findings.stuck.append(f"{name}: {_timeline(generation)}")
        return
    if generation.state == "unconfirmed":
        reason = _explain_unconfirmed(posts, killed_at)
        cases = findings.unconfirmed if reason else findings.unexplained
        cases.append(f"{name}: {reason or _timeline(generation)}")
        return
    if generation.state == "completed" and generation.archive != "saved":
        attempts = f"{generation.archive}, {generation.archive_attempts} attempts"
        findings.unsaved.append(f"{name}: {attempts}; {_timeline(generation)}")
    for post in accepted:
        _check_accepted(generation, name, post, media, findings)
    if generation.state == "completed" and not accepted:
        findings.lost.append(f"{name}: completed, but the provider has no such task")


def _check_accepted(generation: Generation, name: str, post: Post, media: Path, findings: Findings) -> None:
    is_completed = generation.state == "completed"
    if post["finished_at"] is None:
        findings.stuck.append(f"{name}: the provider never finished task {post['task_id']}")
    elif post["success"] != is_completed or post["task_id"] != generation.task_id:
        result = f"task {post['task_id']} ended with success {post['success']}"
        findings.lost.append(f"{name}: {result}; {_timeline(generation)}")
    elif is_completed:
        findings.delays[generation.result_channel].append(generation.finished_at.timestamp() - post["finished_at"])
        if generation.archive == "saved":
            _check_bytes(generation, name, media / post["task_id"], findings)


def _check_bytes(generation: Generation, name: str, folder: Path, findings: Findings) -> None:
    videos = [video for video in folder.glob("*.mp4") if video.name != "parent.mp4"]
    sent = [hashlib.sha256(video.read_bytes()).hexdigest() for video in videos]
    with generation.video_file.open("rb") as file:
        saved = hashlib.file_digest(file, "sha256").hexdigest()
    if sent != [saved] or saved != generation.sha256:
        findings.wrong_bytes.append(f"{name}: sent {sent}, saved {saved}, recorded {generation.sha256}")


def _explain_unconfirmed(posts: list[Post], killed_at: list[float]) -> str:
    """Return why the product cannot know a generation's outcome; "" if it could."""
    if not posts:
        return "killed while sending, and no POST arrived" if killed_at else ""
    if any(_is_acknowledged(callback) for post in posts for callback in post["callbacks"]):
        return ""
    last = posts[-1]
    is_lost = "lost" in last["faults"]
    if last["accepted"] and not is_lost and not _callback_attempts(last):
        return ""  # the callback is still due, and the run ended too early
    callback = f"no callback was acknowledged ({'lost' if is_lost else _callback_attempts(last) or 'none was due'})"
    if last["answered"] is None:
        return f"no response was sent, {callback}"
    if last["answered"] == 0:
        return f"the response was held back or cut, {callback}"
    if not last["named"]:
        return f"answered {last['answered']} without a task id, {callback}"
    if last["named"] != last["task_id"]:
        return f"answered with the task id of another request, {callback}"
    # The ledger records a response just before it is sent, so its reader may have been killed in between.
    if any(last["received_at"] - BEFORE_RECEIVED <= at <= last["answered_at"] + AFTER_ANSWERED for at in killed_at):
        return f"its reader was killed while the response ({last['answered']}) was sent, {callback}"
    return ""


def _is_acknowledged(callback: dict[str, Any]) -> bool:
    return callback["kind"] in REAL_CALLBACKS and callback["status"] is not None and callback["status"] < 300


def _callback_attempts(post: Post) -> str:
    attempts = [
        callback["status"] or callback["error"][:60]
        for callback in post["callbacks"]
        if callback["kind"] in REAL_CALLBACKS
    ]
    return f"{len(attempts)} attempts: {', '.join(map(str, attempts))}" if attempts else ""


def _timeline(generation: Generation) -> str:
    return ", ".join(f"{event.at:%H:%M:%S} {event.kind} {event.text[:60]}".strip() for event in generation.events.all())
