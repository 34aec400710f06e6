"""Wait for conditions and inspect processes."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path


def wait_until(condition, what=lambda: "", seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what()}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return True if the process runs; a zombie does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.strip().startswith("Z")


def children_of(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = (map(int, line.split()) for line in done.stdout.splitlines())
    return [child for child, parent in pairs if parent == pid]


def processes_with(setting: str) -> dict[int, str]:
    """Return id and command line of all processes, zombies aside, with this NAME=value in their environment."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if setting.encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
    return found
