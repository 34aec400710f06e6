"""The /metrics page for Prometheus. It requires LUMAWEB_METRICS_TOKEN and does not exist while that is unset."""

import platform
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from lumaweb.deadline import SingleFlight, TimedOut
from lumaweb.ops.backup.schedule import last_result
from lumaweb.ops.storage_use import MediaUse
from videos.jobs.queue import MEDIA_CLUSTER, SUBMIT_CLUSTER, queue_sizes
from videos.models import ApiToken, Balance, Histogram, Lease, ProviderAccount, StepFailure, status
from videos.models.amounts import CREDIT, month_of
from videos.models.database_clock import database_now
from videos.reports import rollups

TIMEOUT = 5.0  # seconds; Prometheus waits 10
QUEUE_TIMEOUT = 2.0  # seconds
# By the histogram's name in the database: the metric's name, its help text and the names of its labels.
HISTOGRAMS = {
    "post": (
        "lumaweb_provider_post_seconds",
        "Response time of the provider to a request for a video.",
        ["outcome"],
    ),
    "callback": ("lumaweb_callback_seconds", "Response time to a callback.", ["status"]),
    "http": ("lumaweb_http_seconds", "Response time of the web servers to requests, by class of status.", ["status"]),
    "news": ("lumaweb_news_seconds", "Time to record a result, by its source.", ["messenger", "verdict"]),
}

EXPECTED_LABELS = {
    "http": ("2xx", "3xx", "4xx", "5xx"),
    "post": ("accepted", "not_sent", "refused", "unclear"),
}

Row = tuple[dict[str, str], float]


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of the whole installation, whichever process answers."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        response = HttpResponse(
            "Send LUMAWEB_METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain"
        )
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    try:
        return HttpResponse(EXPOSITION.result(TIMEOUT), content_type=CONTENT_TYPE_LATEST)
    except TimedOut:
        return HttpResponse("The database has not answered in time.\n", status=503, content_type="text/plain")


