"""Compare tasks at the provider with the requests of our videos, to find which video a task belongs to.

A task repeats its request, which may contain our secret addresses. They are compared by their hashes, and are neither
stored nor logged.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import Q
from django.urls import Resolver404, ResolverMatch, resolve

from .. import provider
from ..models import Frame, Generation, TemporaryLink, UploadedFrame
from ..models.generation.task_ids import CALLBACK
from ..models.secret_keys import hash_key
from ..models.state import State

# The task of a claim was created within this time of it, by the provider's clock.
BEFORE_THE_CLAIM = timedelta(minutes=1)
AFTER_THE_CLAIM = timedelta(minutes=10)
WITHOUT_TASK = (State.SUBMITTING, State.UNCONFIRMED)
MAX_COMPARED = 500  # rows without a task


class Similarity(IntEnum):
    """How similar a task's request is to that of a video.

    NONE: it is another request. SIMILAR: it has the same prompt, or the video's callback URL with another key.
    EQUAL: it is the same request. CALLBACK: it has the secret callback URL of the claim itself.
    """

    NONE = 0
    SIMILAR = 1
    EQUAL = 2
    CALLBACK = 3


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """The parts of one of our callback URLs."""

    uuid: UUID
    key_hash: str


def parse_callback_url(link: str) -> CallbackUrl | None:
    """Parse one of our callback URLs; return None for any other link."""
    match = _match(link)
    if not match or match.url_name != "callback":
        return None
    return CallbackUrl(match.kwargs["uuid"], hash_key(match.kwargs["key"]))


def is_temporary(link: str) -> bool:
    """Tell whether Lumaweb made this address for one request: it is a secret and expires."""
    match = _match(link)
    return bool(match and match.url_name in ("provider-frame", "provider-video"))


def frame_of_link(link: str) -> Frame | None:
    """Return the frame that a request named by this link, uploaded or fetched from here; None if there is none."""
    if not link:
        return None
    temporary = TemporaryLink.objects.filter(key_hash=_key_hash(link), frame__isnull=False).select_related("frame")
    upload = UploadedFrame.objects.filter(url=link).select_related("frame").first() or temporary.first()
    return upload.frame if upload and upload.frame and upload.frame.file else None


def is_near_claim(generation: Generation, created_at: datetime | None) -> bool:
    """Tell whether a task was created so near this row's claim that it may be its task."""
    claimed = generation.submitted_at
    if created_at is None or claimed is None:
        return False
    return claimed - BEFORE_THE_CLAIM <= created_at <= claimed + AFTER_THE_CLAIM


class RequestMatcher:
    """The requests of some videos, in the form in which the provider repeats them."""

    def __init__(self, generations: Iterable[Generation]) -> None:
        self.generations = list(generations)
        self._links = _links_by_generation(self.generations)

    def similarity(self, generation: Generation, result: provider.Result) -> Similarity:
        """Compare a task's request with that of one of these videos."""
        echo = result.request
        if echo is None:
            return Similarity.SIMILAR if _same_prompt(generation, result.prompt) else Similarity.NONE
        if echo.callback_url:
            return _by_callback(generation, echo.callback_url)
        if not _repeats(generation, echo):
            return Similarity.NONE
        return Similarity.EQUAL if self._is_equal(generation, echo) else Similarity.SIMILAR

    def _is_equal(self, generation: Generation, echo: provider.Request) -> bool:
        expected = _as_echoed(generation)
        if any(getattr(expected, name) != getattr(echo, name) for name in provider.REQUEST_SETTINGS):
            return False
        known = self._links[generation.pk]
        for side in ("start", "end"):
            link, frame = getattr(echo, f"{side}_image_url"), getattr(generation, f"{side}_frame_id")
            if frame and not ({link, _key_hash(link)} & known[frame]):
                return False
            if not frame and link != getattr(expected, f"{side}_image_url"):
                return False
        return generation.action != "extend" or self._extends_the_same(generation, echo, known[None])

    def _extends_the_same(self, generation: Generation, echo: provider.Request, copies: set[str]) -> bool:
        """Compare the source videos: a claim names its source by its id, by a link, or by a link to our copy."""
        parent = generation.parent
        if echo.video_id:
            return echo.video_id in (generation.source_video_id, parent.video_id if parent else "")
        links = {generation.source_video_url, parent.video_url if parent else ""} - {""}
        return echo.video_url in links or _key_hash(echo.video_url) in copies


