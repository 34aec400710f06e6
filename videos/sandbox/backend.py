"""The life of a task: planned, rendered, finished, delivered, and resumed after a restart."""

import logging
import random
import secrets
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .background import Scheduler, submit
from .callbacks import CallbackSender
from .control import Control
from .database import Database
from .errors import InvalidFile, bad_request
from .faults import draw_fault, draw_faults
from .file_store import FileStore
from .http_client import download
from .ids import new_id
from .images import save_as_png
from .ledger import Ledger, Task
from .options import Options
from .rendering.job import Outcome, RenderJob
from .rendering.mp4 import read_last_frame
from .rendering.pool import RenderPool
from .results import Result, failure, finished_response, to_stored_response, transient_error
from .video_request import VideoRequest

SLOW_FACTOR = 5
FORBIDDEN_SECONDS = 15.0
POISONED_LOOKUPS = 5
MAX_IMAGE_SIZE, MAX_VIDEO_SIZE = 25 * 2**20, 300 * 2**20  # bytes
THREADS = 8  # of each pool
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskEvents:
    """Set when a task is finished, and when its callback was attempted."""

    finished: threading.Event = field(default_factory=threading.Event)
    delivered: threading.Event = field(default_factory=threading.Event)


class Backend:
    """Everything behind the HTTP server, which clients reach at base_url."""

    def __init__(self, options: Options, database: Database, base_url: str) -> None:
        self.options, self.base_url = options, base_url
        self.ledger = Ledger(database)
        self.files = FileStore(options.data / "files", database)
        self.control = Control(options.control_file)
        self._media = options.data / "media"
        self._render_pool = RenderPool()
        self._preparing = ThreadPoolExecutor(THREADS, "prepare")
        self._finishing = ThreadPoolExecutor(THREADS, "finish")
        self._scheduler = Scheduler()
        # A small scale is for tests, which wait less for callbacks too.
        self._callbacks = CallbackSender(self.ledger, self._scheduler, base_url, options.scale**2)
        self._rng = random.Random()
        self._events: dict[str, TaskEvents] = {}
        self._lookups: Counter[str] = Counter()  # of tasks with the fault `poison`

    def resume(self) -> None:
        """Continue the tasks that an earlier run left unfinished or undelivered."""
        for task in self.ledger.list_open():
            if task.finished_at is None:
                self.start(task)
            else:
                submit(self._finishing, self._deliver, task)

    def stop(self) -> None:
        self._render_pool.stop()

    def draw_faults(self, prompt: str) -> frozenset[str]:
        return draw_faults(prompt, self._chances, self._rng)

    def draw_fault(self, group: dict[str, str]) -> str:
        return draw_fault(group, self._chances, self._rng)

    @property
    def _chances(self) -> dict[str, float]:
        return self.control.faults(self.options.faults)

    def is_poisoned_lookup(self, tasks: list[Task]) -> bool:
        """Count a look-up of these tasks; return whether one of them makes it fail."""
        poisoned = [task.id for task in tasks if "poison" in task.faults]
        self._lookups.update(poisoned)
        return any(self._lookups[task_id] <= POISONED_LOOKUPS for task_id in poisoned)

    def plan_task(
        self, request: VideoRequest, payload: dict[str, Any], token_hash: str, trace_id: str, faults: frozenset[str]
    ) -> Task:
        """Return the task of a valid request, not yet accepted; raise ApiError if its parent cannot be read."""
        created_at = time.time()
        task_id, file_stem = new_id(), secrets.token_urlsafe(16)
        parent_path = self._find_parent(request, token_hash, task_id) if request.action == "extend" else ""
        is_early = "early" in faults and request.callback_url
        seconds = 0 if is_early else self.options.seconds * (SLOW_FACTOR if "slow" in faults else 1)
        started_at = time.time()
        return Task(
            id=task_id,
            token_hash=token_hash,
            trace_id=trace_id,
            created_at=created_at,
            started_at=started_at,
            ready_at=started_at + seconds,
            finished_at=None,
            request=payload,
            faults=faults,
            file_stem=file_stem,
            parent_path=parent_path,
            video_id=new_id(),
            response=None,
            deleted=False,
        )

    def start(self, task: Task) -> TaskEvents:
        """Start an accepted task."""
        events = self._events[task.id] = TaskEvents()
        if "transient" in task.faults:
            halfway = (task.started_at + task.ready_at) / 2
            self._scheduler.call_at(halfway, lambda: self._callbacks.send_interim(task, transient_error(task)))
        submit(self._preparing, self._prepare_or_fail, task)
        return events

    def response(self, task: Task) -> Result | None:
        """Return one copy of a finished task's response; None while it runs."""
        return finished_response(self.ledger, task, self.base_url)

    def delete(self, task_id: str) -> None:
        """Delete a task and its files; the files of a task that still runs stay, without a link."""
        self.ledger.delete(task_id)
        task = self.ledger.find(task_id)
        if task and task.finished_at is not None:
            shutil.rmtree(self._media / task_id, ignore_errors=True)

    def is_media_forbidden(self, task: Task) -> bool:
        return "forbid_media" in task.faults and time.time() < (task.finished_at or 0) + FORBIDDEN_SECONDS

    def file_url(self, name: str) -> str:
        return f"{self.base_url}/files/{name}"

    def video_path(self, task: Task) -> Path:
        return self._media / task.id / f"{task.file_stem}.mp4"

    def _find_parent(self, request: VideoRequest, token_hash: str, task_id: str) -> str:
        """Return the path of the video to extend; raise ApiError if it cannot be read."""
        if request.video_id:  # takes precedence over video_url
            parent = self.ledger.find_by_video(request.video_id, token_hash)
            if parent is None or parent.response is None or not parent.response["success"]:
                raise bad_request(f"video_id {request.video_id} was not found")
            return str(self.video_path(parent))
        path = self._media / task_id / "parent.mp4"
        try:
            video = download(request.video_url, MAX_VIDEO_SIZE)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(video)
            read_last_frame(path)  # reject a bad video now, while that costs nothing
        except InvalidFile as error:
            path.unlink(missing_ok=True)
            raise bad_request(f"video_url could not be read: {error}") from error
        return str(path)

    def _prepare_or_fail(self, task: Task) -> None:
        try:
            self._prepare(task)
        except Exception:  # a full disk, for instance: the task must end, or its client waits forever
            log.exception("task %s could not be prepared", task.id)
            self._finish(task, failure("api_error", "the generation failed"))

    def _prepare(self, task: Task) -> None:
        """Download the pictures of a task and queue its rendering; finish it if that is not possible."""
        if "fail" in task.faults or "cancel" in task.faults:
            self._finish_when_ready(task, failure("api_error", "the generation failed"))
            return
        try:
            start = None if task.parent_path else self._save_frame(task, "start")
            end = self._save_frame(task, "end")
        except InvalidFile as error:
            self._finish(task, failure("bad_request", str(error)))
            return
        video = self.video_path(task)
        video.parent.mkdir(parents=True, exist_ok=True)
        job = RenderJob(
            prompt=task.request["prompt"],
            seed=task.id,
            aspect_ratio=task.request.get("aspect_ratio"),
            scale=self.options.scale,
            loop=bool(task.request.get("loop")),
            start=start,
            end=end,
            parent=task.parent_path or None,
            include_parent=bool(task.parent_path) and self.options.extend == "whole",
            video=str(video),
            thumbnail=str(video.with_suffix(".jpg")),
        )
        self._render_pool.render(
            job, lambda outcome: self._finish_when_ready(task, outcome), urgent="early" in task.faults
        )

    def _save_frame(self, task: Task, role: str) -> str | None:
        """Save the start or end frame of a task; return its path, None without one."""
        url = task.request.get(f"{role}_image_url")
        if not url:
            return None
        path = self._media / task.id / f"{role}.png"
        try:
            if not path.exists():  # a resumed task may have it
                save_as_png(self._read_frame(url, task.token_hash), path)
        except InvalidFile as error:
            raise InvalidFile(f"could not fetch {role}_image_url: {error}") from error
        return str(path)

    def _read_frame(self, url: str, token_hash: str) -> bytes:
        """Read a picture; one that was uploaded here is available to its own account only."""
        path = url.partition("?")[0]
        name = path.removeprefix(self.file_url(""))
        if name != path:
            return self.files.find(name, token_hash).path.read_bytes()
        return download(url, MAX_IMAGE_SIZE)

    def _finish_when_ready(self, task: Task, outcome: Outcome) -> None:
        self._scheduler.call_at(task.ready_at, lambda: submit(self._finishing, self._finish, task, outcome))

    def _finish(self, task: Task, outcome: Outcome) -> None:
        self.ledger.finish(task.id, to_stored_response(task, outcome))
        if events := self._events.get(task.id):
            events.finished.set()
        if finished := self.ledger.find(task.id):
            self._deliver(finished)

    def _deliver(self, task: Task) -> None:
        def on_attempted() -> None:
            if events := self._events.pop(task.id, None):
                events.delivered.set()

        self._callbacks.deliver(task, lambda: self.response(task) or {}, on_attempted)