class InstallationCollector(Collector):
    """Read every metric from the database and the broker at each scrape."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        info = {"database": connection.vendor, "python": platform.python_version()}
        yield _gauge("lumaweb_info", "About this installation; always 1.", [(info, 1)])
        yield from self._generations(now)
        yield from self._tokens(now)
        yield from self._callbacks()
        yield from self._queue()
        yield from self._ticker()
        yield from self._disks()
        yield from self._balance()
        yield from self._storage()
        yield from self._backups()
        yield from self._histograms()

    def _generations(self, now: datetime) -> Iterator[Metric]:
        finished, simulated = rollups.finished_by_state() or ({}, {})
        states = status.unfinished() | finished
        rows = [({"state": str(state)}, number) for state, number in states.items()]
        yield _gauge("lumaweb_generations", "Videos by state; finished states appear after the first count.", rows)
        free = [({"state": str(state)}, number) for state, number in simulated.items()]
        yield _gauge("lumaweb_generations_simulated", "Simulated videos among the finished ones, by state.", free)
        month = Balance.objects.of_the_team(month_of())
        parts = [({"part": "spent"}, month.charged), ({"part": "reserved"}, month.reserved)]
        parts.append(({"part": "simulated"}, month.simulated))
        credits = [(label, amount / CREDIT) for label, amount in parts]
        yield _gauge("lumaweb_month_credits", "Credits of this month; simulated ones cost nothing.", credits)
        waiting, unsaved = status.waiting(), status.unsaved()
        yield _gauge("lumaweb_waiting", "Videos waiting to be sent.", [({}, waiting.length)])
        yield _gauge("lumaweb_waiting_oldest_seconds", "Age of the oldest waiting video.", [({}, waiting.age(now))])
        yield _gauge("lumaweb_held", "Videos held until an admin releases them.", [({}, status.held())])
        yield _gauge("lumaweb_unsaved", "Finished videos that are not saved here yet.", [({}, unsaved.length)])
        yield _gauge(
            "lumaweb_unsaved_oldest_seconds", "Time since the oldest unsaved video finished.", [({}, unsaved.age(now))]
        )

    def _tokens(self, now: datetime) -> Iterator[Metric]:
        """Label tokens by primary key, as their names may be confidential."""
        tokens = [({"token": str(token.pk)}, token) for token in ApiToken.objects.order_by("pk")]
        current = [(label, status.condition_of(token, now)) for label, token in tokens]
        conditions = [
            (label | {"condition": condition}, int(condition == found))
            for label, found in current
            for condition in status.CONDITIONS
        ]
        yield _gauge("lumaweb_token_condition", "1 for the token's current condition, else 0.", conditions)
        in_flight = [(label, token.in_flight) for label, token in tokens]
        yield _gauge("lumaweb_token_in_flight", "Videos in progress at the provider, by token.", in_flight)
        limits = [(label, token.limit) for label, token in tokens]
        yield _gauge("lumaweb_token_in_flight_limit", "Maximum number of videos in progress, by token.", limits)

    def _callbacks(self) -> Iterator[Metric]:
        tokens = ApiToken.objects.filter(enabled=True)
        expected = any(token.public_url for token in tokens)
        help_text = "1 if the provider of an enabled token has an address to call back, else 0."
        yield _gauge("lumaweb_callbacks_expected", help_text, [({}, int(expected))])

    def _ticker(self) -> Iterator[Metric]:
        alive = Lease.objects.filter(name="ticker", until__gt=database_now()).exists()
        yield _gauge("lumaweb_ticker_alive", "1 while a ticker holds its lease, else 0.", [({}, int(alive))])
        failing = [({"step": failure.name}, 1) for failure in StepFailure.objects.current()]
        yield _gauge("lumaweb_ticker_step_failing", "1 for each step of the ticker that fails now.", failing)

    def _disks(self) -> Iterator[Metric]:
        """Measure the disks of the machine that answers; the media are on one unless they are in a bucket."""
        folders = {"data": settings.DATA_DIR} | ({} if settings.BUCKET else {"media": settings.MEDIA_ROOT})
        found = {use: shutil.disk_usage(path) for use, path in folders.items() if path.exists()}
        free = [({"disk": use}, usage.free) for use, usage in found.items()]
        yield _gauge("lumaweb_disk_free_bytes", "Free space for the data directory and the media.", free)
        size = [({"disk": use}, usage.total) for use, usage in found.items()]
        yield _gauge("lumaweb_disk_size_bytes", "Size of the disks of the data directory and the media.", size)

    def _balance(self) -> Iterator[Metric]:
        """Yield what the platform token reads; without one, the metrics have no samples."""
        account = ProviderAccount.objects.current() or ProviderAccount()
        read_at = account.read_at.timestamp() if account.read_at else None
        for name, help_text, value in (
            ("credits", "Credits left at the provider, as last read.", _credits(account.remaining)),
            ("warning_credits", "Balance below which to warn.", _credits(account.warn_below)),
            ("days", "Days that the balance lasts at the present pace.", account.days_left),
            ("read_timestamp_seconds", "When the balance was last read.", read_at),
        ):
            rows: list[Row] = [] if value is None else [({}, value)]
            yield _gauge(f"lumaweb_balance_{name}", help_text, rows)

    def _queue(self) -> Iterator[Metric]:
        now = database_now()
        ages: list[Row] = []
        machines: list[Row] = []
        for cluster in (SUBMIT_CLUSTER, MEDIA_CLUSTER):
            label = {"cluster": cluster}
            if at := status.last_sign(cluster):
                ages.append((label, max(0.0, (now - at).total_seconds())))
            machines.append((label, status.machines(cluster, now)))
        yield _gauge("lumaweb_heartbeat_age_seconds", "Time since a worker of the cluster last ran a task.", ages)
        yield _gauge("lumaweb_machines_alive", "Machines on which the cluster is alive.", machines)
        try:
            calls = QUEUE.result(QUEUE_TIMEOUT)
        except Exception:  # each broker raises its own; the missing sample reports it and the other metrics remain
            calls = {}
        rows = [({"cluster": cluster}, number) for cluster, number in calls.items()]
        yield _gauge("lumaweb_queue_length", "Calls in the queue; missing while the broker is unavailable.", rows)

    def _storage(self) -> Iterator[Metric]:
        use = MediaUse.now()
        sizes = {"videos": use.videos.shown_bytes, "trash": use.videos.trashed_bytes, "frames": use.frames_bytes}
        rows = [({"kind": kind}, size) for kind, size in sizes.items()]
        yield _gauge("lumaweb_media_bytes", "Size of the saved videos and frames.", rows)
        quota: list[Row] = [] if use.quota_bytes is None else [({}, use.quota_bytes)]
        yield _gauge("lumaweb_media_quota_bytes", "Quota for all of them; missing without one.", quota)

    def _backups(self) -> Iterator[Metric]:
        if (last := last_result()) is None:
            return
        yield _gauge("lumaweb_backup_failures", "Failed backups since the latest success.", [({}, last.failures)])
        if last.succeeded_at is None:
            return
        yield _gauge(
            "lumaweb_backup_last_success_timestamp_seconds",
            "When the latest backup was complete.",
            [({}, last.succeeded_at.timestamp())],
        )
        sizes = [({"part": "database"}, last.archive_bytes), ({"part": "media"}, last.media_bytes)]
        yield _gauge("lumaweb_backup_size_bytes", "Size of the latest backup.", sizes)
        yield _gauge("lumaweb_backup_duration_seconds", "How long the latest backup took.", [({}, last.seconds or 0)])

    def _histograms(self) -> Iterator[Metric]:
        rows = list(Histogram.objects.all())
        for name, (metric, help_text, labels) in HISTOGRAMS.items():
            family = HistogramMetricFamily(metric, help_text, labels=labels)
            # Prometheus sees no increase in a series that begins with its first event.
            found = {label: Histogram.empty(name, label) for label in EXPECTED_LABELS.get(name, ())}
            found |= {row.label: row for row in rows if row.name == name}
            for label, row in found.items():
                family.add_metric(label.split("/"), row.buckets(), row.seconds)
            yield family


def _credits(amount: int | None) -> float | None:
    return None if amount is None else amount / CREDIT


def _gauge(name: str, help_text: str, rows: Sequence[Row]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=list(rows[0][0]) if rows else [])
    for labels, value in rows:
        family.add_metric(list(labels.values()), value)
    return family


def _exposition() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(InstallationCollector())
    return generate_latest(registry)


EXPOSITION = SingleFlight(_exposition)
QUEUE = SingleFlight(queue_sizes)
