"""Health endpoints for load balancers and `manage.py doctor`: public, so they reveal nothing about the videos."""

from django.contrib.auth.decorators import login_not_required
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from lumaweb.deadline import SingleFlight, TimedOut
from videos import self_test
from videos.models import StepFailure, status

from .heartbeats import CLUSTER_NAMES
from .migration_state import pending_migrations

STEP = "step: "  # prefix of a ticker step's name
TIMEOUT = 2.0  # seconds for each of the two checks; load balancers wait 5 or more


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Report that the process is up, without a database query; `?nonce=` proves which installation answers."""
    nonce = request.GET.get("nonce", "")[:100]
    proof = {"proof": self_test.proof(nonce.encode("utf-8", "replace"))} if nonce else {}
    return JsonResponse({"ok": True} | proof)


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Report whether everything needed works, else 503 with the reasons. Answers within 5 s even if a check hangs.

    A failing ticker step is only a warning: taking this web server out of a load balancer would not help.
    """
    results = _result(DATABASE, "database", "The database") | _result(STORAGE, "storage", "The storage")
    warnings = {name.removeprefix(STEP): message for name, message in results.items() if name.startswith(STEP)}
    problems = {name: problem for name, problem in results.items() if problem and not name.startswith(STEP)}
    body = {"ok": not problems, "problems": problems} | ({"warnings": warnings} if warnings else {})
    response = JsonResponse(body, status=503 if problems else 200)
    # Load balancers ask every few seconds; without this, Django would log each 503 as an error.
    setattr(response, "_has_been_logged", True)  # noqa: B010  (not in django-stubs)
    return response


def _result(check: SingleFlight[dict[str, str]], name: str, subject: str) -> dict[str, str]:
    try:
        return check.result(TIMEOUT)
    except TimedOut as error:
        return {name: f"{subject} has not answered for {error.seconds:.0f} s."}


def _check_database() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if problem := _migration_problem():
            return {"migrations": problem}
        workers = {name: _worker_problem(cluster) for cluster, name in CLUSTER_NAMES.items()}
        return workers | {f"{STEP}{failure.name}": failure.words for failure in StepFailure.objects.current()}
    except DatabaseError as error:
        return {"database": f"The database returned an error: {error.__class__.__name__}."}


_is_migrated = False


def _migration_problem() -> str:
    """Return why the tables do not match this code, or ""; a match is remembered for the life of the process."""
    global _is_migrated
    if not _is_migrated:
        _is_migrated = not pending_migrations()
    return "" if _is_migrated else "The database is not migrated to this version: run manage.py migrate."


def _worker_problem(cluster: str) -> str:
    at = status.last_sign(cluster)
    if not at:
        return "No worker has reported yet."
    age = timezone.now() - at
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
STORAGE = SingleFlight(_check_storage, max_age=10.0, is_cacheable=_is_healthy)
