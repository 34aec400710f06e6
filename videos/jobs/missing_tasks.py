"""The provider's tasks that no video here has: list them for an admin, and adopt them."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import provider
from ..models import ApiToken, Generation, Member, State
from .adoption import MAX_IN_DOUBT, adopt_task
from .provider_calls import open_secret
from .request_matching import RequestMatcher, Similarity
from .task_listing import exclude_known, read_listing

logger = logging.getLogger(__name__)

# Tasks on one page.
SHOWN_AT_MOST = 100
# Seconds a page may wait for all its providers: somebody sits before it.
LIST_FOR = 12.0
LOOK_UP_FOR = 20.0


@dataclass(frozen=True, slots=True)
class MissingTask:
    """One task without a video; `may_be` are the videos in doubt whose request it may answer."""

    token: ApiToken
    result: provider.Result
    created_at: datetime | None
    may_be: tuple[Generation, ...]

    @property
    def prompt(self) -> str:
        return self.result.request.prompt if self.result.request else self.result.prompt

    @property
    def key(self) -> str:
        """Name the task in a form: its token, and its id."""
        return f"{self.token.pk}:{self.result.task_id}"


@dataclass(frozen=True, slots=True)
class Missing:
    """One page of tasks, newest first, and what kept a token from listing its own.

    older: the moment before which the next page begins; None where this is the last one.
    """

    tasks: list[MissingTask]
    problems: list[str]
    older: datetime | None


def list_missing(before: datetime | None = None) -> Missing:
    """List what the accounts of all enabled tokens have made before a moment and no video here has."""
    end = time.monotonic() + LIST_FOR
    found: dict[tuple[str, str], tuple[ApiToken, provider.ListedTask]] = {}
    problems, is_complete = [], True
    for token in ApiToken.objects.filter(enabled=True):
        try:
            listing = read_listing(token, until=before, seconds=max(1.0, end - time.monotonic()))
        except provider.ProviderError as error:
            logger.warning("token %s: its tasks cannot be listed: %s", token.pk, error)
            problems.append(_problem(token, error))
            continue
        is_complete = is_complete and listing.is_complete
        for task_id, task in exclude_known(token, listing).items():
            if not before or (task.created_at and task.created_at < before):
                found.setdefault((token.base_url, task_id.lower()), (token, task))
    newest_first = sorted(found.values(), key=lambda one: one[1].created_at or _NEVER, reverse=True)
    shown = newest_first[:SHOWN_AT_MOST]
    last = shown[-1][1].created_at if shown else None
    is_last = is_complete and len(newest_first) == len(shown)
    return Missing(_with_videos_in_doubt(shown), problems, None if is_last else last)


def adopt_all(keys: Iterable[str], member: Member) -> tuple[int, list[str]]:
    """Adopt the tasks of these keys, looked up anew; answers how many joined, and why others did not."""
    wanted: dict[int, list[str]] = defaultdict(list)
    for key in list(keys)[:SHOWN_AT_MOST]:
        token_pk, _, task_id = key.partition(":")
        if token_pk.isdigit() and len(token_pk) < 19 and task_id:
            wanted[int(token_pk)].append(task_id)
    end = time.monotonic() + LOOK_UP_FOR
    adopted, problems = 0, []
    for token in ApiToken.objects.filter(pk__in=wanted, enabled=True):
        ids = wanted[token.pk]
        for start in range(0, len(ids), provider.BATCH_LIMIT):
            batch = ids[start : start + provider.BATCH_LIMIT]
            try:
                results = _look_up(token, batch, max(1.0, end - time.monotonic()))
            except provider.ProviderError as error:
                logger.warning("token %s: tasks not readable: %s", token.pk, error)
                problems.append(f"“{token.name}” could not look up {len(batch)}: {error.message or error.code}")
                continue
            for result in results.values():
                adopted += adopt_task(token, result, member).is_new
            if unknown := len(batch) - len(results):
                problems.append(f"The provider no longer knows {unknown} of them.")
    return adopted, problems


_NEVER = datetime.min.replace(tzinfo=UTC)


def _with_videos_in_doubt(shown: list[tuple[ApiToken, provider.ListedTask]]) -> list[MissingTask]:
    rows = Generation.objects.in_doubt().filter(state=State.UNCONFIRMED).select_related("token", "parent", "member")
    wanted = RequestMatcher(rows[:MAX_IN_DOUBT])
    tasks = []
    for token, task in shown:
        similarity = {row: wanted.similarity(row, task.result) for row in wanted.generations}
        best = max(similarity.values(), default=Similarity.NONE)
        may_be = tuple(row for row, found in similarity.items() if found == best) if best else ()
        tasks.append(MissingTask(token, task.result, task.created_at, may_be))
    return tasks


def _look_up(token: ApiToken, ids: list[str], seconds: float) -> dict[str, provider.Result]:
    secret = open_secret(token)

    async def look() -> dict[str, provider.Result]:
        async with provider.new_client() as client, asyncio.timeout(seconds):
            return await provider.LumaClient(token.base_url, secret, client=client).tasks(ids)

    try:
        return asyncio.run(look())
    except TimeoutError as error:
        raise provider.ProviderError("no_answer", "The provider took too long to answer.") from error


def _problem(token: ApiToken, error: provider.ProviderError) -> str:
    said = error.message or error.code
    if provider.has_no_listing(error):
        return f"The provider of “{token.name}” does not list its tasks ({said})."
    return f"The tasks of “{token.name}” cannot be listed at the moment ({said})."
