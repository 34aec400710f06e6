"""Read the provider's listing of tasks over a period, in a bounded number of calls."""

from dataclasses import dataclass, field
from datetime import datetime

from .. import provider
from ..models import ApiToken, Generation
from .provider_calls import call_provider

MAX_PAGES = 5
READ_SECONDS = 20.0  # for all pages: the ticker has other work


@dataclass(slots=True)
class TaskListing:
    """Tasks by id; is_complete: no task that was created in the period is missing."""

    tasks: dict[str, provider.ListedTask] = field(default_factory=dict)
    is_complete: bool = False


def read_listing(
    token: ApiToken, since: datetime | None = None, until: datetime | None = None, *, seconds: float = READ_SECONDS
) -> TaskListing:
    """List what this token's account created between two moments, both optional, within so many seconds.

    Raises ProviderError.
    """
    return call_provider(token, lambda luma: _read(luma, since, until), seconds)


def exclude_known(token: ApiToken, listing: TaskListing) -> dict[str, provider.ListedTask]:
    """Return the tasks that no generation has, with any token of the same provider."""
    spellings = {spelling for task_id in listing.tasks for spelling in (task_id, task_id.lower())}
    tokens = ApiToken.objects.filter(base_url=token.base_url)
    rows = Generation.objects.filter(token__in=tokens, task_id__in=spellings)
    known = {task_id.lower() for task_id in rows.values_list("task_id", flat=True)}
    return {task_id: task for task_id, task in listing.tasks.items() if task_id.lower() not in known}


async def _read(luma: provider.LumaClient, since: datetime | None, until: datetime | None) -> TaskListing:
    """Read page after page, newest first, until there are no more or all others are older than `since`.

    A provider may ignore the bounds, return smaller pages, or ignore the offset and return the same page again.
    """
    listing, offset, newest_first = TaskListing(), 0, True
    last: datetime | None = None
    for _ in range(MAX_PAGES):
        page = await luma.list_tasks(offset, since=since, until=until)
        offset += page.received
        before = len(listing.tasks)
        for task in page.tasks:
            newest_first = newest_first and task.created_at is not None and (last is None or task.created_at <= last)
            last = task.created_at or last
            listing.tasks.setdefault(task.result.task_id, task)
        ignores_offset = bool(page.tasks) and len(listing.tasks) == before
        was_last = not page.received or (ignores_offset and page.received < provider.PAGE_SIZE)
        is_older = newest_first and last is not None and since is not None and last < since
        listing.is_complete = was_last or is_older
        if listing.is_complete or ignores_offset:
            break
    return listing
