"""Tell why the broker in Redis does not work, in words without hosts and passwords."""

import re
from typing import NamedTuple


class BrokerProblem(NamedTuple):
    """A cause. `reason` completes "Redis does not work: …"; `fix` says what to do."""

    pattern: str
    code: str
    reason: str
    fix: str


# Patterns match the error's class and message, as the client and the server word them.
PROBLEMS = (
    BrokerProblem(
        r"NOAUTH|WRONGPASS|Authentication|invalid (username-)?password|NOPERM",
        "redis-password",
        "it refuses the password",
        "Correct the user and the password in REDIS_URL (redis://user:password@host:6379/0).",
    ),
    BrokerProblem(
        r"Connection refused|No such file or directory",
        "redis-refused",
        "nothing listens there",
        "Start Redis, or correct the host and the port in REDIS_URL.",
    ),
    BrokerProblem(
        r"Name or service not known|nodename nor servname|name resolution|No address associated",
        "redis-host",
        "its name cannot be resolved",
        "Correct the host in REDIS_URL, or add it to the DNS.",
    ),
    BrokerProblem(
        r"Timeout|timed out|No route to host|unreachable",
        "redis-timeout",
        "it does not answer in time",
        "Check that Redis runs, the firewall in between, and the host and the port in REDIS_URL.",
    ),
    BrokerProblem(
        r"DB index|SELECT",
        "redis-database",
        "it has no database of this number",
        "Correct the number at the end of REDIS_URL; Redis has 16 databases unless it is configured otherwise.",
    ),
    BrokerProblem(r"BusyLoading|LOADING", "redis-loading", "it is still loading its data", "Wait until it has loaded."),
    BrokerProblem(
        r"ReadOnly|READONLY", "redis-replica", "it is a read-only replica", "Set REDIS_URL to the primary server."
    ),
    BrokerProblem(
        r"OutOfMemory|OOM", "redis-memory", "its memory is full", "Raise maxmemory, or give the queue its own Redis."
    ),
    BrokerProblem(
        r"MISCONF",
        "redis-disk",
        "it cannot save to its disk",
        "Free some space on the disk of Redis, or turn its snapshots off: the queue needs none.",
    ),
    BrokerProblem(
        r"SSL|certificate|CERTIFICATE",
        "redis-tls",
        "the encrypted connection fails",
        "Use rediss:// for a server with TLS and redis:// for one without, and check its certificate.",
    ),
    BrokerProblem(
        r"Connection (reset|closed)|closed by server|Broken pipe",
        "redis-lost",
        "the connection was lost",
        "Check that Redis runs, and its log.",
    ),
)
UNKNOWN = BrokerProblem("", "redis-error", "it does not answer", "Check that Redis runs, and REDIS_URL.")


class BrokerUnavailable(Exception):
    """The broker did not take a call. The message is a sentence without hosts and passwords."""

    def __init__(self, problem: BrokerProblem) -> None:
        super().__init__(f"Redis does not work: {problem.reason}.")
        self.problem = problem


def is_broker_error(error: object) -> bool:
    """Return whether an exception comes from the Redis client, which is not imported here: SQLite needs none."""
    return isinstance(error, BaseException) and any(
        kind.__module__.split(".")[0] == "redis" for kind in type(error).__mro__
    )


def explain(error: BaseException) -> BrokerProblem:
    """Return the problem behind an error of the Redis client."""
    text = f"{type(error).__name__}: {error}"
    return next((problem for problem in PROBLEMS if re.search(problem.pattern, text)), UNKNOWN)
