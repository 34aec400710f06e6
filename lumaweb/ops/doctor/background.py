"""Checks of the background work: the queue, its workers, the ticker, and the videos that wait for them."""

import time
from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone

from lumaweb.ops.heartbeats import CLUSTER_NAMES
from videos.jobs.broker_errors import BrokerUnavailable
from videos.jobs.queue import SUBMIT_CLUSTER, broker_info, enqueue_heartbeats, queue_sizes
from videos.models import ApiToken, Heartbeat, Lease, Pool, StepFailure, status
from videos.models.database_clock import database_now

from .findings import Finding, fail, ok, skip, warn
from .provider import PROVIDER_PAGE

HEARTBEAT_TIMEOUT = 10.0  # seconds
MAX_QUEUE_LENGTH = 1000
MAX_WAIT = 600.0  # seconds
START = "Start it with manage.py serve --only {}, or see in its log why it stops."


def queue() -> Iterator[Finding]:
    """Check that the broker answers and that its queue is short."""
    try:
        name, sizes = broker_info(), queue_sizes()
    except BrokerUnavailable as error:
        yield redis_down(error)
        return
    length = sum(sizes.values())
    message = f"{name if settings.REDIS_URL else 'In the database'}; waiting calls: {length}."
    if length > MAX_QUEUE_LENGTH:
        yield warn(
            "queue-long",
            "Work piles up in the queue",
            message,
            "The workers are too slow or do not run: see the next checks.",
        )
    else:
        yield ok(message)


def redis_down(error: BrokerUnavailable) -> Finding:
    """Return the finding for a Redis that does not work."""
    return fail(
        error.problem.code,
        "Redis does not work",
        f"The queue in Redis does not work: {error.problem.reason}. Until it does, the ticker sends new videos, and "
        "finished ones stay at the provider, which keeps them for 30 days.",
        error.problem.fix,
    )


def workers(timeout: float = HEARTBEAT_TIMEOUT) -> Iterator[Finding]:
    """Request a heartbeat of each cluster through the queue, and wait for it."""
    requested_at = database_now()
    try:
        enqueue_heartbeats(robust=False)
    except BrokerUnavailable:
        yield skip("Not checked, as Redis does not work: see the check of the queue.")
        return
    missing = dict(CLUSTER_NAMES)
    deadline = time.monotonic() + timeout
    while missing and time.monotonic() < deadline:
        for cluster in list(missing):
            if Heartbeat.objects.of_cluster(cluster).filter(at__gte=requested_at).exists():
                seconds = (database_now() - requested_at).total_seconds()
                yield ok(f"The {missing.pop(cluster)} answered after {seconds:.1f} s.")
        time.sleep(0.1 if missing else 0)
    for cluster, name in missing.items():
        at = status.last_sign(cluster)
        last = f"its last heartbeat was {(database_now() - at).total_seconds():.0f} s ago" if at else "it never has"
        consequence = "No new video is sent" if cluster == SUBMIT_CLUSTER else "No video is saved"
        yield fail(
            f"{name.replace(' ', '-')}-missing",
            f"The {name} does not run",
            f"The {name} did not answer within {timeout:.0f} s; {last}. {consequence} until it does.",
            START.format("worker"),
        )


def ticker() -> Iterator[Finding]:
    """Check that a ticker holds its lease and that all its steps work."""
    lease = Lease.objects.filter(name="ticker").first()
    if lease and lease.until > database_now():
        yield ok("The ticker runs.")
    else:
        yield fail(
            "ticker-missing",
            "The ticker does not run",
            "No ticker runs: late results are not looked up, and lost work is not repeated.",
            START.format("ticker"),
        )
    for failure in StepFailure.objects.current():
        if failure.error == BrokerUnavailable.__name__:
            continue  # the check of the queue names the cause
        yield warn(
            "ticker-step",
            "A repeated task fails",
            f"The ticker's step “{failure.name}” fails. {failure.words} The other steps continue.",
            f"The ticker's log has the traceback, once: look for “step {failure.name}”.",
        )


def waiting() -> Iterator[Finding]:
    """Check how long videos wait to be sent, released and saved."""
    now = timezone.now()
    queued, held, unsaved = status.waiting(), status.held(), status.unsaved()
    if queued.age(now) > MAX_WAIT:
        reason = Pool(list(ApiToken.objects.all()), now).wait
        yield warn(
            "videos-wait",
            "Videos wait to be sent",
            f"{queued.length} videos wait to be sent, the first for {_duration(queued.age(now))}"
            + (f", as {reason.text}" if reason else ", although a token has room."),
            reason.for_admins if reason and reason.for_admins else "See the checks of workers and tokens.",
        )
    if held:
        yield warn(
            "videos-held",
            "Videos are held",
            f"{held} videos have been held since a restore or a change of the provider.",
            "Adopt or release them on the Provider page.",
            PROVIDER_PAGE,
        )
    if unsaved.age(now) > MAX_WAIT:
        yield warn(
            "videos-unsaved",
            "Finished videos are not saved yet",
            f"{unsaved.length} finished videos are not saved yet, the first for {_duration(unsaved.age(now))}. "
            "The provider's links expire.",
            "See the checks of the media worker and the storage; each video's timeline shows what happened.",
        )
    if queued.age(now) <= MAX_WAIT and not held and unsaved.age(now) <= MAX_WAIT:
        yield ok(f"Waiting to be sent: {queued.length}. Waiting to be saved: {unsaved.length}.")


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 7200 else f"{seconds / 60:.0f} minutes"
