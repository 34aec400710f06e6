"""Who is who among the processes of one installation, read from /proc (Linux)."""

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Target:
    """What one kill hits: `group` kills the whole process group that `pid` leads."""

    what: str
    pid: int
    group: bool = False


class Tree:
    """The descendants of one supervisor at one moment."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._children: dict[int, list[int]] = defaultdict(list)
        for entry in PROC.iterdir():
            if entry.name.isdigit() and (parent := _parent(int(entry.name))):
                self._children[parent].append(int(entry.name))

    def below(self, pid: int) -> list[int]:
        """All descendants, parents first."""
        found = []
        for child in sorted(self._children[pid]):
            found += [child, *self.below(child)]
        return found

    def program(self, name: str) -> int | None:
        """The process the supervisor started for this program; None while it is down."""
        marks = {"sandbox": "videos.sandbox", "web": "lumaweb.server", "ticker": "sweep"}
        for pid in self._children[self.root]:
            words = _read(pid, "cmdline").split("\0")
            if name in ("worker", "media"):
                cluster = "lumaweb" if name == "worker" else "media"
                if "qcluster" in words and f"Q_CLUSTER_NAME={cluster}" in _read(pid, "environ").split("\0"):
                    return pid
            elif marks[name] in words:
                return pid
        return None

    def talking_to(self, port: int, pids: list[int]) -> list[int]:
        """Those of these processes that hold an open connection to a port of this machine."""
        sockets = set()
        for line in (PROC / "net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
        return [pid for pid in pids if sockets & _open_files(pid)]

    def targets(self, sandbox_port: int) -> dict[str, list[Target]]:
        """Everything that can be killed now, by what it is."""
        found: dict[str, list[Target]] = defaultdict(list)
        for name in ("worker", "media"):
            if leader := self.program(name):
                found[f"{name} cluster"] = [Target(f"{name} cluster", leader, group=True)]
                for sentinel in self._children[leader]:
                    found[f"{name} sentinel"].append(Target(f"{name} sentinel", sentinel))
                    inside = self._children[sentinel]
                    found[f"{name} process"] += [Target(f"{name} process", pid) for pid in inside]
                    found[f"{name} talking"] += [
                        Target(f"{name} talking", pid) for pid in self.talking_to(sandbox_port, inside)
                    ]
        if master := self.program("web"):
            found["web master"] = [Target("web master", master)]
            found["web worker"] = [Target("web worker", pid) for pid in self._children[master]]
        for name in ("ticker", "sandbox"):
            if pid := self.program(name):
                found[name] = [Target(name, pid)]
        return found


def strike(target: Target, root: int) -> bool:
    """SIGKILL, but only what still descends from the supervisor; False when it was gone before."""
    pid = target.pid
    while pid and pid != root:
        pid = _parent(pid)
    if pid != root or target.pid == root:
        return False
    try:
        (os.killpg if target.group else os.kill)(target.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:  # it ended while we looked
        return ""


def _parent(pid: int) -> int:
    # The name in brackets may hold anything; the fields begin behind it.
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[0] != "Z" else 0


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for entry in (PROC / str(pid) / "fd").iterdir():
            found.add(str(entry.readlink()))
    except OSError:  # it ended, or closed the file, while we looked
        return found
    return found
