"""Search the provider's listing for the videos in doubt, whose answer with the task id never came."""

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
    callback_address,
    is_near_claim,
)
from .results import record_result
from .task_listing import TaskListing, exclude_known, read_listing

logger = logging.getLogger(__name__)

# Seconds of one tick, after which the rest waits for the next: a silent provider must not hold up the others, and the
# ticker's lease is 20 s.
SEARCH_FOR = 12.0
ROWS_AT_ONCE = 200
# Videos that were sent within this time of each other are searched for by one reading.
ONE_READING = timedelta(hours=1)
# How far from the claim a task is still offered, though the provider's clock would have to be wrong.
OFFERED_WITHIN = timedelta(days=1)
OFFERS_AT_MOST = 5

Listed = dict[str, provider.ListedTask]


def reconcile() -> int:
    """Search for the videos in doubt whose search is due, with the token that sent them. Answers how many."""
    Generation.objects.end_late_searches()
    due = defaultdict(list)
    for generation in Generation.objects.due_for_search()[:ROWS_AT_ONCE]:
        due[generation.token].append(generation)
    end = time.monotonic() + SEARCH_FOR
    searched = 0
    for token, generations in due.items():
        for group in _sent_together(generations):
            if time.monotonic() >= end:
                break
            searched += len(group)
            if not _search(token, group, end):
                break
    FoundTask.objects.forget_settled()
    return searched


def _sent_together(generations: list[Generation]) -> Iterator[list[Generation]]:
    group: list[Generation] = []
    for generation in sorted(generations, key=lambda one: one.submitted_at):
        if group and generation.submitted_at - group[0].submitted_at > ONE_READING:
            yield group
            group = []
        group.append(generation)
    if group:
        yield group


def _search(token: ApiToken, group: list[Generation], end: float) -> bool:
    """Search for the videos of one reading until `end` (monotonic); False when the provider did not answer."""
    try:
        outcome = _read_and_adopt(token, group, end)
    except provider.ProviderError as error:
        logger.warning("token %s: its tasks cannot be listed: %s", token.pk, error)
        if not provider.has_no_listing(error):
            for generation in group:
                generation.end_search_if_over()
            # The others of this token would wait as long for nothing.
            Generation.objects.due_for_search().filter(token=token).retry_search_soon()
            return False
        outcome = None
    if outcome is None:
        for generation in group:
            generation.record_search(SearchOutcome.UNAVAILABLE, [])
    else:
        _offer(token, *outcome)
    return True


def _read_and_adopt(token: ApiToken, group: list[Generation], end: float) -> tuple[list[Generation], Listed] | None:
    """Adopt what is certain; answers the videos and tasks that are left, None where the provider has no listing."""

    def read(since: datetime, until: datetime) -> TaskListing:
        return read_listing(token, since, until, seconds=max(1.0, end - time.monotonic()))

    first, last = group[0].submitted_at, group[-1].submitted_at
    near = read(first - BEFORE_THE_CLAIM, last + AFTER_THE_CLAIM)
    unknown = exclude_known(token, near)
    adopted = _adopt_by_callback(unknown)
    if near.is_complete:
        adopted |= _adopt_one_to_one(token, group, unknown)
    rest = [generation for generation in group if generation.pk not in adopted]
    suspicious = not near.tasks and _must_have_tasks(token, group)
    # Once nothing new can appear near the claim, the provider's clock may be the reason for finding nothing.
    if suspicious or any(timezone.now() - generation.submitted_at > AFTER_THE_CLAIM for generation in rest):
        wide = read(first - OFFERED_WITHIN, last + OFFERED_WITHIN)
        if suspicious and not wide.tasks:
            # It takes the ids that were not given for none.
            return None
        unknown |= exclude_known(token, wide)
        adopted |= _adopt_by_callback(unknown)
        rest = [generation for generation in rest if generation.pk not in adopted]
    return rest, unknown


