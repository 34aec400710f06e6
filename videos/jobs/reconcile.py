"""Search the provider's listing for videos in doubt, whose task id never arrived."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from .. import provider
from ..models import ApiToken, FoundTask, Generation, SearchOutcome, Verdict
from .request_matching import (
    AFTER_THE_CLAIM,
    BEFORE_THE_CLAIM,
    RequestMatcher,
    Similarity,
    is_near_claim,
    parse_callback_url,
)
from .results import record_result
from .task_listing import TaskListing, exclude_known, read_listing

logger = logging.getLogger(__name__)

# Seconds of one tick; the rest waits for the next. A provider that hangs must not delay the others, and the ticker's
# lease is 20 s.
SEARCH_SECONDS = 12.0
MAX_ROWS = 200
GROUP_SPAN = timedelta(hours=1)  # videos that were sent within it are searched for in one listing
# How far from the claim a task is still offered. It can be its task only if the provider's clock is wrong.
OFFERED_WITHIN = timedelta(days=1)
MAX_OFFERS = 5

Group = list[Generation]
Listed = dict[str, provider.ListedTask]


def reconcile() -> int:
    """Search for the videos in doubt whose search is due, with the token that sent them; return how many."""
    Generation.objects.end_late_searches()
    due: dict[ApiToken, Group] = defaultdict(list)
    for generation in Generation.objects.due_for_search()[:MAX_ROWS]:
        if generation.token:
            due[generation.token].append(generation)
    deadline = time.monotonic() + SEARCH_SECONDS
    searched = 0
    for token, generations in due.items():
        for group in _sent_together(generations):
            if time.monotonic() >= deadline:
                break
            searched += len(group)
            if not _search(token, group, deadline):
                break
    FoundTask.objects.forget_settled()
    return searched


def _sent_at(generation: Generation) -> datetime:
    if generation.submitted_at is None:
        raise ValueError(f"Generation {generation.uuid} was never sent.")
    return generation.submitted_at


def _sent_together(generations: Group) -> Iterator[Group]:
    """Yield groups of videos that one listing can cover."""
    group: Group = []
    for generation in sorted(generations, key=_sent_at):
        if group and _sent_at(generation) - _sent_at(group[0]) > GROUP_SPAN:
            yield group
            group = []
        group.append(generation)
    if group:
        yield group


def _search(token: ApiToken, group: Group, deadline: float) -> bool:
    """Search for the videos of one group until a deadline (monotonic); return False if the provider did not answer."""
    try:
        outcome = _read_and_adopt(token, group, deadline)
    except provider.ProviderError as error:
        logger.warning("token %s: its tasks cannot be listed: %s", token.pk, error)
        if not provider.has_no_listing(error):
            for generation in group:
                generation.end_search_if_over()
            # Skip this token's other groups: each would wait as long.
            Generation.objects.due_for_search().filter(token=token).retry_search_soon()
            return False
        outcome = None
    if outcome is None:
        for generation in group:
            generation.record_search(SearchOutcome.UNAVAILABLE, [])
    else:
        _offer(token, *outcome)
    return True


def _read_and_adopt(token: ApiToken, group: Group, deadline: float) -> tuple[Group, Listed] | None:
    """Adopt certain matches; return the other videos and tasks, or None if the provider has no listing."""

    def read(since: datetime, until: datetime) -> TaskListing:
        return read_listing(token, since, until, seconds=max(1.0, deadline - time.monotonic()))

    first, last = _sent_at(group[0]), _sent_at(group[-1])
    near = read(first - BEFORE_THE_CLAIM, last + AFTER_THE_CLAIM)
    unknown = exclude_known(token, near)
    adopted = _adopt_by_callback(unknown)
    if near.is_complete:
        adopted |= _adopt_one_to_one(token, group, unknown)
    rest = [generation for generation in group if generation.pk not in adopted]
    suspicious = not near.tasks and _must_have_tasks(token, group)
    # When no new task can appear near the claim any more, the provider's clock may be wrong.
    if suspicious or any(timezone.now() - _sent_at(generation) > AFTER_THE_CLAIM for generation in rest):
        wide = read(first - OFFERED_WITHIN, last + OFFERED_WITHIN)
        if suspicious and not wide.tasks:
            # It ignores the bounds and looks up the ids, of which none were given.
            return None
        unknown |= exclude_known(token, wide)
        adopted |= _adopt_by_callback(unknown)
        rest = [generation for generation in rest if generation.pk not in adopted]
    return rest, unknown


def _must_have_tasks(token: ApiToken, group: Group) -> bool:
    """Tell whether other videos got tasks of this account in the same minutes, which a listing would show."""
    around = (_sent_at(group[0]) - BEFORE_THE_CLAIM / 2, _sent_at(group[-1]) + AFTER_THE_CLAIM / 2)
    others = Generation.objects.filter(token=token, submitted_at__range=around, accepted_at__range=around)
    return others.exclude(task_id="").exists()


# ── Deciding ──────────────────────────────────────────────────────────────────────────────────────────────────


def _adopt_by_callback(unknown: Listed) -> set[int]:
    """Adopt each task that repeats the secret callback URL of a claim; return the primary keys of the videos."""
    adopted: set[int] = set()
    for task in sorted(unknown.values(), key=_best_first):
        echo = task.result.request
        address = parse_callback_url(echo.callback_url) if echo else None
        row = address and Generation.objects.in_doubt().filter(uuid=address.uuid).first()
        if (
            not row
            or row.pk in adopted
            or RequestMatcher([row]).similarity(row, task.result) is not Similarity.CALLBACK
        ):
            continue
        if _adopt(row, task, "By its callback URL."):
            adopted.add(row.pk)
            del unknown[task.result.task_id]
    return adopted


def _best_first(task: provider.ListedTask) -> tuple[int, float]:
    """Sort the tasks of one claim: completed first, then running, then failed; then by time."""
    order = {provider.Status.COMPLETED: 0, provider.Status.RUNNING: 1, provider.Status.FAILED: 2}
    return order[task.result.status], task.created_at.timestamp() if task.created_at else float("inf")


def _adopt_one_to_one(token: ApiToken, group: Group, unknown: Listed) -> set[int]:
    """Adopt where one video and one task match only each other; return the primary keys of the videos."""
    first, last = _sent_at(group[0]) - BEFORE_THE_CLAIM, _sent_at(group[-1]) + AFTER_THE_CLAIM
    matcher = RequestMatcher(Generation.objects.possible_owners(token.base_url, first - AFTER_THE_CLAIM, last))
    tasks_of: dict[int, list[provider.ListedTask]] = defaultdict(list)
    claimants: dict[str, set[int]] = defaultdict(set)
    for task_id, task in unknown.items():
        for generation in matcher.generations:
            # A task without a time may belong to any video.
            fits = task.created_at is None or _may_be_of(generation, task.created_at)
            if fits and matcher.similarity(generation, task.result) is Similarity.EQUAL:
                tasks_of[generation.pk].append(task)
                claimants[task_id].add(generation.pk)
    adopted = set()
    for generation in group:
        if len(tasks_of[generation.pk]) != 1:
            continue
        [task] = tasks_of[generation.pk]
        is_certain = claimants[task.result.task_id] == {generation.pk} and is_near_claim(generation, task.created_at)
        if is_certain and _adopt(generation, task, "The only task with this request."):
            adopted.add(generation.pk)
            del unknown[task.result.task_id]
    return adopted


def _may_be_of(generation: Generation, created_at: datetime) -> bool:
    if generation.held_at:
        # A restore brought it back as unsent, so it may have been sent at any time since it was created.
        return generation.created_at <= created_at
    return is_near_claim(generation, created_at)


def _adopt(generation: Generation, task: provider.ListedTask, how: str) -> bool:
    if not generation.assign_task(task.result.task_id, how):
        return False
    return record_result(generation, task.result, "sweep") is not Verdict.REFUSED


# ── Offering ──────────────────────────────────────────────────────────────────────────────────────────────────


def _offer(token: ApiToken, generations: Iterable[Generation], unknown: Listed) -> None:
    """Store the tasks that may belong to each video, for its author and the admins to choose from."""
    generations = list(generations)
    matcher = RequestMatcher(generations)
    for generation in generations:
        candidates = []
        for task in unknown.values():
            similarity = matcher.similarity(generation, task.result)
            if similarity is not Similarity.NONE:
                candidates.append((-similarity, _distance(generation, task), task.result.task_id))
        best = [unknown[task_id] for _, _, task_id in sorted(candidates)[:MAX_OFFERS]]
        kept = [FoundTask.objects.keep(token, task) for task in best]
        generation.record_search(SearchOutcome.OFFERED if kept else SearchOutcome.NOT_FOUND, kept)


def _distance(generation: Generation, task: provider.ListedTask) -> float:
    """Return the seconds between the claim and the task; infinity for a task without a time."""
    if task.created_at is None:
        return float("inf")
    return abs((task.created_at - _sent_at(generation)).total_seconds())
