"""The provider's tasks that no video here has: list them for an admin, and adopt them."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import provider
from ..models import ApiToken, Generation, Member, State
from .adoption import MAX_IN_DOUBT, adopt_task
from .provider_calls import call_provider
from .request_matching import RequestMatcher, Similarity
from .task_listing import exclude_known, read_listing

logger = logging.getLogger(__name__)

PAGE_SIZE = 100
# Seconds for all providers of one page: an admin waits for it.
LISTING_SECONDS = 12.0
LOOK_UP_SECONDS = 20.0

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MissingTask:
    """A task without a video; `may_be` are the videos in doubt whose request it may answer."""

    token: ApiToken
    result: provider.Result
    created_at: datetime | None
    may_be: tuple[Generation, ...]

    @property
    def prompt(self) -> str:
        return self.result.request.prompt if self.result.request else self.result.prompt

    @property
    def key(self) -> str:
        """Identify the task in a form by its token and id."""
        return f"{self.token.pk}:{self.result.task_id}"


@dataclass(frozen=True, slots=True)
class MissingTaskPage:
    """One page of tasks, newest first, and a sentence for each token whose tasks could not be listed.

    older: the next page has the tasks before this moment; None if this is the last page.
    """

    tasks: list[MissingTask]
    problems: list[str]
    older: datetime | None


def list_missing(before: datetime | None = None) -> MissingTaskPage:
    """List the tasks of all enabled tokens' accounts that were created before a moment and that no video here has."""
    deadline = time.monotonic() + LISTING_SECONDS
    found: dict[tuple[str, str], tuple[ApiToken, provider.ListedTask]] = {}
    problems, is_complete = [], True
    for token in ApiToken.objects.filter(enabled=True):
        try:
            listing = read_listing(token, until=before, seconds=max(1.0, deadline - time.monotonic()))
        except provider.ProviderError as error:
            logger.warning("token %s: its tasks cannot be listed: %s", token.pk, error)
            problems.append(_problem(token, error))
            continue
        is_complete = is_complete and listing.is_complete
        for task_id, task in exclude_known(token, listing).items():
            if not before or (task.created_at and task.created_at < before):
                found.setdefault((token.base_url, task_id.lower()), (token, task))
    newest_first = sorted(found.values(), key=lambda pair: pair[1].created_at or _LONG_AGO, reverse=True)
    shown = newest_first[:PAGE_SIZE]
    last = shown[-1][1].created_at if shown else None
    is_last = is_complete and len(newest_first) == len(shown)
    return MissingTaskPage(_with_videos_in_doubt(shown), problems, None if is_last else last)


def adopt_all(keys: Iterable[str], member: Member) -> tuple[int, list[str]]:
    """Look up and adopt the tasks with these keys; return how many were adopted, and why others were not."""
    task_ids: dict[int, list[str]] = defaultdict(list)
    for key in list(keys)[:PAGE_SIZE]:
        token_pk, _, task_id = key.partition(":")
        if token_pk.isdigit() and len(token_pk) < 19 and task_id:
            task_ids[int(token_pk)].append(task_id)
    deadline = time.monotonic() + LOOK_UP_SECONDS
    adopted, problems = 0, []
    for token in ApiToken.objects.filter(pk__in=task_ids, enabled=True):
        ids = task_ids[token.pk]
        for start in range(0, len(ids), provider.BATCH_LIMIT):
            batch = ids[start : start + provider.BATCH_LIMIT]
            try:
                results = _look_up(token, batch, max(1.0, deadline - time.monotonic()))
            except provider.ProviderError as error:
                logger.warning("token %s: tasks not readable: %s", token.pk, error)
                problems.append(f"“{token.name}” could not look up {len(batch)}: {error.message or error.code}")
                continue
            for result in results.values():
                adopted += adopt_task(token, result, member).is_new
            if unknown := len(batch) - len(results):
                problems.append(f"The provider no longer knows {unknown} of them.")
    return adopted, problems


def _look_up(token: ApiToken, ids: list[str], seconds: float) -> dict[str, provider.Result]:
    return call_provider(token, lambda luma: luma.tasks(ids), seconds)


def _with_videos_in_doubt(shown: list[tuple[ApiToken, provider.ListedTask]]) -> list[MissingTask]:
    rows = Generation.objects.in_doubt().filter(state=State.UNCONFIRMED).select_related("token", "parent", "member")
    matcher = RequestMatcher(rows[:MAX_IN_DOUBT])
    tasks = []
    for token, task in shown:
        similarities = {row: matcher.similarity(row, task.result) for row in matcher.generations}
        best = max(similarities.values(), default=Similarity.NONE)
        may_be = tuple(row for row, similarity in similarities.items() if similarity == best) if best else ()
        tasks.append(MissingTask(token, task.result, task.created_at, may_be))
    return tasks


def _problem(token: ApiToken, error: provider.ProviderError) -> str:
    reason = error.message or error.code
    if provider.has_no_listing(error):
        return f"The provider of “{token.name}” does not list its tasks ({reason})."
    return f"The tasks of “{token.name}” cannot be listed at the moment ({reason})."
