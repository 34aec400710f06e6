"""What Prometheus reads: /metrics, for whoever says the token, and nowhere where none is set."""

import platform
import time
from collections.abc import Callable, Iterator
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from lumaweb.deadline import Question, Silent

from ..jobs.queue import MEDIA, SUBMISSIONS, waiting_calls
from ..models import ApiToken, Meter, meter, vitals

PATIENCE = 5.0  # seconds; Prometheus itself waits 10
# By their names in the database: what they are called outside, and what the parts of a label are.
MEASURED = {
    "post": (
        "lumaweb_provider_post_seconds",
        "How long the provider took to answer a request for a video.",
        ["outcome"],
    ),
    "callback": ("lumaweb_callback_seconds", "How long we took to answer a callback.", ["status"]),
    "news": ("lumaweb_news_seconds", "How long taking in news took, whoever brought it.", ["messenger", "verdict"]),
}


def measured(name: str) -> Callable:
    """Measure how long a view takes, by the status it answers."""

    def around(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def timed(*args, **kwargs) -> HttpResponseBase:
            began, status = time.perf_counter(), 500
            try:
                answer = view(*args, **kwargs)
                status = answer.status_code
                return answer
            finally:
                meter.observe(name, str(status), time.perf_counter() - began)

        return timed

    return around


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The whole installation's numbers, whichever of its processes answers."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        answer = HttpResponse("Say the token of LUMAWEB_METRICS_TOKEN.\n", status=401, content_type="text/plain")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    try:
        return HttpResponse(WHOLE.answer(PATIENCE), content_type=CONTENT_TYPE_LATEST)
    except Silent:
        return HttpResponse("The database has not answered in time.\n", status=503, content_type="text/plain")


class _Installation:
    """Collected anew for every scrape."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        about = {"database": connection.vendor, "python": platform.python_version()}
        yield _gauge("lumaweb_info", "About this installation; always 1.", [(about, 1)])
        yield from self._generations(now)
        yield from self._tokens(now)
        yield from self._queue(now)
        yield from self._measured()

    def _generations(self, now) -> Iterator[Metric]:
        states = vitals.unfinished() | (vitals.ended() or {})
        rows = [({"state": state}, number) for state, number in states.items()]
        yield _gauge("lumaweb_generations", "Videos by state; ended ones once they were counted.", rows)
        waiting, unsaved = vitals.waiting(), vitals.unsaved()
        yield _gauge("lumaweb_waiting", "Videos that wait to be sent.", [({}, waiting.length)])
        yield _gauge("lumaweb_waiting_oldest_seconds", "For how long the first has waited.", [({}, waiting.age(now))])
        yield _gauge("lumaweb_held", "Videos that wait for an admin to release them.", [({}, vitals.held())])
        yield _gauge("lumaweb_unsaved", "Finished videos that are not saved here yet.", [({}, unsaved.length)])
        yield _gauge(
            "lumaweb_unsaved_oldest_seconds", "For how long the first has been finished.", [({}, unsaved.age(now))]
        )

    def _tokens(self, now) -> Iterator[Metric]:
        """By their numbers, as in the admin's addresses: a name may say what is nobody's business."""
        tokens = [({"token": str(token.pk)}, token) for token in ApiToken.objects.order_by("pk")]
        now_in = [(label, vitals.condition_of(token, now)) for label, token in tokens]
        condition = [
            (label | {"condition": word}, int(word == known)) for label, known in now_in for word in vitals.CONDITIONS
        ]
        yield _gauge("lumaweb_token_condition", "1 for the condition a token is in.", condition)
        load = [(label, token.in_flight) for label, token in tokens]
        yield _gauge("lumaweb_token_in_flight", "Videos in the making with a token.", load)
        room = [(label, token.limit) for label, token in tokens]
        yield _gauge("lumaweb_token_in_flight_limit", "How many there may be.", room)

    def _queue(self, now) -> Iterator[Metric]:
        ages, alive = [], []
        for cluster in (SUBMISSIONS, MEDIA):
            label = {"cluster": cluster}
            if at := vitals.last_sign(cluster):
                ages.append((label, max(0.0, (now - at).total_seconds())))
            alive.append((label, vitals.machines(cluster, now)))
        yield _gauge("lumaweb_heartbeat_age_seconds", "Since a worker of a cluster last ran anything.", ages)
        yield _gauge("lumaweb_machines_alive", "On how many machines a cluster is alive.", alive)
        try:
            calls = QUEUE.answer(2.0)
        except Exception:  # whatever a broker raises: it is told by a number that is missing, the others by theirs
            calls = {}
        rows = [({"cluster": cluster}, number) for cluster, number in calls.items()]
        yield _gauge("lumaweb_queue_length", "Wake-up calls in the queue; missing while the broker is away.", rows)

    def _measured(self) -> Iterator[Metric]:
        rows = list(Meter.objects.all())
        for name, (outside, words, labels) in MEASURED.items():
            family = HistogramMetricFamily(outside, words, labels=labels)
            for row in rows:
                if row.name == name:
                    family.add_metric(row.label.split("/"), row.buckets(), row.seconds)
            yield family


def _gauge(name: str, words: str, rows: list[tuple[dict[str, str], float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=list(rows[0][0]) if rows else [])
    for labels, value in rows:
        family.add_metric(list(labels.values()), value)
    return family


def _whole() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Installation())
    return generate_latest(registry)


WHOLE: Question[bytes] = Question(_whole)
QUEUE: Question[dict[str, int]] = Question(waiting_calls)
