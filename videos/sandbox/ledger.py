"""What was asked, accepted, answered and delivered, on disk before anybody hears of it."""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
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
    "tasks": {"started_at": "REAL", "deleted": "INTEGER NOT NULL DEFAULT 0"},
}
ADDED_INDEXES = """
CREATE INDEX IF NOT EXISTS tasks_listed ON tasks (token_hash, created_at);
"""


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
        self._lock = threading.Lock()
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

    def receive(self, token_hash: str, request: dict[str, Any], trace_id: str) -> int:
        """Note a POST that will not be accepted; the number is for answered()."""
        return self._write(
            "INSERT INTO posts (received_at, token_hash, request, trace_id) VALUES (?, ?, ?, ?)",
            (time.time(), token_hash, json.dumps(request), trace_id),
        )

    def accept(self, token_hash: str, request: dict[str, Any], trace_id: str, task: Task) -> int:
        """Note a POST and the task it made, in one commit; the number is for answered()."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                post = self._db.execute(
                    "INSERT INTO posts (received_at, token_hash, request, trace_id, task_id) VALUES (?, ?, ?, ?, ?)",
                    (task.created_at, token_hash, json.dumps(request), trace_id, task.id),
                ).lastrowid
                self._db.execute(
                    "INSERT INTO tasks (id, token_hash, trace_id, created_at, started_at, ready_at, request, faults,"
                    " file, parent, video_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        task.id,
                        token_hash,
                        trace_id,
                        task.created_at,
                        task.started_at,
                        task.ready_at,
                        json.dumps(request),
                        json.dumps(sorted(task.faults)),
                        task.file,
                        task.parent,
                        task.video_id,
                    ),
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        return post

    def answered(self, post: int, status: int) -> None:
        """Note the status of an answer that is about to leave (0: the connection was cut or held)."""
        self._write("UPDATE posts SET answered = ?, answered_at = ? WHERE id = ?", (status, time.time(), post))

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
        return bool(self._read("SELECT 1 FROM posts WHERE task_id = ? AND answered = 200", (task_id,)))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Everything on record, oldest first, one dictionary per POST."""
        calls: dict[str, list[dict[str, Any]]] = {}
        for row in self._read("SELECT * FROM callbacks ORDER BY id"):
            calls.setdefault(row["task_id"], []).append(
                {name: row[name] for name in ("attempted_at", "kind", "status", "error")}
            )
        tasks = {row["id"]: _task(row) for row in self._read("SELECT * FROM tasks")}
        for row in self._read("SELECT * FROM posts ORDER BY id"):
            task = tasks.get(row["task_id"])
            yield {
                "id": row["id"],
                "accepted": task is not None,
                "received_at": row["received_at"],
                "token_hash": row["token_hash"],
                "trace_id": row["trace_id"],
                "request": json.loads(row["request"]),
                "answered": row["answered"],
                "answered_at": row["answered_at"],
                "task_id": row["task_id"],
                "video_id": task.video_id if task else None,
                "faults": sorted(task.faults) if task else [],
                "finished_at": task.finished_at if task else None,
                "success": task.response["success"] if task and task.response else None,
                "callbacks": calls.get(row["task_id"], []),
            }

    def _write(self, statement: str, values: tuple) -> int:
        with self._lock:
            return self._db.execute(statement, values).lastrowid or 0

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
