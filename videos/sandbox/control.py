"""What can be changed while a sandbox runs: a file in its data folder, which `--control` writes.

Keys: outage (`refused`, `502`, `503`) with until (Unix seconds), revoked (a list of tokens), faults (as in
SANDBOX_FAULTS), concurrency (a number). The file keeps its effect over a restart.
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


class Control:
    """The current content of the file; safe to share among threads."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._content: dict[str, Any] = {}

    def outage(self) -> str:
        """Return the kind of outage that is going on; "" for none."""
        content = self._current()
        return content["outage"] if content.get("outage") and time.time() < content.get("until", 0) else ""

    def outage_seconds_left(self) -> float:
        return max(0.0, self._current().get("until", 0) - time.time())

    def is_revoked(self, token: str) -> bool:
        return token in self._current().get("revoked", ())

    def faults(self, usual: dict[str, float]) -> dict[str, float]:
        return self._current().get("faults", usual)

    def concurrency(self, usual: int) -> int:
        return self._current().get("concurrency", usual)

    def change(self, given: dict[str, Any]) -> None:
        """Merge keys into the file, null removes one; ValueError says which is wrong."""
        merged = {**self._load(), **_checked(given)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix="control-")
        with os.fdopen(handle, "w") as file:
            json.dump({key: value for key, value in merged.items() if value is not None}, file)
        os.replace(name, self._path)

    def _current(self) -> dict[str, Any]:
        with self._lock:
            try:
                changed_at = self._path.stat().st_mtime_ns
            except FileNotFoundError:
                return {}
            if changed_at != self._read_at:
                self._content, self._read_at = _understood(self._load()), changed_at
            return self._content

    def _load(self) -> dict[str, Any]:
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the keys to store; `seconds` becomes the time at which an outage ends."""
    given = dict(given)
    seconds = given.pop("seconds", OUTAGE_SECONDS)
    if given.get("outage"):
        if given["outage"] not in OUTAGES or not isinstance(seconds, int | float):
            raise ValueError(f"outage must be one of {', '.join(OUTAGES)}, and seconds a number")
        given["until"] = time.time() + seconds
    if unknown := set(given) - {"outage", "until", "revoked", "faults", "concurrency"}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if not isinstance(given.get("revoked") or [], list):
        raise ValueError("revoked must be a list of tokens")
    if not isinstance(given.get("concurrency") or 0, int):
        raise ValueError("concurrency must be a number")
    parse_faults(given.get("faults") or "")
    return given


def _understood(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, **({"faults": parse_faults(content["faults"])} if "faults" in content else {})}