def other_owner(generation: Generation, result: provider.Result) -> Generation | None:
    """Return the row without a task whose request this task of `generation` repeats, if that is another row.

    The callback URL in the repeated request decides. Without one, the task must repeat another action or prompt
    than this row's, and the whole request of exactly one row of the same token that has no task yet.
    """
    if (echo := result.request) is None:
        return None
    if address := parse_callback_url(echo.callback_url):
        if address.uuid == generation.uuid:
            return None
        unsure = Q(task_id="") | Q(task_id_channel=CALLBACK)
        return Generation.objects.filter(unsure, uuid=address.uuid, callback_key_hash=address.key_hash).first()
    if echo.callback_url or _repeats(generation, echo):
        return None
    waiting = Generation.objects.filter(token=generation.token_id, task_id="", state__in=WITHOUT_TASK)
    wanted = RequestMatcher(waiting.select_related("parent").order_by("-pk")[:MAX_COMPARED])
    equal = [row for row in wanted.generations if wanted.similarity(row, result) is Similarity.EQUAL]
    return equal[0] if len(equal) == 1 else None


def _repeats(generation: Generation, echo: provider.Request) -> bool:
    """Tell whether a repeated request has the action and the prompt of this video."""
    return _same_prompt(generation, echo.prompt) and echo.action == generation.action


def _by_callback(generation: Generation, link: str) -> Similarity:
    """Compare by the callback URL alone, which names the video and the claim."""
    address = parse_callback_url(link)
    if not address or address.uuid != generation.uuid:
        return Similarity.NONE
    is_of_this_claim = bool(generation.callback_key_hash) and address.key_hash == generation.callback_key_hash
    return Similarity.CALLBACK if is_of_this_claim else Similarity.SIMILAR


def _same_prompt(generation: Generation, prompt: str) -> bool:
    return bool(prompt) and prompt == _as_echoed(generation).prompt


def _as_echoed(generation: Generation) -> provider.Request:
    """Return the request of a video as a task repeats it, without what a claim adds: frames, source and callback."""
    sent = generation.base_request(
        "" if generation.start_frame_id else generation.start_image_url,
        "" if generation.end_frame_id else generation.end_image_url,
    )
    return provider.echoed_request(sent.payload()) or sent


def _links_by_generation(generations: list[Generation]) -> dict[int, dict[int | None, set[str]]]:
    """Return the links, or hashes of their keys, that a claim may have sent, by video and frame (None: the source)."""
    links: dict[int, dict[int | None, set[str]]] = defaultdict(lambda: defaultdict(set))
    frames = {row.pk: {row.start_frame_id, row.end_frame_id} - {None} for row in generations}
    for link in TemporaryLink.objects.filter(generation__in=generations):
        links[link.generation_id][link.frame_id].add(link.key_hash)
    for upload in UploadedFrame.objects.filter(frame__in=set().union(*frames.values())) if generations else ():
        for pk, of_this in frames.items():
            if upload.frame_id in of_this:
                links[pk][upload.frame_id].add(upload.url)
    return links


def _key_hash(link: str) -> str:
    """Return the hash of the key in one of our temporary addresses; "-", which is no hash, for any other link."""
    match = _match(link)
    return hash_key(match.kwargs["key"]) if match and match.url_name in ("provider-frame", "provider-video") else "-"


def _match(link: str) -> ResolverMatch | None:
    try:
        return resolve(urlsplit(link).path) if link else None
    except (Resolver404, ValueError):
        return None