def _must_have_tasks(token: ApiToken, group: list[Generation]) -> bool:
    """Whether other videos got their tasks from this account in the same minutes, which a listing would show."""
    around = (group[0].submitted_at - BEFORE_THE_CLAIM / 2, group[-1].submitted_at + AFTER_THE_CLAIM / 2)
    others = Generation.objects.filter(token=token, submitted_at__range=around, accepted_at__range=around)
    return others.exclude(task_id="").exists()


# ── Deciding ──────────────────────────────────────────────────────────────────────────────────────────────────


def _adopt_by_callback(unknown: Listed) -> set[int]:
    """Adopt each task that echoes the secret callback address of a claim; answers the primary keys of the videos."""
    adopted: set[int] = set()
    for task in sorted(unknown.values(), key=_best_first):
        echo = task.result.request
        address = callback_address(echo.callback_url) if echo else None
        row = address and Generation.objects.in_doubt().filter(uuid=address.uuid).first()
        if (
            not row
            or row.pk in adopted
            or RequestMatcher([row]).similarity(row, task.result) is not Similarity.CALLBACK
        ):
            continue
        if _adopt(row, task, "By its callback address."):
            adopted.add(row.pk)
            del unknown[task.result.task_id]
    return adopted


def _best_first(task: provider.ListedTask) -> tuple[int, float]:
    """Of several tasks for one claim, the one with a video; else one that did not fail; else the earliest."""
    order = {provider.Status.COMPLETED: 0, provider.Status.RUNNING: 1, provider.Status.FAILED: 2}
    return order[task.result.status], task.created_at.timestamp() if task.created_at else float("inf")


def _adopt_one_to_one(token: ApiToken, group: list[Generation], unknown: Listed) -> set[int]:
    """Adopt where one video and one task can only mean each other; answers the primary keys of the videos."""
    first, last = group[0].submitted_at - BEFORE_THE_CLAIM, group[-1].submitted_at + AFTER_THE_CLAIM
    wanted = RequestMatcher(Generation.objects.possible_owners(token.base_url, first - AFTER_THE_CLAIM, last))
    tasks_of: dict[int, list[provider.ListedTask]] = defaultdict(list)
    claimants: dict[str, set[int]] = defaultdict(set)
    for task_id, task in unknown.items():
        for generation in wanted.generations:
            # One without a time may be anybody's.
            fits = task.created_at is None or _may_be_of(generation, task.created_at)
            if fits and wanted.similarity(generation, task.result) is Similarity.EQUAL:
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
        # A restore brought it back as unsent: it may have been sent at any time since.
        return generation.created_at <= created_at
    return is_near_claim(generation, created_at)


def _adopt(generation: Generation, task: provider.ListedTask, how: str) -> bool:
    if not generation.assign_task(task.result.task_id, how):
        return False
    return record_result(generation, task.result, "sweep") is not Verdict.REFUSED


# ── Offering ──────────────────────────────────────────────────────────────────────────────────────────────────


def _offer(token: ApiToken, generations: Iterable[Generation], unknown: Listed) -> None:
    """Keep for each video the tasks that may be its own, for its author and the admins to choose from."""
    generations = list(generations)
    wanted = RequestMatcher(generations)
    for generation in generations:
        candidates = []
        for task in unknown.values():
            similarity = wanted.similarity(generation, task.result)
            if similarity is not Similarity.NONE:
                candidates.append((-similarity, _distance(generation, task), task.result.task_id))
        best = [unknown[task_id] for _, _, task_id in sorted(candidates)[:OFFERS_AT_MOST]]
        kept = [FoundTask.objects.keep(token, task) for task in best]
        generation.record_search(SearchOutcome.OFFERED if kept else SearchOutcome.NOT_FOUND, kept)


def _distance(generation: Generation, task: provider.ListedTask) -> float:
    """Seconds between the claim and the task; one without a time comes last."""
    if task.created_at is None:
        return float("inf")
    return abs((task.created_at - generation.submitted_at).total_seconds())
