"""Read the provider's listing of tasks over a stretch of time, in a bounded number of calls."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from .. import provider
from ..models import ApiToken, Generation
from .task_lookup import open_secret

PAGES_AT_MOST = 5
# Seconds for all pages of one reading: the ticker has other work.
READ_FOR = 20.0


@dataclass(slots=True)
class Reading:
    """The tasks of one reading by their ids; is_complete says that none created between its bounds is left out."""

    tasks: dict[str, provider.ListedTask] = field(default_factory=dict)
    is_complete: bool = False


def read_listing(
    token: ApiToken, since: datetime | None = None, until: datetime | None = None, *, seconds: float = READ_FOR
) -> Reading:
    """List what this token's account has created between two moments, both optional, within so many seconds.

    Raises provider.ProviderError.
    """
    secret = open_secret(token)

    async def read() -> Reading:
        async with provider.new_client() as client, asyncio.timeout(seconds):
            return await _read(provider.LumaClient(token.base_url, secret, client=client), since, until)

    try:
        return asyncio.run(read())
    except TimeoutError as error:
        raise provider.ProviderError("no_answer", "The provider took too long to list its tasks.") from error


def without_video(token: ApiToken, reading: Reading) -> dict[str, provider.ListedTask]:
    """Leave out the tasks that a video has already, whichever token of the same provider it was sent with."""
    spellings = {spelling for task_id in reading.tasks for spelling in (task_id, task_id.lower())}
    tokens = ApiToken.objects.filter(base_url=token.base_url)
    known = Generation.objects.filter(token__in=tokens, task_id__in=spellings).values_list("task_id", flat=True)
    known = {task_id.lower() for task_id in known}
    return {task_id: task for task_id, task in reading.tasks.items() if task_id.lower() not in known}


async def _read(luma: provider.LumaClient, since: datetime | None, until: datetime | None) -> Reading:
    """Read page after page, newest first, until nothing is left or all that follows is older than `since`.

    A provider may ignore the bounds, give smaller pages, or ignore the offset and give the same page again.
    """
    reading, offset, newest_first, last = Reading(), 0, True, None
    for _ in range(PAGES_AT_MOST):
        page = await luma.list_tasks(offset, since=since, until=until)
        offset += page.received
        before = len(reading.tasks)
        for task in page.tasks:
            newest_first = newest_first and task.created_at is not None and (last is None or task.created_at <= last)
            last = task.created_at or last
            reading.tasks.setdefault(task.result.task_id, task)
        ignores_offset = bool(page.tasks) and len(reading.tasks) == before
        was_last = not page.received or (ignores_offset and page.received < provider.PAGE_SIZE)
        is_older = newest_first and last is not None and since is not None and last < since
        reading.is_complete = was_last or is_older
        if reading.is_complete or ignores_offset:
            break
    return reading
