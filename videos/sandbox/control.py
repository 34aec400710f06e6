"""Settings that can change while a sandbox runs: a file in its data folder, which `--control` writes.

Keys: outage (`refused`, `502`, `503`) with until (Unix seconds), revoked (a list of tokens), faults (as in
SANDBOX_FAULTS), concurrency (a number). The file stays in effect after a restart.
"""

import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from .faults import parse_faults

OUTAGES = ("refused", "502", "503")
OUTAGE_SECONDS = 10.0
KEYS = frozenset(("outage", "until", "revoked", "faults", "concurrency"))


class Control:
    """The current content of the file; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._loaded_mtime_ns: int | None = None
        self._content: dict[str, Any] = {}

    def outage(self) -> str:
        """Return the kind of the current outage; "" for none."""
        content = self._current()
        return content["outage"] if content.get("outage") and time.time() < content.get("until", 0) else ""

    def outage_seconds_left(self) -> float:
        return max(0.0, self._current().get("until", 0) - time.time())

    def is_revoked(self, token: str) -> bool:
        return token in self._current().get("revoked", ())

    def faults(self, default: dict[str, float]) -> dict[str, float]:
        return self._current().get("faults", default)

    def concurrency(self, default: int) -> int:
        return self._current().get("concurrency", default)

    def change(self, changes: dict[str, Any]) -> None:
        """Merge keys into the file, where null removes one; raise ValueError for a wrong key or value."""
        merged = {**self._load(), **_validated(changes)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix="control-")
        with os.fdopen(handle, "w") as file:
            json.dump({key: value for key, value in merged.items() if value is not None}, file)
        os.replace(name, self._path)

    def _current(self) -> dict[str, Any]:
        with self._lock:
            try:
                mtime_ns = self._path.stat().st_mtime_ns
            except FileNotFoundError:
                return {}
            if mtime_ns != self._loaded_mtime_ns:
                content = self._load()
                if "faults" in content:
                    content["faults"] = parse_faults(content["faults"])
                self._content, self._loaded_mtime_ns = content, mtime_ns
            return self._content

    def _load(self) -> dict[str, Any]:
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}


def _validated(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the keys to store: `seconds` becomes the time at which an outage ends."""
    changes = dict(changes)
    seconds = changes.pop("seconds", OUTAGE_SECONDS)
    if changes.get("outage"):
        if changes["outage"] not in OUTAGES or not isinstance(seconds, int | float):
            raise ValueError(f"outage must be one of {', '.join(OUTAGES)}, and seconds a number")
        changes["until"] = time.time() + seconds
    if unknown := set(changes) - KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if not isinstance(changes.get("revoked") or [], list):
        raise ValueError("revoked must be a list of tokens")
    if not isinstance(changes.get("concurrency") or 0, int):
        raise ValueError("concurrency must be a number")
    parse_faults(changes.get("faults") or "")
    return changes
