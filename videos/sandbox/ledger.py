"""What was asked, accepted, answered and delivered, on disk before anybody hears of it."""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY, received_at REAL NOT NULL, token_hash TEXT NOT NULL, request TEXT NOT NULL,
    trace_id TEXT NOT NULL, task_id TEXT UNIQUE, answered INTEGER, answered_at REAL
);
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, token_hash TEXT NOT NULL, trace_id TEXT NOT NULL, created_at REAL NOT NULL,
    ready_at REAL NOT NULL, finished_at REAL, request TEXT NOT NULL, faults TEXT NOT NULL, file TEXT NOT NULL,
    parent TEXT NOT NULL, video_id TEXT UNIQUE NOT NULL, response TEXT, delivered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS tasks_open ON tasks (id) WHERE finished_at IS NULL OR delivered = 0;
CREATE TABLE IF NOT EXISTS callbacks (
    id INTEGER PRIMARY KEY, task_id TEXT NOT NULL, attempted_at REAL NOT NULL, kind TEXT NOT NULL,
    status INTEGER, error TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS callbacks_task ON callbacks (task_id);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, token_hash TEXT NOT NULL, uploaded_at REAL NOT NULL, expires_at REAL NOT NULL
);
"""
# Added after the first release of the file: a sandbox keeps the ledger of an earlier version.
ADDED_COLUMNS = {
    "tasks": {
        "started_at": "REAL",
        "deleted": "INTEGER NOT NULL DEFAULT 0",
        "fetches": "INTEGER NOT NULL DEFAULT 0",
        "shown": "INTEGER NOT NULL DEFAULT 0",
    },
    "posts": {"faults": "TEXT NOT NULL DEFAULT '[]'", "named": "TEXT"},
}
ADDED_INDEXES = """
CREATE INDEX IF NOT EXISTS tasks_listed ON tasks (token_hash, created_at);
CREATE INDEX IF NOT EXISTS tasks_running ON tasks (token_hash) WHERE finished_at IS NULL;
"""
Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One accepted request; file is the unguessable stem of its media, parent a path or "".

    Times are Unix seconds; ready_at is the earliest moment at which the task may finish.
    """

    id: str
    token_hash: str
    trace_id: str
    created_at: float
    started_at: float
    ready_at: float
    finished_at: float | None
    request: dict[str, Any]
    faults: frozenset[str]
    file: str
    parent: str
    video_id: str
    response: dict[str, Any] | None
    delivered: bool
    deleted: bool


