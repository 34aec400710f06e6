"""Adopting: take a task that the provider already has into the history."""

import logging
import re
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import IntegrityError
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import timezone

from .. import provider
from ..models import ApiToken, Generation, Member, State, Submission, Verdict
from .record import settle
from .task_lookup import look_up

logger = logging.getLogger(__name__)


class NotAdopted(Exception):
    """A task that could not be taken in; the message is for the admin."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an admin's task id led to, and that in words."""

    generation: Generation
    words: str


def adopt(pasted: str, member: Member) -> Adoption:
    """Take a task of the provider's into the history, once, by its id; raise NotAdopted.

    Its row starts as `unconfirmed` and never as `queued`, so nothing can send it; what the look-up brought is then
    recorded like any other news, and what it did not bring yet is asked for by the sweep.
    """
    task_id = _read_task_id(pasted)
    if known := Generation.objects.filter(task_id__iexact=task_id).first():
        return _known(known)
    token, result = _find(task_id)
    asked = result.request or provider.Request(prompt=result.prompt)
    ours = _sent_by(asked)
    if ours and ours.task_id == "" and not ours.purged_at:
        ours.adopted(member, token)
        if settle(ours, result, "sweep") is not Verdict.REFUSED:
            return Adoption(ours, "It was asked for here and its answer got lost: that video has it now.")
    parent = Generation.objects.filter(video_id=asked.video_id).first() if asked.video_id else None
    try:
        submission, made = Submission.objects.open(
            member,
            uuid.uuid5(uuid.NAMESPACE_URL, f"{token.pk}/{task_id}"),
            1,
            because="adopted",
            # It is being made already, and charged.
            whatever_the_limit=True,
            state=State.UNCONFIRMED,
            token=token,
            task_id=task_id,
            ask_at=timezone.now(),
            parent=parent,
            depth=parent.depth + 1 if parent else int(asked.action == "extend"),
            source_video_id=asked.video_id,
            source_video_url="" if _is_ours(asked.video_url) else asked.video_url,
            start_image_url="" if _is_ours(asked.start_image_url) else asked.start_image_url,
            end_image_url="" if _is_ours(asked.end_image_url) else asked.end_image_url,
            **{
                name: getattr(asked, name)
                for name in ("action", "prompt", "aspect_ratio", "enhancement", "loop", "timeout")
            },
        )
    except IntegrityError:
        # Another admin pasted it at the same moment, or its callback came in.
        return _known(Generation.objects.get(token=token, task_id=task_id))
    generation = submission.generations.get()
    if not made:
        return _known(generation)
    settle(generation, result, "sweep")
    return Adoption(generation, f"It is part of the history now: {generation.get_state_display().lower()}.")


def _read_task_id(pasted: str) -> str:
    text = pasted.strip()
    if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        # The provider does not mind the case, but two spellings would be two tasks to our constraint.
        return text.lower()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{5,199}", text):
        raise NotAdopted(
            "This is not a task id. The provider's console shows it; it looks like "
            "0f7a3a52-6c1f-4a3e-9a53-2f0f4f6a7f11."
        )
    return text


def _known(generation: Generation) -> Adoption:
    place = "in the trash" if generation.trashed_at else "part of the history"
    return Adoption(generation, f"This task is {place} already, as “{generation.prompt[:60]}”.")


def _find(task_id: str) -> tuple[ApiToken, provider.Result]:
    """Look a task up with every enabled token, best first; a resting or used-up one can still read."""
    silent = []
    tokens = list(ApiToken.objects.filter(enabled=True))
    for token in tokens:
        try:
            if result := look_up(token, task_id):
                return token, result
        except provider.ProviderError as error:
            logger.warning("token %s: task not readable: %s", token.pk, error)
            silent.append(f"“{token.name}” ({error.message or error.code})")
    if not tokens:
        raise NotAdopted("There is no enabled API token to look it up with. Add one first.")
    if silent:
        raise NotAdopted(
            f"It was not found, but these tokens could not ask for it: {', '.join(silent)} Try again later."
        )
    raise NotAdopted(
        "No enabled API token knows this task. A task can be read only with a token of the account that made it: "
        "check the id, or add that account's token."
    )


def _sent_by(asked: provider.Request) -> Generation | None:
    """The row that this request was sent for, which the provider's echo of our callback address tells."""
    match = _match(asked.callback_url)
    if not match or match.url_name != "callback":
        return None
    return Generation.objects.filter(uuid=match.kwargs["uuid"]).first()


def _is_ours(link: str) -> bool:
    """Whether this is one of the addresses we mint for a provider: a secret, and dead when the work is done."""
    match = _match(link)
    return bool(match and match.url_name in ("frame", "clip"))


def _match(link: str) -> ResolverMatch | None:
    try:
        return resolve(urlsplit(link).path) if link else None
    except Resolver404:
        return None
