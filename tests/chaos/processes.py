"""The processes of one installation, read from /proc (Linux)."""

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED = "01"
# A word in the command line of each program; workers are told apart by their queue.
COMMAND_WORDS = {"sandbox": "videos.sandbox", "web": "lumaweb.server", "ticker": "sweep"}
CLUSTER_NAMES = {"worker": "lumaweb", "media": "media"}


@dataclass(frozen=True, slots=True)
class Target:
    """A process that can be killed; with is_group the whole process group that it leads."""

    name: str
    pid: int
    is_group: bool = False


class ProcessTree:
    """The descendants of one supervisor at one moment."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._children: dict[int, list[int]] = defaultdict(list)
        for entry in PROC.iterdir():
            if entry.name.isdigit() and (parent := _parent(int(entry.name))):
                self._children[parent].append(int(entry.name))

    def descendants(self, pid: int) -> list[int]:
        """Return all descendants of a process, parents first."""
        found = []
        for child in sorted(self._children[pid]):
            found += [child, *self.descendants(child)]
        return found

    def program(self, name: str) -> int | None:
        """Return the process that the supervisor started for a program; None while there is none."""
        for pid in self._children[self.root]:
            words = _read(pid, "cmdline").split("\0")
            if name in CLUSTER_NAMES:
                variable = f"Q_CLUSTER_NAME={CLUSTER_NAMES[name]}"
                if "qcluster" in words and variable in _read(pid, "environ").split("\0"):
                    return pid
            elif COMMAND_WORDS[name] in words:
                return pid
        return None

    def targets(self, sandbox_port: int) -> dict[str, list[Target]]:
        """Return everything that can be killed now, by name."""
        found: dict[str, list[Target]] = defaultdict(list)
        for name in CLUSTER_NAMES:
            if leader := self.program(name):
                found[f"{name} cluster"] = [Target(f"{name} cluster", leader, is_group=True)]
                for sentinel in self._children[leader]:
                    found[f"{name} sentinel"].append(Target(f"{name} sentinel", sentinel))
                    processes = self._children[sentinel]
                    found[f"{name} process"] += [Target(f"{name} process", pid) for pid in processes]
                    found[f"{name} connected"] += [
                        Target(f"{name} connected", pid) for pid in connected_to(sandbox_port, processes)
                    ]
        if master := self.program("web"):
            found["web master"] = [Target("web master", master)]
            found["web worker"] = [Target("web worker", pid) for pid in self._children[master]]
        for name in ("ticker", "sandbox"):
            if pid := self.program(name):
                found[name] = [Target(name, pid)]
        return found


def connected_to(port: int, pids: list[int]) -> list[int]:
    """Return the processes with an open connection to a port of this machine."""
    sockets = set()
    for line in (PROC / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    return [pid for pid in pids if sockets & _open_files(pid)]


def kill(target: Target, root: int) -> bool:
    """Send SIGKILL to a target that still descends from the supervisor; return False if it has ended."""
    pid = target.pid
    while pid and pid != root:
        pid = _parent(pid)
    if pid != root or target.pid == root:
        return False
    try:
        (os.killpg if target.is_group else os.kill)(target.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:  # the process has ended
        return ""


def _parent(pid: int) -> int:
    # The name in brackets may contain any character, also brackets: the fields begin after the last one.
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[0] != "Z" else 0


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            found.add(str(entry.readlink()))
    except OSError:  # the process ended, or closed the file
        return found
    return found
