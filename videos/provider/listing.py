"""The provider's listing of an account's tasks: undocumented, and used by the provider's own front end."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ProviderError
from .parsing import read_task, task_ids_of
from .types import Result
from .values import moment

# Items of one page. A provider may give fewer.
PAGE_SIZE = 100
# How a provider answers that has no listing: the operation, the address, or the missing `ids` is what it objects to.
_WITHOUT_LISTING = (400, 404, 405, 410, 422, 501)
# These come with a 400 too, and are about the token.
_ABOUT_THE_TOKEN = ("no_token", "token_mismatched")


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One task of the listing; created_at is by the provider's clock, None where it does not say."""

    result: Result
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of the listing; received counts all items, also those that cannot be read."""

    tasks: tuple[ListedTask, ...]
    received: int


def has_no_listing(error: ProviderError) -> bool:
    """Tell a provider that has no listing from one that cannot answer at this moment."""
    if error.code == "unreadable":
        return error.status is not None
    return error.status in _WITHOUT_LISTING and error.code not in _ABOUT_THE_TOKEN


def listing_payload(offset: int, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Build the body of POST /luma/tasks for one page, newest first; the bounds are whole seconds since 1970."""
    payload: dict[str, Any] = {"action": "retrieve_batch", "limit": PAGE_SIZE, "offset": offset}
    if since:
        payload["created_at_min"] = math.floor(since.timestamp())
    if until:
        payload["created_at_max"] = math.ceil(until.timestamp())
    return payload


def read_page(items: list[Any]) -> TaskPage:
    """Read the items of one page; an item without an id is left out."""
    tasks = []
    for item in items:
        if task_id := next(task_ids_of(item), ""):
            tasks.append(ListedTask(read_task(item, task_id), moment(item.get("created_at"))))
    return TaskPage(tuple(tasks), len(items))
