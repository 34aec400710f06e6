"""Adopt tasks: add a task that the provider already has to the gallery."""

import logging
import re
import uuid
from dataclasses import dataclass
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from .. import provider
from ..models import ApiToken, Generation, Member, State, Submission, Verdict
from ..models.generation.task_search import TaskTaken
from .provider_calls import look_up
from .request_matching import RequestMatcher, Similarity, frame_of_link, is_temporary, parse_callback_url
from .results import record_result

logger = logging.getLogger(__name__)

MAX_IN_DOUBT = 500  # videos that a task is compared with; more would mean an outage of days


class NotAdopted(Exception):
    """A task could not be adopted; the message is for the admin."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The generation that has the task, and a sentence for the admin; is_new: it got the task by this adoption."""

    generation: Generation
    message: str
    is_new: bool = True


def adopt(pasted: str, member: Member) -> Adoption:
    """Look up a task by the id that an admin entered, and adopt it once; raise NotAdopted."""
    task_id = _read_task_id(pasted)
    if known := Generation.objects.filter(task_id__iexact=task_id).first():
        return _known(known)
    token, result = _find(task_id)
    return adopt_task(token, result, member)


def adopt_task(token: ApiToken, result: provider.Result, member: Member) -> Adoption:
    """Assign a task to the video that requested it, or create a video for it; once, also if two admins adopt it."""
    request = result.request or provider.Request(prompt=result.prompt)
    try:
        ours = _requester(request)
        if ours and ours.task_id == "" and not ours.purged_at:
            ours.adopt(member, token, on_success=partial(ours.reserve_task, token, result.task_id))
            if record_result(ours, result, "sweep") is not Verdict.REFUSED:
                return Adoption(ours, "It was requested here and its answer got lost: that video has it now.")
        row = _video_for(token, result)
        if row and adopt_for(row, result, member):
            return Adoption(row, "It answers a request that was made here: that video has it now.")
        generation, made = _create(token, result, request, member)
    except (TaskTaken, IntegrityError):
        # Another admin pasted it at the same moment, or its callback came in.
        return _known(Generation.objects.filter(task_id__iexact=result.task_id).get())
    if not made:
        return _known(generation)
    record_result(generation, result, "sweep")
    return Adoption(generation, f"It is in the gallery now: {generation.get_state_display().lower()}.")


def adopt_for(generation: Generation, result: provider.Result, member: Member) -> bool:
    """Assign a task to a video in doubt; return False if that has a result now, or another video has the task."""
    if not generation.assign_task(result.task_id, "Chosen from the provider's list.", by=member):
        return False
    return record_result(generation, result, "sweep") is not Verdict.REFUSED


def adopt_offered(generation: Generation, task_id: str, member: Member) -> None:
    """Assign one of the tasks that were found for a video in doubt; raise NotAdopted.

    The provider listed this task, so it is not looked up now; the next poll brings its result.
    """
    if not generation.found_tasks.filter(task_id=task_id).exists():
        raise NotAdopted("This task is no longer offered for this video.")
    if not adopt_for(generation, provider.Result(task_id), member):
        raise NotAdopted("This video has news by now, or another video has this task.")


def _video_for(token: ApiToken, result: provider.Result) -> Generation | None:
    """Return the earliest video in doubt whose request this task repeats; None if there is none.

    Equal requests of one member are interchangeable. None also if two members made one, as nothing decides who gets it.
    """
    rows = Generation.objects.in_doubt().filter(state=State.UNCONFIRMED, token__base_url=token.base_url)
    matcher = RequestMatcher(rows.select_related("token", "parent").order_by("pk")[:MAX_IN_DOUBT])
    equal = [row for row in matcher.generations if matcher.similarity(row, result) >= Similarity.EQUAL]
    return equal[0] if len({row.member_id for row in equal}) == 1 else None


def _create(
    token: ApiToken, result: provider.Result, request: provider.Request, member: Member
) -> tuple[Generation, bool]:
    """Create a video for a task; return it, and False if this member adopted the task before.

    The row starts as `unconfirmed` and never as `queued`, so nothing can send it. The result of the look-up is then
    recorded like any other, and a task that still runs is polled.
    """
    parent = Generation.objects.filter(video_id=request.video_id).first() if request.video_id else None
    frames = {f"{side}_frame": frame_of_link(getattr(request, f"{side}_image_url")) for side in ("start", "end")}
    links = {
        "source_video_url": request.video_url,
        "start_image_url": "" if frames["start_frame"] else request.start_image_url,
        "end_image_url": "" if frames["end_frame"] else request.end_image_url,
    }
    row = Generation(token=token)
    with transaction.atomic():
        row.reserve_task(token, result.task_id)
        submission, made = Submission.objects.open(
            member,
            uuid.uuid5(uuid.NAMESPACE_URL, f"{token.pk}/{result.task_id}"),
            1,
            event="adopted",
            # The provider has already started and charged it.
            ignore_limits=True,
            state=State.UNCONFIRMED,
            token=token,
            task_id=result.task_id,
            next_poll_at=timezone.now(),
            parent=parent,
            depth=parent.depth + 1 if parent else int(request.action == "extend"),
            source_video_id=request.video_id,
            **frames,
            **{name: "" if is_temporary(link) else link for name, link in links.items()},
            **{name: getattr(request, name) for name in provider.REQUEST_SETTINGS},
        )
    return submission.generations.get(), made


def _read_task_id(pasted: str) -> str:
    text = pasted.strip()
    if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        # The provider ignores case, but our unique constraint does not.
        return text.lower()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{5,199}", text):
        raise NotAdopted(
            "This is not a task id. The provider's console shows it; it looks like "
            "0f7a3a52-6c1f-4a3e-9a53-2f0f4f6a7f11."
        )
    return text


def _known(generation: Generation) -> Adoption:
    place = "in the trash" if generation.trashed_at else "in the gallery"
    return Adoption(generation, f"This task is {place} already, as “{generation.prompt[:60]}”.", False)


def _find(task_id: str) -> tuple[ApiToken, provider.Result]:
    """Look up a task with every enabled token, best first; a paused or used-up token can still read."""
    unreadable = []
    tokens = list(ApiToken.objects.filter(enabled=True))
    for token in tokens:
        try:
            if result := look_up(token, task_id):
                return token, result
        except provider.ProviderError as error:
            logger.warning("token %s: task not readable: %s", token.pk, error)
            unreadable.append(f"“{token.name}” ({error.message or error.code})")
    if not tokens:
        raise NotAdopted("There is no enabled API token to look it up with. Add one first.")
    if unreadable:
        raise NotAdopted(
            f"It was not found, but these tokens could not look it up: {', '.join(unreadable)} Try again later."
        )
    raise NotAdopted(
        "No enabled API token knows this task. A task can be read only with a token of the account that made it: "
        "check the id, or add that account's token."
    )


def _requester(request: provider.Request) -> Generation | None:
    """Return the row whose callback URL the repeated request has; None if there is none."""
    address = parse_callback_url(request.callback_url)
    return Generation.objects.filter(uuid=address.uuid).first() if address else None
