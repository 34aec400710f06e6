"""How the house is, for load balancers and `manage.py doctor`: open to all, and tells nothing of what is in it."""

from django.contrib.auth.decorators import login_not_required
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from lumaweb.deadline import Question, Silent

from .. import self_test
from ..jobs.queue import MEDIA, SUBMISSIONS
from ..models import StepFailure, vitals

STEP = "step: "  # begins the name of what only warns
PATIENCE = 2.0  # seconds for each of the two; load balancers wait 5 or more


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up. Asks nothing of the database. With ?nonce= it proves which installation it is of."""
    nonce = request.GET.get("nonce", "")[:100]
    proven = {"proof": self_test.proof(nonce.encode("utf-8", "replace"))} if nonce else {}
    return JsonResponse({"ok": True} | proven)


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Everything that is needed works; 503 with the reasons otherwise. Answers within 5 s, whatever hangs.

    A step of the ticker that fails is a warning: taking this web server out of a load balancer would not help.
    """
    parts = _answer(DATABASE, "database", "The database") | _answer(STORAGE, "storage", "The storage")
    warnings = {name.removeprefix(STEP): words for name, words in parts.items() if name.startswith(STEP)}
    problems = {name: problem for name, problem in parts.items() if problem and not name.startswith(STEP)}
    body = {"ok": not problems, "problems": problems} | ({"warnings": warnings} if warnings else {})
    answer = JsonResponse(body, status=503 if problems else 200)
    # Asked every few seconds, it says so itself to whoever asks: Django needs not log it as an error each time.
    answer._has_been_logged = True
    return answer


def _answer(question: Question, name: str, what: str) -> dict[str, str]:
    try:
        return question.answer(PATIENCE)
    except Silent as silent:
        return {name: f"{what} has not answered for {silent.seconds:.0f} s."}


def _database() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if problem := _migrations():
            return {"migrations": problem}
        signs = {name: _sign_of(cluster) for name, cluster in (("worker", SUBMISSIONS), ("media worker", MEDIA))}
        return signs | {f"{STEP}{failure.name}": failure.words for failure in StepFailure.objects.current()}
    except DatabaseError as error:
        return {"database": f"The database does not answer as it should: {error.__class__.__name__}."}


_is_migrated = False


def _migrations() -> str:
    """Whether the tables are those of this code. Once they are, they stay so for as long as this process runs it."""
    global _is_migrated
    if not _is_migrated:
        executor = MigrationExecutor(connection)
        _is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if _is_migrated else "The database is not migrated to this version: run manage.py migrate."


def _sign_of(cluster: str) -> str:
    at = vitals.last_sign(cluster)
    if not at:
        return "No worker has reported yet."
    age = timezone.now() - at
    return f"No worker has reported for {age.total_seconds():.0f} s." if age > vitals.HEARTBEAT_AT_MOST else ""


def _storage() -> dict[str, str]:
    try:
        default_storage.delete(default_storage.save("probe/ready", ContentFile(b"ready")))
    except OSError as error:
        return {"storage": f"Media cannot be written: {error.strerror or error}."}
    return {}


def _well(parts: dict[str, str]) -> bool:
    return not any(parts.values())


DATABASE: Question[dict[str, str]] = Question(_database)
# Written, looked for and deleted, which of a bucket costs money: not for each of several load balancers anew.
STORAGE: Question[dict[str, str]] = Question(_storage, keep=10.0, good=_well)
