"""What the supervisor runs, and its timing."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Program:
    """One program that the supervisor keeps running as a child process.

    `heartbeat` returns a value that changes while the program makes progress; an exception from it says nothing about
    the program. The supervisor calls it in its monitor thread.
    `outlives_others`: stop it only after the others have stopped, because they still use it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Callable[[], Hashable] | None = None
    outlives_others: bool = False


@dataclass(frozen=True)
class Timing:
    """Timeouts and intervals in seconds."""

    stop_timeout: float = 12.0  # between SIGTERM and SIGKILL
    last_stop_timeout: float = 3.0  # the same for programs that outlive the others
    first_restart_delay: float = 0.5
    max_restart_delay: float = 30.0
    stable_after: float = 60.0  # a child that ran this long restarts with the first delay
    probe_interval: float = 5.0
    startup_probe_interval: float = 0.2
    heartbeat_timeout: float = 45.0  # a program whose heartbeat does not change for this long is killed
    waiting_message_interval: float = 20.0