class Ledger:
    """One SQLite file; safe to share among threads. Every method that writes returns after the commit."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()  # a guard of accept() reads
        self._db = sqlite3.connect(path, check_same_thread=False, timeout=20, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        self._add_columns()
        self._db.executescript(ADDED_INDEXES)

    def _add_columns(self) -> None:
        # In one transaction: --ledger may open the file while a sandbox does.
        self._db.execute("BEGIN IMMEDIATE")
        for table, columns in ADDED_COLUMNS.items():
            known = {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for name, kind in columns.items():
                if name not in known:
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        self._db.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def receive(self, token_hash: str, request: Request, trace_id: str, status: int, faults: Iterable[str]) -> None:
        """Note a POST that is not accepted, and the status of its answer (0: there is none)."""
        now = time.time()
        self._write(
            "INSERT INTO posts (received_at, token_hash, request, trace_id, answered, answered_at, faults)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now, token_hash, json.dumps(request), trace_id, status, now, json.dumps(sorted(faults))),
        )

    def accept(self, task: Task, guard: Callable[[int], None]) -> int:
        """Note a POST and the task it made, in one commit; the number is for answered().

        guard(running) is called in the same transaction with the number of the account's unfinished tasks, and refuses
        by raising.
        """
        faults = json.dumps(sorted(task.faults))
        values = (task.id, task.token_hash, task.trace_id, task.created_at, task.started_at, task.ready_at)
        request = json.dumps(task.request)
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                running = "SELECT count(*) FROM tasks WHERE token_hash = ? AND finished_at IS NULL"
                guard(self._db.execute(running, (task.token_hash,)).fetchone()[0])
                post = self._db.execute(
                    "INSERT INTO posts (received_at, token_hash, request, trace_id, task_id, faults)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (task.created_at, task.token_hash, request, task.trace_id, task.id, faults),
                ).lastrowid
                self._db.execute(
                    "INSERT INTO tasks (id, token_hash, trace_id, created_at, started_at, ready_at, request, faults,"
                    " file, parent, video_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, request, faults, task.file, task.parent, task.video_id),
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        return post or 0

    def answered(self, post: int, status: int, named: str | None = None) -> None:
        """Note the status of an answer that is about to leave (0: there is none), and the task id it names."""
        self._write(
            "UPDATE posts SET answered = ?, answered_at = ?, named = ? WHERE id = ?", (status, time.time(), named, post)
        )

    def finish(self, task_id: str, response: dict[str, Any]) -> None:
        self._write(
            "UPDATE tasks SET finished_at = ?, response = ? WHERE id = ? AND finished_at IS NULL",
            (time.time(), json.dumps(response), task_id),
        )

    def delivered(self, task_id: str) -> None:
        """Note that no callback is due for this task any more."""
        self._write("UPDATE tasks SET delivered = 1 WHERE id = ?", (task_id,))

    def called_back(self, task_id: str, kind: str, status: int | None, error: str) -> None:
        self._write(
            "INSERT INTO callbacks (task_id, attempted_at, kind, status, error) VALUES (?, ?, ?, ?, ?)",
            (task_id, time.time(), kind, status, error),
        )

    def task(self, task_id: str) -> Task | None:
        rows = self._read("SELECT * FROM tasks WHERE id = ?", (task_id,))
        return _task(rows[0]) if rows else None

    def task_of_video(self, video_id: str, token_hash: str) -> Task | None:
        rows = self._read(
            "SELECT * FROM tasks WHERE video_id = ? AND token_hash = ? AND deleted = 0", (video_id, token_hash)
        )
        return _task(rows[0]) if rows else None

    def tasks_of(
        self, token_hash: str, *, since: float, until: float, limit: int, offset: int
    ) -> tuple[list[Task], int]:
        """Return one page of an account's tasks, newest first, and their number on all pages."""
        listed = "FROM tasks WHERE token_hash = ? AND deleted = 0 AND created_at BETWEEN ? AND ?"
        rows = self._read(
            f"SELECT * {listed} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?",
            (token_hash, since, until, limit, offset),
        )
        return [_task(row) for row in rows], self._read(f"SELECT count(*) {listed}", (token_hash, since, until))[0][0]

    def finished_of(self, token_hash: str, *, trace_id: str, limit: int, offset: int) -> tuple[list[Task], int]:
        """Return one page of an account's finished tasks, deleted ones too, newest first, and their number."""
        finished = "FROM tasks WHERE token_hash = ? AND finished_at IS NOT NULL AND (? = '' OR trace_id = ?)"
        values = (token_hash, trace_id, trace_id)
        rows = self._read(
            f"SELECT * {finished} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        return [_task(row) for row in rows], self._read(f"SELECT count(*) {finished}", values)[0][0]

    def successes_of(self, token_hash: str) -> int:
        succeeded = "token_hash = ? AND json_extract(response, '$.success') = 1"
        return self._read(f"SELECT count(*) FROM tasks WHERE {succeeded}", (token_hash,))[0][0]

    def has_tasks(self, token_hash: str) -> bool:
        return bool(self._read("SELECT 1 FROM tasks WHERE token_hash = ? LIMIT 1", (token_hash,)))

    def add_file(self, name: str, token_hash: str, expires_at: float) -> None:
        self._write(
            "INSERT INTO files (name, token_hash, uploaded_at, expires_at) VALUES (?, ?, ?, ?)",
            (name, token_hash, time.time(), expires_at),
        )

    def file(self, name: str) -> sqlite3.Row | None:
        """Return name, token_hash, uploaded_at and expires_at of an uploaded file."""
        rows = self._read("SELECT * FROM files WHERE name = ?", (name,))
        return rows[0] if rows else None

    def delete(self, task_id: str) -> None:
        """Hide a task from every look-up; the record of what was accepted stays."""
        self._write("UPDATE tasks SET deleted = 1 WHERE id = ?", (task_id,))

    def open_tasks(self) -> list[Task]:
        """Tasks that are not finished, or whose callback is still due: what a restart takes up again."""
        return [_task(row) for row in self._read("SELECT * FROM tasks WHERE finished_at IS NULL OR delivered = 0")]

    def was_answered(self, task_id: str) -> bool:
        """Whether the answer to the POST named the task that it made."""
        return bool(self._read("SELECT 1 FROM posts WHERE task_id = ? AND named = task_id", (task_id,)))

    def attempts(self, task_id: str) -> tuple[int, float]:
        """Return how often the callback was tried, and when last (Unix seconds)."""
        tried = "SELECT count(*), coalesce(max(attempted_at), 0) FROM callbacks WHERE task_id = ? AND kind = 'callback'"
        return tuple(self._read(tried, (task_id,))[0])

    def previous(self, task: Task) -> str:
        """Return the id of the task that the account was given before this one; this one's without any."""
        rows = self._read(
            "SELECT id FROM tasks WHERE token_hash = ? AND created_at <= ? AND id != ?"
            " ORDER BY created_at DESC LIMIT 1",
            (task.token_hash, task.created_at, task.id),
        )
        return rows[0]["id"] if rows else task.id

    def count_fetch(self, task_id: str) -> int:
        """Count one fetch of a video; its number, from 1."""
        return self._changed("UPDATE tasks SET fetches = fetches + 1 WHERE id = ? RETURNING fetches", task_id) or 0

    def is_first_showing(self, task_id: str) -> bool:
        """Note that a result was given away; whether it was the first time."""
        return bool(self._changed("UPDATE tasks SET shown = 1 WHERE id = ? AND shown = 0 RETURNING 1", task_id))

    def rows(self, table: str) -> list[sqlite3.Row]:
        """Return all of a table in the order of its rows."""
        return self._read(f"SELECT * FROM {table} ORDER BY rowid")

    def _write(self, statement: str, values: tuple) -> int:
        with self._lock:
            return self._db.execute(statement, values).lastrowid or 0

    def _changed(self, statement: str, task_id: str) -> int | None:
        with self._lock:
            rows = self._db.execute(statement, (task_id,)).fetchall()
        return rows[0][0] if rows else None

    def _read(self, statement: str, values: tuple = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def new_id() -> str:
    return str(uuid.uuid4())


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
        file=row["file"],
        parent=row["parent"],
        video_id=row["video_id"],
        response=json.loads(row["response"]) if row["response"] else None,
        delivered=bool(row["delivered"]),
        deleted=bool(row["deleted"]),
    )
