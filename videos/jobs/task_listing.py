"""Read the provider's listing of tasks over a stretch of time, in a bounded number of calls."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from .. import provider
from ..models import ApiToken, Generation
from .provider_calls import open_secret

PAGES_AT_MOST = 5
# Seconds for all pages of one listing: the ticker has other work.
READ_FOR = 20.0


@dataclass(slots=True)
class TaskListing:
    """The tasks of one listing by their ids; is_complete says that none created between its bounds is left out."""

    tasks: dict[str, provider.ListedTask] = field(default_factory=dict)
    is_complete: bool = False


def read_listing(
    token: ApiToken, since: datetime | None = None, until: datetime | None = None, *, seconds: float = READ_FOR
) -> TaskListing:
    """List what this token's account has created between two moments, both optional, within so many seconds.

    Raises provider.ProviderError.
    """
    secret = open_secret(token)

    async def read() -> TaskListing:
        async with provider.new_client() as client, asyncio.timeout(seconds):
            return await _read(provider.LumaClient(token.base_url, secret, client=client), since, until)

    try:
        return asyncio.run(read())
    except TimeoutError as error:
        raise provider.ProviderError("no_answer", "The provider took too long to list its tasks.") from error


def exclude_known(token: ApiToken, listing: TaskListing) -> dict[str, provider.ListedTask]:
    """Leave out the tasks that a video has already, whichever token of the same provider it was sent with."""
    spellings = {spelling for task_id in listing.tasks for spelling in (task_id, task_id.lower())}
    tokens = ApiToken.objects.filter(base_url=token.base_url)
    known = Generation.objects.filter(token__in=tokens, task_id__in=spellings).values_list("task_id", flat=True)
    known = {task_id.lower() for task_id in known}
    return {task_id: task for task_id, task in listing.tasks.items() if task_id.lower() not in known}


async def _read(luma: provider.LumaClient, since: datetime | None, until: datetime | None) -> TaskListing:
    """Read page after page, newest first, until nothing is left or all that follows is older than `since`.

    A provider may ignore the bounds, give smaller pages, or ignore the offset and give the same page again.
    """
    listing, offset, newest_first, last = TaskListing(), 0, True, None
    for _ in range(PAGES_AT_MOST):
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
