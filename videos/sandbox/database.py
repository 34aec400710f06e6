"""The SQLite file of a sandbox: schema, transactions and queries."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
# Later versions of the schema, for files that an earlier sandbox created.
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
BUSY_TIMEOUT = 20.0  # seconds


class Database:
    """One connection that threads share; every write is on disk when its method returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()  # reentrant: a transaction may call methods that read
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)
        self._add_columns()
        self._connection.executescript(ADDED_INDEXES)

    def _add_columns(self) -> None:
        with self.transaction():  # --ledger may open the file at the same time
            for table, columns in ADDED_COLUMNS.items():
                existing = {row["name"] for row in self.query(f"PRAGMA table_info({table})")}
                for name, kind in columns.items():
                    if name not in existing:
                        self.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing if an exception leaves it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Run one statement; return the id of the row it inserted."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def query(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def query_one(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        """Return the first row, None without one."""
        rows = self.query(statement, values)
        return rows[0] if rows else None

    def query_value(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        """Return the first value of the first row, None without a row."""
        row = self.query_one(statement, values)
        return row[0] if row else None
