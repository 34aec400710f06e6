"""The record of requests, tasks, responses and callbacks, written to disk before a client hears of them."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .database import Database

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted request.

    Times are Unix seconds; ready_at is the earliest time at which the task may finish. file_stem is the unguessable
    name of its media, parent_path the video to extend or "".
    """

    id: str
    token_hash: str
    trace_id: str
    created_at: float
    started_at: float
    ready_at: float
    finished_at: float | None
    request: Request
    faults: frozenset[str]
    file_stem: str
    parent_path: str
    video_id: str
    response: dict[str, Any] | None
    deleted: bool


class Ledger:
    """Posts, tasks and callbacks in a database; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_rejected(
        self, token_hash: str, request: Request, trace_id: str, status: int, faults: Iterable[str]
    ) -> None:
        """Record a POST that was not accepted, with the status of its response (0: none)."""
        now = time.time()
        self._database.execute(
            "INSERT INTO posts (received_at, token_hash, request, trace_id, answered, answered_at, faults)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now, token_hash, json.dumps(request), trace_id, status, now, json.dumps(sorted(faults))),
        )

    def record_accepted(self, task: Task, guard: Callable[[int], None]) -> int:
        """Record a POST and its task together; return the POST's number for record_response().

        guard(running) is called in the same transaction with the account's number of unfinished tasks; it rejects the
        request by raising.
        """
        request, faults = json.dumps(task.request), json.dumps(sorted(task.faults))
        with self._database.transaction():
            running = "SELECT count(*) FROM tasks WHERE token_hash = ? AND finished_at IS NULL"
            guard(self._database.query_value(running, (task.token_hash,)))
            post = self._database.execute(
                "INSERT INTO posts (received_at, token_hash, request, trace_id, task_id, faults)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (task.created_at, task.token_hash, request, task.trace_id, task.id, faults),
            )
            times = (task.created_at, task.started_at, task.ready_at)
            files = (task.file_stem, task.parent_path, task.video_id)
            self._database.execute(
                "INSERT INTO tasks (id, token_hash, trace_id, created_at, started_at, ready_at, request, faults,"
                " file, parent, video_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (task.id, task.token_hash, task.trace_id, *times, request, faults, *files),
            )
        return post

    def record_response(self, post: int, status: int, named_task: str | None = None) -> None:
        """Record the status of a response that is about to be sent (0: none), and the task id in it."""
        self._database.execute(
            "UPDATE posts SET answered = ?, answered_at = ?, named = ? WHERE id = ?",
            (status, time.time(), named_task, post),
        )

    def finish(self, task_id: str, response: dict[str, Any]) -> None:
        self._database.execute(
            "UPDATE tasks SET finished_at = ?, response = ? WHERE id = ? AND finished_at IS NULL",
            (time.time(), json.dumps(response), task_id),
        )

    def mark_delivered(self, task_id: str) -> None:
        """Record that no callback is due for this task any more."""
        self._database.execute("UPDATE tasks SET delivered = 1 WHERE id = ?", (task_id,))

    def record_callback(self, task_id: str, kind: str, status: int | None, error: str) -> None:
        self._database.execute(
            "INSERT INTO callbacks (task_id, attempted_at, kind, status, error) VALUES (?, ?, ?, ?, ?)",
            (task_id, time.time(), kind, status, error),
        )

    def delete(self, task_id: str) -> None:
        """Hide a task from every look-up; the record of what was accepted stays."""
        self._database.execute("UPDATE tasks SET deleted = 1 WHERE id = ?", (task_id,))

    def find(self, task_id: str) -> Task | None:
        return _optional_task(self._database.query_one("SELECT * FROM tasks WHERE id = ?", (task_id,)))

    def find_by_video(self, video_id: str, token_hash: str) -> Task | None:
        statement = "SELECT * FROM tasks WHERE video_id = ? AND token_hash = ? AND deleted = 0"
        return _optional_task(self._database.query_one(statement, (video_id, token_hash)))

    def list_tasks(
        self, token_hash: str, *, since: float, until: float, limit: int, offset: int
    ) -> tuple[list[Task], int]:
        """Return one page of an account's tasks, newest first, and their number on all pages."""
        condition = "token_hash = ? AND deleted = 0 AND created_at BETWEEN ? AND ?"
        return self._page(condition, (token_hash, since, until), limit, offset)

    def list_finished(self, token_hash: str, *, trace_id: str, limit: int, offset: int) -> tuple[list[Task], int]:
        """Return one page of an account's finished tasks, deleted ones too, newest first, and their total number."""
        condition = "token_hash = ? AND finished_at IS NOT NULL AND (? = '' OR trace_id = ?)"
        return self._page(condition, (token_hash, trace_id, trace_id), limit, offset)

    def _page(self, condition: str, values: tuple[Any, ...], limit: int, offset: int) -> tuple[list[Task], int]:
        rows = self._database.query(
            f"SELECT * FROM tasks WHERE {condition} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        total = self._database.query_value(f"SELECT count(*) FROM tasks WHERE {condition}", values)
        return [_task(row) for row in rows], total

    def list_open(self) -> list[Task]:
        """Return the tasks that are unfinished or whose callback is due: a restart resumes them."""
        rows = self._database.query("SELECT * FROM tasks WHERE finished_at IS NULL OR delivered = 0")
        return [_task(row) for row in rows]

    def count_successes(self, token_hash: str) -> int:
        succeeded = "token_hash = ? AND json_extract(response, '$.success') = 1"
        return int(self._database.query_value(f"SELECT count(*) FROM tasks WHERE {succeeded}", (token_hash,)))

    def has_tasks(self, token_hash: str) -> bool:
        return self._database.query_one("SELECT 1 FROM tasks WHERE token_hash = ? LIMIT 1", (token_hash,)) is not None

    def response_named_task(self, task_id: str) -> bool:
        """Tell whether the response to the POST named the task that it created."""
        statement = "SELECT 1 FROM posts WHERE task_id = ? AND named = task_id"
        return self._database.query_one(statement, (task_id,)) is not None

    def callback_attempts(self, task_id: str) -> tuple[int, float]:
        """Return how often the callback was attempted, and when last (Unix seconds)."""
        attempts = self._database.query(
            "SELECT attempted_at FROM callbacks WHERE task_id = ? AND kind = 'callback'", (task_id,)
        )
        return len(attempts), max((row["attempted_at"] for row in attempts), default=0.0)

    def previous_task_id(self, task: Task) -> str:
        """Return the id of the account's task before this one; this task's own id if it is the first."""
        previous = self._database.query_value(
            "SELECT id FROM tasks WHERE token_hash = ? AND created_at <= ? AND id != ?"
            " ORDER BY created_at DESC LIMIT 1",
            (task.token_hash, task.created_at, task.id),
        )
        return previous or task.id

    def count_download(self, task_id: str) -> int:
        """Count one download of a task's video; return its number, from 1."""
        statement = "UPDATE tasks SET fetches = fetches + 1 WHERE id = ? RETURNING fetches"
        return self._database.query_value(statement, (task_id,)) or 0

    def is_first_copy(self, task_id: str) -> bool:
        """Record that a result is given to the client; return whether that is the first time."""
        statement = "UPDATE tasks SET shown = 1 WHERE id = ? AND shown = 0 RETURNING 1"
        return self._database.query_one(statement, (task_id,)) is not None

    def rows(self, table: str) -> list[sqlite3.Row]:
        """Return a whole table in the order of insertion."""
        return self._database.query(f"SELECT * FROM {table} ORDER BY rowid")


def _optional_task(row: sqlite3.Row | None) -> Task | None:
    return _task(row) if row else None


def _task(row: sqlite3.Row) -> Task:
    return Task(
        id=row["id"],
        token_hash=row["token_hash"],
        trace_id=row["trace_id"],
        created_at=row["created_at"],
        started_at=row["started_at"] or row["created_at"],
        ready_at=row["ready_at"],
        finished_at=row["finished_at"],
        request=json.loads(row["request"]),
        faults=frozenset(json.loads(row["faults"])),
        file_stem=row["file"],
        parent_path=row["parent"],
        video_id=row["video_id"],
        response=json.loads(row["response"]) if row["response"] else None,
        deleted=bool(row["deleted"]),
    )
