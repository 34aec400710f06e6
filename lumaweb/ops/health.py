"""Health endpoints for load balancers and `manage.py doctor`: public, so they reveal nothing about the videos."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from lumaweb.deadline import SingleFlight, TimedOut
from videos import self_test
from videos.jobs.broker_errors import BrokerUnavailable
from videos.jobs.queue import broker_info
from videos.models import StepFailure, status
from videos.models.database_clock import database_now

from .doctor.background import redis_down
from .doctor.database_errors import UNKNOWN, explain
from .doctor.migrations import migrations_ahead, migrations_behind
from .heartbeats import CLUSTER_NAMES
from .migration_state import newer_migrations, pending_migrations

WARNING = "warning: "  # prefix of the names of results that leave the status at 200
TIMEOUT = 1.5  # seconds for each of the three checks; load balancers wait 5 or more


class UnloggedResponse(JsonResponse):
    """A response that Django logs no error for: load balancers ask every few seconds."""

    _has_been_logged = True  # read by django.utils.log.log_response


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Report that the process is up, without a database query.

    `?nonce=` proves which installation answers, and by which scheme and Host the request arrived.
    """
    nonce = request.GET.get("nonce", "")[:100]
    if not nonce:
        return JsonResponse({"ok": True})
    origin = self_test.origin_proof(nonce, request.scheme or "http", request.get_host())
    return JsonResponse({"ok": True, "proof": self_test.proof(nonce.encode("utf-8", "replace")), "origin": origin})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Report whether everything needed works, else 503 with the reasons. Answers within 5 s even if a check hangs.

    A failing ticker step or a newer database is only a warning: taking this web server out of a load balancer would
    not help.
    """
    results = _result(DATABASE, "database", "The database") | _result(STORAGE, "storage", "The storage")
    if settings.REDIS_URL:
        results |= (redis := _result(REDIS, "redis", "Redis"))
        if any(redis.values()):
            # Heartbeats are requested through Redis, so a late one says nothing about the worker.
            results = {name: problem for name, problem in results.items() if name not in CLUSTER_NAMES.values()}
    warnings = {name.removeprefix(WARNING): message for name, message in results.items() if name.startswith(WARNING)}
    problems = {name: problem for name, problem in results.items() if problem and not name.startswith(WARNING)}
    body = {"ok": not problems, "problems": problems} | ({"warnings": warnings} if warnings else {})
    return UnloggedResponse(body, status=503 if problems else 200)


def _result(check: SingleFlight[dict[str, str]], name: str, subject: str) -> dict[str, str]:
    try:
        return check.result(TIMEOUT)
    except TimedOut as error:
        return {name: f"{subject} has not answered for {error.seconds:.0f} s."}


def _check_database() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        results = _migrations()
        if any(not name.startswith(WARNING) for name in results):
            return results
        workers = {name: _worker_problem(cluster) for cluster, name in CLUSTER_NAMES.items()}
        steps = {
            f"{WARNING}{failure.name}": failure.words
            for failure in StepFailure.objects.current()
            if failure.error != BrokerUnavailable.__name__  # the check of Redis names the cause
        }
        return results | workers | steps
    except DatabaseError as error:
        # Only the title, as this page is public: the driver names hosts, users and tables.
        finding = explain(error)
        return {
            "database": f"The database returned an error: {type(error).__name__}."
            if finding.code == UNKNOWN.code
            else f"{finding.title}. `manage.py doctor` says more."
        }


def _check_redis() -> dict[str, str]:
    try:
        broker_info()
    except BrokerUnavailable as error:
        return {"redis": f"{redis_down(error).title}: {error.problem.reason}. The ticker sends new videos meanwhile."}
    return {}


_are_migrations_known = False


def _migrations() -> dict[str, str]:
    """Return why the tables do not match this code; a match is remembered for the life of the process."""
    global _are_migrations_known
    if _are_migrations_known:
        return {}
    if pending := pending_migrations():
        return {"migrations": f"{migrations_behind(pending).title}: run manage.py migrate."}
    if newer := newer_migrations():
        return {f"{WARNING}migrations": f"{migrations_ahead(newer).title}."}
    _are_migrations_known = True
    return {}


def _worker_problem(cluster: str) -> str:
    at = status.last_sign(cluster)
    if not at:
        return "No worker has reported yet."
    age = database_now() - at
    return f"No worker has reported for {age.total_seconds():.0f} s." if age > status.HEARTBEAT_AT_MOST else ""


def _check_storage() -> dict[str, str]:
    try:
        default_storage.delete(default_storage.save("probe/ready", ContentFile(b"ready")))
    except OSError as error:
        return {"storage": f"Media cannot be written: {error.strerror or error}."}
    return {}


def _is_healthy(results: dict[str, str]) -> bool:
    return not any(results.values())


DATABASE = SingleFlight(_check_database)
# Requests to a bucket cost money: several load balancers share one check.
REDIS = SingleFlight(_check_redis)
STORAGE = SingleFlight(_check_storage, max_age=10.0, is_cacheable=_is_healthy)
