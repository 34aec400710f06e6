"""The queue: the only module that enqueues with django-q2.

A call in the queue is a wake-up and may run twice or never; the rows decide what there is to do. The queue names its
functions by their path in `videos.tasks`.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

from .broker_errors import BrokerUnavailable, explain, is_broker_error

logger = logging.getLogger(__name__)

LOG_OUTAGE_EVERY = 60.0  # seconds, in each process

SUBMIT_CLUSTER = str(settings.Q_CLUSTER["name"])
MEDIA_CLUSTER = "media"


def _enqueue(function: str, *args: Any, robust: bool = True, **options: Any) -> None:
    """Enqueue a call after the current transaction is committed.

    If Redis does not work, that is logged without a traceback, or without `robust` raised as BrokerUnavailable.
    """

    def put() -> None:
        try:
            # In a transaction: in autocommit mode SQLite waits longer for its write lock.
            with transaction.atomic(), _broker_errors():
                async_task(f"videos.tasks.{function}", *args, **options)
        except BrokerUnavailable as error:
            if not robust:
                raise
            _log_outage(error)

    if not settings.REDIS_URL and connection.in_atomic_block:
        # The queue is in the same database, so the call is committed together with the rows.
        async_task(f"videos.tasks.{function}", *args, **options)
    else:
        # Not a partial: Django logs the name of a callback that failed, and a partial has none.
        transaction.on_commit(put, robust=robust)


@contextmanager
def _broker_errors() -> Iterator[None]:
    """Raise an error of the Redis client as BrokerUnavailable."""
    try:
        yield
    except Exception as error:
        if is_broker_error(error):
            raise BrokerUnavailable(explain(error)) from None
        raise


_outage_logged_at = -LOG_OUTAGE_EVERY


def _log_outage(error: BrokerUnavailable) -> None:
    """Log the outage once in a while: each submission and each poll would repeat it."""
    global _outage_logged_at
    if time.monotonic() - _outage_logged_at >= LOG_OUTAGE_EVERY:
        _outage_logged_at = time.monotonic()
        logger.warning("%s The ticker sends new videos until it works again.", error)


def enqueue_drain(*, robust: bool = True) -> None:
    """Start a drain, without the queue's time limit: it may hold answers that cannot be recorded yet."""
    _enqueue("drain", robust=robust, timeout=-1)


def enqueue_archive(pk: int) -> None:
    """Start to save a finished video."""
    _enqueue("archive", pk, cluster=MEDIA_CLUSTER)


def enqueue_poster_colors(pks: list[int]) -> None:
    """Start to read the colors of these videos' posters."""
    _enqueue("read_poster_colors", *pks, cluster=MEDIA_CLUSTER)


def enqueue_heartbeats(times: int = 1, *, robust: bool = True) -> None:
    """Ask a worker of each cluster to stamp its heartbeat."""
    for _ in range(times):
        _enqueue("beat", SUBMIT_CLUSTER, robust=robust)
        _enqueue("beat", MEDIA_CLUSTER, robust=robust, cluster=MEDIA_CLUSTER)


def enqueue_balance_mail() -> None:
    """Mail the admins once if the balance is low, in the media cluster like every mail."""
    _enqueue("mail_low_balance", cluster=MEDIA_CLUSTER)


def enqueue_password_mail(name: str) -> None:
    """Mail a member a link to a new password."""
    # In the media cluster: a mail server that does not answer must not keep a worker from submitting videos. The second
    # argument is for workers of the previous release.
    _enqueue("mail_new_password", name, settings.SITE_URL, cluster=MEDIA_CLUSTER)


def queue_sizes() -> dict[str, int]:
    """Return how many calls wait in the queue, by cluster. Raises BrokerUnavailable."""
    with _broker_errors():
        return {cluster: get_broker(cluster).queue_size() for cluster in (SUBMIT_CLUSTER, MEDIA_CLUSTER)}


def broker_info() -> str:
    """Return the kind of the broker in a word or two. Raises BrokerUnavailable."""
    with _broker_errors():
        return str(get_broker(SUBMIT_CLUSTER).info())


def clear_queue() -> None:
    """Delete the calls in the database, which after a restore are of the past. Calls in Redis find nothing to do."""
    OrmQ.objects.all().delete()
