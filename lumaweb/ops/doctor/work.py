"""What works in the background: the queue, its workers, the ticker, and what waits for them."""

import time
from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone

from videos.jobs.queue import MEDIA_CLUSTER, SUBMIT_CLUSTER, broker_info, enqueue_heartbeats, queue_sizes
from videos.models import ApiToken, Heartbeat, Lease, Pool, StepFailure, status

from .findings import Finding, fail, ok, warn

SIGN_WITHIN = 10.0  # seconds
LONG_QUEUE = 1000
LONG_WAIT = 600.0  # seconds
START = "Start it: manage.py serve --only {}, or see the log for why it does not live."


def queue() -> Iterator[Finding]:
    kind = "REDIS_URL" if settings.REDIS_URL else "the database"
    try:
        name, calls = broker_info(), queue_sizes()
    except Exception as error:  # each broker has its own
        yield fail(
            f"The queue in {kind} does not answer: {type(error).__name__}.",
            "Check that Redis runs, and REDIS_URL. Until then new videos wait for the ticker."
            if settings.REDIS_URL
            else "See what is said of the database.",
        )
        return
    waiting = sum(calls.values())
    words = f"{name if settings.REDIS_URL else 'In the database'}; {waiting} calls wait."
    if waiting > LONG_QUEUE:
        yield warn(words, "The workers do not keep up, or do not live: see the next lines.")
    else:
        yield ok(words)


def workers(seconds: float = SIGN_WITHIN) -> Iterator[Finding]:
    """Ask for a sign of life, through the queue, and wait for it."""
    asked = timezone.now()
    enqueue_heartbeats()
    silent = {SUBMIT_CLUSTER: "worker", MEDIA_CLUSTER: "media worker"}
    end = time.monotonic() + seconds
    while silent and time.monotonic() < end:
        for cluster in [cluster for cluster in silent if Heartbeat.objects.of(cluster).filter(at__gte=asked).exists()]:
            yield ok(f"The {silent.pop(cluster)} answers, after {(timezone.now() - asked).total_seconds():.1f} s.")
        time.sleep(0.1 if silent else 0)
    for cluster, name in silent.items():
        at = status.last_sign(cluster)
        last = f"the last sign of life was {(timezone.now() - at).total_seconds():.0f} s ago" if at else "it never has"
        consequence = "Nothing new is sent" if cluster == SUBMIT_CLUSTER else "Nothing is saved"
        yield fail(
            f"The {name} did not answer within {seconds:.0f} s; {last}. {consequence} until it does.",
            START.format("worker"),
        )


def ticker() -> Iterator[Finding]:
    held = Lease.objects.filter(name="ticker").first()
    if held and held.until > timezone.now():
        yield ok("The ticker runs.")
    else:
        yield fail(
            "No ticker runs: late results are not asked for, and what was lost on the way stays lost.",
            START.format("ticker"),
        )
    for failure in StepFailure.objects.current():
        yield warn(
            f"The ticker's step “{failure.name}” fails. {failure.words} The other steps go on.",
            f"The ticker's log has the traceback, once: look for “step {failure.name}”.",
        )


def waiting() -> Iterator[Finding]:
    """What waits for longer than it should, and for whom."""
    now = timezone.now()
    line, held, unsaved = status.waiting(), status.held(), status.unsaved()
    if line.age(now) > LONG_WAIT:
        why = Pool(list(ApiToken.objects.all()), now).wait
        yield warn(
            f"{line.length} videos wait to be sent, the first for {_spoken(line.age(now))}"
            + (f", as {why.text}" if why else ", though a token has room."),
            why.admin if why and why.admin else "Look at the worker and the tokens above.",
        )
    if held:
        yield warn(
            f"{held} videos are held since a restore or a change of the provider.",
            "Adopt or release them under Generations in the admin.",
        )
    if unsaved.age(now) > LONG_WAIT:
        yield warn(
            f"{unsaved.length} finished videos are not saved here yet, the first since {_spoken(unsaved.age(now))}. "
            "The provider's links expire.",
            "Look at the media worker and the storage above; each video's story says what happened.",
        )
    if line.age(now) <= LONG_WAIT and not held and unsaved.age(now) <= LONG_WAIT:
        yield ok(f"{line.length} wait to be sent, {unsaved.length} to be saved.")


def _spoken(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 7200 else f"{seconds / 60:.0f} minutes"
