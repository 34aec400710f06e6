"""What a platform token can read: the balance of an account and its usage."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .accounts import USED_UP, Account, parse_bearer_token
from .errors import ApiError, bad_request
from .http_handler import RequestHandler
from .ids import stable_id
from .ledger import Task

APPLICATIONS, USAGE = "/api/v1/applications", "/api/v1/usage/apis"
TOKEN_PREFIX = "platform-"
START_BALANCE = 1000.0  # credits
VIDEO_PRICE = 3.68  # credits; the provider charges for success only
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
MAX_DIGITS = 9
SERVICE = {"id": stable_id("service", "luma"), "title": "Luma Videos Generation", "alias": "luma"}


def send_billing(handler: RequestHandler) -> None:
    """Answer a GET of balance or usage; raise ApiError 401 without a platform token."""
    account = _authenticate(parse_bearer_token(handler.headers.get("Authorization", "")))
    query = {name: values[-1] for name, values in parse_qs(urlsplit(handler.path).query).items()}
    if handler.route == APPLICATIONS:
        handler.send_json(200, {"count": 1, "items": [_application(handler, account)]})
        return
    tasks, total = handler.backend.ledger.list_finished(
        account.hash,
        trace_id=query.get("trace_id", ""),
        limit=min(MAX_PAGE_SIZE, _parse_count(query, "limit", DEFAULT_PAGE_SIZE)),
        offset=_parse_count(query, "offset", 0),
    )
    handler.send_json(200, {"count": total, "items": [_usage(task) for task in tasks]})


def _authenticate(token: str) -> Account:
    """Return the account that `platform-NAME` may read: NAME, or sandbox-NAME if NAME is not an account."""
    name = token.removeprefix(TOKEN_PREFIX)
    if name in ("", token):
        raise ApiError(401, "invalid_token", "a platform token is required")
    return Account(name if name == "sandbox" or name.startswith("sandbox-") else f"sandbox-{name}")


def _application(handler: RequestHandler, account: Account) -> dict[str, Any]:
    spent = round(handler.backend.ledger.count_successes(account.hash) * VIDEO_PRICE, 2)
    return {
        "id": stable_id("application", account.hash),
        "type": "Usage",
        "scope": "Individual",
        "service_id": SERVICE["id"],
        "service": SERVICE,
        "user_id": stable_id("user", account.hash),
        "remaining_amount": 0.0 if account.token == USED_UP else round(max(0.0, START_BALANCE - spent), 2),
        "used_amount": spent,
    }


def _usage(task: Task) -> dict[str, Any]:
    succeeded = bool(task.response and task.response["success"])
    return {
        "id": stable_id("usage", task.id),
        "api_id": stable_id("api", "luma/videos"),
        "application_id": stable_id("application", task.token_hash),
        "credential_id": stable_id("credential", task.token_hash),
        "service": SERVICE,
        "status_code": 200 if succeeded else 500,
        "elapsed": round((task.finished_at or task.started_at) - task.started_at, 3),
        "trace_id": task.trace_id,
        "created_at": datetime.fromtimestamp(task.created_at, UTC).isoformat().replace("+00:00", "Z"),
        "deducted_amount": VIDEO_PRICE if succeeded else 0.0,
    }


def _parse_count(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not value.isdecimal() or len(value) > MAX_DIGITS:
        raise bad_request(f"{name} must be a number that is not negative")
    return int(value)
