"""The life of a task: accepted, rendered, finished, delivered; and taken up again after a restart."""

import logging
import random
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .callbacks import CallbackSender
from .contract import RATIOS, VideoRequest, bad_request
from .control import Control
from .faults import LISTING, LOOKUPS, UPLOADS, draw_faults, draw_one
from .file_store import FileStore
from .http_client import IMAGE_BYTES, VIDEO_BYTES, Unreadable, fetch, save_image
from .ledger import Ledger, Task, new_id
from .options import Options
from .rendering.mp4 import read_last_frame
from .rendering.pool import Outcome, RenderPool
from .results import failure, give_result, to_record, transient
from .scheduler import Scheduler

SLOWNESS = 5
FORBIDDEN_SECONDS = 15.0
POISONED_LOOKUPS = 5
log = logging.getLogger(__name__)


class Backend:
    """Everything behind the HTTP server. base_url is where our media can be reached."""

    def __init__(self, options: Options, ledger: Ledger, base_url: str):
        self.options, self.ledger, self.base_url = options, ledger, base_url
        self.media = options.data / "media"
        self.files = FileStore(options.data / "files", ledger)
        self.control = Control(options.control_file)
        self._render_pool = RenderPool()
        self._errands = ThreadPoolExecutor(8, "errand")
        self._finishers = ThreadPoolExecutor(8, "finisher")
        self._scheduler = Scheduler()
        # Few pixels are for tests: they wait less for callbacks, too.
        self._callbacks = CallbackSender(ledger, self._scheduler, base_url, options.scale**2)
        self._luck = random.Random()
        self._waiting: dict[str, tuple[threading.Event, threading.Event]] = {}
        self._named: Counter[str] = Counter()

    def take_up(self) -> None:
        """Go on with what an earlier run left unfinished or undelivered."""
        for task in self.ledger.open_tasks():
            if task.finished_at is None:
                self.begin(task)
            else:
                self._finishers.submit(self._logged, self._deliver, task)

    def stop(self) -> None:
        self._render_pool.stop()

    def draw_faults(self, prompt: str) -> frozenset[str]:
        return draw_faults(prompt, self._chances, self._luck)

    def draw_lookup_fault(self) -> str:
        return draw_one(LOOKUPS, self._chances, self._luck)

    def draw_listing_fault(self) -> str:
        return draw_one(LISTING, self._chances, self._luck)

    def draw_upload_fault(self) -> str:
        return draw_one(UPLOADS, self._chances, self._luck)

    @property
    def _chances(self) -> dict[str, float]:
        return self.control.faults(self.options.faults)

    def is_poisoned(self, tasks: list[Task]) -> bool:
        """Count a look-up of these tasks; whether one of them makes it fail."""
        poison = [task.id for task in tasks if "poison" in task.faults]
        self._named.update(poison)
        return any(self._named[task_id] <= POISONED_LOOKUPS for task_id in poison)

    def plan(
        self, request: VideoRequest, payload: dict[str, Any], token_hash: str, trace_id: str, faults: frozenset
    ) -> Task:
        """Make the task of a valid request, not yet accepted; ApiError when its parent cannot be read."""
        created_at = time.time()
        task_id, file = new_id(), secrets.token_urlsafe(16)
        parent = self._find_parent(request, token_hash, self.media / task_id) if request.action == "extend" else ""
        early = "early" in faults and request.callback_url
        wait = 0 if early else self.options.seconds * (SLOWNESS if "slow" in faults else 1)
        started_at = time.time()
        return Task(
            id=task_id,
            token_hash=token_hash,
            trace_id=trace_id,
            created_at=created_at,
            started_at=started_at,
            ready_at=started_at + wait,
            finished_at=None,
            request=payload,
            faults=faults,
            file=file,
            parent=parent,
            video_id=new_id(),
            response=None,
            delivered=False,
            deleted=False,
        )

    def begin(self, task: Task) -> tuple[threading.Event, threading.Event]:
        """Start on an accepted task; the events say that it is finished, and that its callback is done."""
        events = self._waiting[task.id] = (threading.Event(), threading.Event())
        if "transient" in task.faults:
            halfway = (task.started_at + task.ready_at) / 2
            self._scheduler.call_at(halfway, lambda: self._callbacks.hint(task, transient(task)))
        self._errands.submit(self._logged, self._prepare_or_fail, task)
        return events

    def result(self, task: Task) -> dict[str, Any] | None:
        """Tell what became of a task in the contract's words; None while it runs."""
        return give_result(self.ledger, task, self.base_url)

    def delete(self, task_id: str) -> None:
        """Forget a task and its files; one that is still being rendered keeps its files unseen."""
        self.ledger.delete(task_id)
        task = self.ledger.task(task_id)
        if task and task.finished_at is not None:
            shutil.rmtree(self.media / task_id, ignore_errors=True)

    def media_is_forbidden(self, task: Task) -> bool:
        return "forbid_media" in task.faults and time.time() < (task.finished_at or 0) + FORBIDDEN_SECONDS

    def file_link(self, name: str) -> str:
        return f"{self.base_url}/files/{name}"

    def video_file(self, task: Task) -> Path:
        return self.media / task.id / f"{task.file}.mp4"

    def _find_parent(self, request: VideoRequest, token_hash: str, folder: Path) -> str:
        if request.video_id:  # wins over the link when both are sent
            parent = self.ledger.task_of_video(request.video_id, token_hash)
            if parent is None or parent.response is None or not parent.response["success"]:
                raise bad_request(f"video_id {request.video_id} was not found")
            return str(self.video_file(parent))
        copy = folder / "parent.mp4"
        try:
            video = fetch(request.video_url, VIDEO_BYTES)
            folder.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(video)
            read_last_frame(copy)  # found out now, while it can still be refused without a cost
        except Unreadable as error:
            copy.unlink(missing_ok=True)
            raise bad_request(f"video_url could not be read: {error}") from error
        return str(copy)

    def _prepare_or_fail(self, task: Task) -> None:
        try:
            self._prepare(task)
        except Exception:  # a full disk, say: the task must end, or its caller waits for ever
            log.exception("task %s could not be prepared", task.id)
            self._finish(task, failure("api_error", "the generation failed"))

    def _prepare(self, task: Task) -> None:
        if "fail" in task.faults or "cancel" in task.faults:
            self._finish_later(task, failure("api_error", "the generation failed"))
            return
        folder = self.media / task.id
        frames = {}
        for end in ("start", "end"):
            url = task.request.get(f"{end}_image_url")
            if not url or (end == "start" and task.parent):
                continue
            picture = folder / f"{end}.png"
            try:
                if not picture.exists():
                    save_image(self._read_frame(url, task.token_hash), picture)
            except Unreadable as error:
                self._finish(task, failure("bad_request", f"could not fetch {end}_image_url: {error}"))
                return
            frames[end] = str(picture)
        folder.mkdir(parents=True, exist_ok=True)
        ratio = task.request.get("aspect_ratio")
        job = {
            "prompt": task.request["prompt"],
            "seed": task.id,
            "ratio": ratio,
            "size": RATIOS[ratio or "16:9"],
            "scale": self.options.scale,
            "loop": bool(task.request.get("loop")),
            "start": frames.get("start"),
            "end": frames.get("end"),
            "parent": task.parent or None,
            "whole": bool(task.parent) and self.options.extend == "whole",
            "video": str(self.video_file(task)),
            "thumbnail": str(self.video_file(task).with_suffix(".jpg")),
        }
        hurry = "early" in task.faults
        self._render_pool.render(job, lambda outcome: self._finish_later(task, outcome), first=hurry)

    def _read_frame(self, url: str, token_hash: str) -> bytes:
        """Read the picture behind a link; one that was uploaded here is for its own account only."""
        uploaded = url.partition("?")[0].removeprefix(self.file_link(""))
        if uploaded != url.partition("?")[0]:
            return self.files.find(uploaded, token_hash).path.read_bytes()
        return fetch(url, IMAGE_BYTES)

    def _finish_later(self, task: Task, outcome: Outcome) -> None:
        self._scheduler.call_at(
            task.ready_at, lambda: self._finishers.submit(self._logged, self._finish, task, outcome)
        )

    def _finish(self, task: Task, outcome: Outcome) -> None:
        self.ledger.finish(task.id, to_record(task, outcome))
        if waiting := self._waiting.get(task.id):
            waiting[0].set()
        if finished := self.ledger.task(task.id):
            self._deliver(finished)

    def _deliver(self, task: Task) -> None:
        def attempted() -> None:
            if waiting := self._waiting.pop(task.id, None):
                waiting[1].set()

        self._callbacks.deliver(task, lambda: self.result(task) or {}, attempted)

    @staticmethod
    def _logged(work: Callable[..., Any], *given: Any) -> None:
        try:
            work(*given)
        except Exception:  # the pool would keep it to itself, and the task would stay open without a word
            log.exception("a task could not go on")
