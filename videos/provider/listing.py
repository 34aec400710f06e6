"""The listing of an account's tasks, which is undocumented and used by the provider's own front end."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ProviderError
from .parsing import read_task, task_ids_of
from .types import Result
from .values import parse_time

PAGE_SIZE = 100  # a provider may return fewer
# Statuses of a provider without a listing, which refuses the operation, the address, or the missing `ids`.
_UNSUPPORTED_STATUSES = (400, 404, 405, 410, 422, 501)
# These come with status 400 too, but concern the token.
_TOKEN_CODES = ("no_token", "token_mismatched")


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task of the listing; created_at is by the provider's clock, None if absent."""

    result: Result
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of the listing; received counts all items, including those without an id."""

    tasks: tuple[ListedTask, ...]
    received: int


def has_no_listing(error: ProviderError) -> bool:
    """Tell whether an error means that the provider has no listing, and not that it failed for the moment."""
    if error.code == "unreadable":
        return error.status is not None
    return error.status in _UNSUPPORTED_STATUSES and error.code not in _TOKEN_CODES


def listing_payload(offset: int, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Build the body of POST /luma/tasks for one page, newest first; the bounds are whole seconds since 1970."""
    payload: dict[str, Any] = {"action": "retrieve_batch", "limit": PAGE_SIZE, "offset": offset}
    if since:
        payload["created_at_min"] = math.floor(since.timestamp())
    if until:
        payload["created_at_max"] = math.ceil(until.timestamp())
    return payload


def read_page(items: list[Any]) -> TaskPage:
    """Parse the items of one page; leave out items without an id."""
    tasks = []
    for item in items:
        if task_id := next(task_ids_of(item), ""):
            tasks.append(ListedTask(read_task(item, task_id), parse_time(item.get("created_at"))))
    return TaskPage(tuple(tasks), len(items))
