"""The queue: the only module that knows django-q2.

A call in the queue is a wake-up call and may come twice or never; the rows decide what is to be done. The queue names
its functions by their path in `videos.tasks`.
"""

from django.conf import settings
from django.db import connection, transaction
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

SUBMIT_CLUSTER: str = settings.Q_CLUSTER["name"]
MEDIA_CLUSTER = "media"


def _later(function: str, *args, robust: bool = True, **options) -> None:
    """Put a call into the queue once what was just written is committed.

    A broker that is away is logged; without `robust` what it raises is raised.
    """

    def put() -> None:
        # In a transaction, as SQLite keeps whoever writes outside of one waiting for longest.
        with transaction.atomic():
            async_task(f"videos.tasks.{function}", *args, **options)

    if not settings.REDIS_URL and connection.in_atomic_block:
        # The queue is in the same database: committed along with what is to be done, which costs no second commit.
        async_task(f"videos.tasks.{function}", *args, **options)
    else:
        # No partial: what failed is logged by its name, and a partial has none.
        transaction.on_commit(put, robust=robust)


def enqueue_drain(*, robust: bool = True) -> None:
    """Wake a drain, without the queue's limit of time: it may hold answers that cannot be recorded yet."""
    _later("drain", robust=robust, timeout=-1)


def enqueue_archive(pk: int) -> None:
    _later("archive", pk, cluster=MEDIA_CLUSTER)


def enqueue_heartbeats(times: int = 1, *, robust: bool = True) -> None:
    """Ask a worker of each cluster to stamp its heartbeat."""
    for _ in range(times):
        _later("beat", SUBMIT_CLUSTER, robust=robust)
        _later("beat", MEDIA_CLUSTER, robust=robust, cluster=MEDIA_CLUSTER)


def enqueue_password_mail(name: str) -> None:
    # Not among the submissions: a mail server that does not answer would keep a worker from sending videos. The second
    # argument is for workers of the release before this one.
    _later("mail_new_password", name, settings.SITE_URL, cluster=MEDIA_CLUSTER)


def queue_sizes() -> dict[str, int]:
    """How many calls wait in the queue, by cluster. Raises what the broker raises."""
    return {cluster: get_broker(cluster).queue_size() for cluster in (SUBMIT_CLUSTER, MEDIA_CLUSTER)}


def broker_info() -> str:
    """Which broker it is, in a word or two; raises what it raises where it does not answer."""
    ours = get_broker(SUBMIT_CLUSTER)
    ours.ping()
    return ours.info()


def clear_queue() -> None:
    """Empty the queue: after a restore its calls are of another time. Redis keeps its own; they find nothing to do."""
    OrmQ.objects.all().delete()
