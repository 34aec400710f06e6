"""Submit videos: claim rows and send each once, many POSTs at a time."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.db import Error, close_old_connections

from lumaweb import logs
from lumaweb.storage_errors import storage_problem

from .. import provider
from ..media import download
from ..media.saved_videos import download_rules
from ..models import ApiToken, Claim, Generation, Heartbeat, State, TemporaryLink, histogram, policy
from ..models.state import SUBMITTING_AT_MOST
from .database_thread import in_db
from .frame_uploads import ClaimLost, FrameUploader
from .outcome import Outcome
from .outcome_recorder import OutcomeRecorder, record_error
from .provider_calls import not_sent, open_secret
from .queue import SUBMIT_CLUSTER, enqueue_drain
from .results import record_result

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 20.0  # then another drain continues, so that no call in the queue runs forever
STOP_MARK_SECONDS = 60.0  # after which the mark of an interrupted stop is ignored
STAMP_EVERY = 5.0  # seconds between two heartbeats
MAX_POSTS = 200  # under way in one drain
MAX_LINE = 50  # rows that are read at once
FRESH_SECONDS = SUBMITTING_AT_MOST.total_seconds() / 4  # after a claim, in which no sweep considers it lost
LINK_CHECK_SECONDS = 5.0  # the row is claimed, so its POST must not wait for a slow CDN


def is_stopping() -> bool:
    """Tell whether this machine's workers were told to stop: what is claimed now would be killed while it is sent."""
    try:
        return time.time() - settings.WORKERS_STOPPING.stat().st_mtime < STOP_MARK_SECONDS
    except FileNotFoundError:
        return False


def drain(is_stopping: Callable[[], bool] = is_stopping) -> None:
    """Send what may be sent now. Any number of drains may run; the claim decides which one sends a row.

    It ends when all answers are recorded, which a locked or full database can delay for long: see
    queue.enqueue_drain, which sets no time limit. `is_stopping` tells whether this process is about to end.
    """
    asyncio.run(_Drain(is_stopping).run())


class _Drain:
    """Claims rows for a while, sends them, and waits until all answers are recorded."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._started = self._stamped = time.monotonic()
        self._line: list[Generation] = []
        self._is_claiming = True
        self._is_stopping = is_stopping
        self._recorder = OutcomeRecorder(is_stopping)

    async def run(self) -> None:
        """Raise an ExceptionGroup of unexpected errors at the end: their rows wait for the sweep."""
        failures: list[Exception] = []
        sending: set[asyncio.Task[None]] = set()
        async with provider.new_client() as client:
            uploader = FrameUploader(client)
            try:
                while True:
                    if claim := await self._next_claim(len(sending)):
                        sending.add(asyncio.create_task(_send(claim, client, uploader, self._recorder)))
                        await asyncio.sleep(0)  # let the POST leave before the next claim
                        continue
                    if not sending:
                        break
                    done, sending = await asyncio.wait(sending, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                    failures += [error for task in done if isinstance(error := task.exception(), Exception)]
                if self._is_claiming and self._is_out_of_time() and await in_db(has_sendable):
                    await in_db(enqueue_drain)
            finally:
                # The queue's worker does not close this thread's connection; a working one stays open.
                await in_db(close_old_connections)
        if failures:
            raise ExceptionGroup("sending failed unexpectedly", failures)

    async def _next_claim(self, posts: int) -> Claim[Generation] | None:
        """Stamp the heartbeat and claim the next row, if this drain may send one more."""
        try:
            if time.monotonic() - self._stamped > STAMP_EVERY:
                self._stamped = time.monotonic()
                await in_db(Heartbeat.stamp, SUBMIT_CLUSTER)
            if self._is_claiming and not self._is_out_of_time() and posts < MAX_POSTS:
                self._line, claim = await in_db(_next_claim, self._line, self._is_stopping)
                return claim
        except Error as error:
            # Stop claiming, but record the answers of what is under way and paid for.
            logger.warning("nothing more is claimed by this drain: %s", storage_problem(error) or error)
            self._is_claiming = False
        return None

    def _is_out_of_time(self) -> bool:
        return time.monotonic() - self._started >= CLAIM_SECONDS


def has_sendable() -> bool:
    """Tell whether a row waits that a token has room for."""
    return bool(_read_line(1))


def _next_claim(
    line: list[Generation], is_stopping: Callable[[], bool]
) -> tuple[list[Generation], Claim[Generation] | None]:
    """Claim the first row of the line that can be claimed; return the rest of the line and the claim."""
    close_old_connections()
    if is_stopping():
        return [], None
    line = line or _read_line(MAX_LINE)
    while line:
        generation, *line = line
        if claim := generation.claim():
            return line, claim
        if not ApiToken.objects.with_room().exists():
            return [], None
    return [], None


def _read_line(limit: int) -> list[Generation]:
    left = ApiToken.objects.most_left()
    return [] if left == 0 else Generation.objects.next_to_submit(limit, amount_at_most=left)


async def _send(
    claim: Claim[Generation], client: provider.HttpClient, uploader: FrameUploader, recorder: OutcomeRecorder
) -> None:
    """POST one claimed generation and record the outcome."""
    generation = claim.generation
    logs.GENERATION.set(str(generation.uuid))  # of this asyncio task only
    outcome = partial(Outcome, generation.uuid, generation.attempts)
    next_source = 0
    try:
        source, next_source = await _source(claim)
        links = await uploader.links(claim)
        ready = await in_db(_ready_to_send, claim, source, links)
        if not ready:
            return
        request, secret = ready
        result = await _post(provider.LumaClient(claim.token.base_url, secret, client=client), request)
    except ClaimLost:
        logger.warning("generation %s: its upload took too long, and it is back in the queue", generation.uuid)
    except provider.ProviderError as error:
        logger.info("generation %s: %s", generation.uuid, error)
        await _record_error(outcome(error=error, next_source=next_source), generation, recorder)
    except Error as error:
        # The database failed between the claim and the POST, so nothing was sent.
        if not (problem := storage_problem(error)):
            raise
        unsent = not_sent("storage_down", f"It could not be prepared: {problem}.")
        await _record_error(outcome(error=unsent), generation, recorder)
    else:
        await recorder.record(outcome(result=result), partial(record_result, generation, result, "answer"))


async def _record_error(outcome: Outcome, generation: Generation, recorder: OutcomeRecorder) -> None:
    if outcome.next_source and not (outcome.error and policy.is_about_the_request(outcome.error)):
        outcome = replace(outcome, next_source=0)
    await recorder.record(outcome, partial(record_error, generation, outcome))


async def _post(luma: provider.LumaClient, request: provider.Request) -> provider.Result:
    """Submit a request, and measure how long the answer takes."""
    began, outcome = time.perf_counter(), "unclear"
    try:
        result = await luma.submit(request)
        outcome = "accepted"
        return result
    except provider.ProviderError as error:
        outcome = {provider.Sent.NEVER: "not_sent", provider.Sent.REFUSED: "refused"}.get(error.sent, outcome)
        raise
    finally:
        histogram.observe("post", outcome, time.perf_counter() - began)


def _ready_to_send(
    claim: Claim[Generation], source: dict[str, str], uploads: dict[int, str]
) -> tuple[provider.Request, str] | None:
    """Return the request and the token's secret; None if the claim was lost meanwhile.

    The sweep takes back a claim that took too long, and its member may have retried.
    """
    generation = claim.generation
    # A frame may have been deleted with its last video after it was chosen.
    if any(frame and not frame.file for frame in (generation.start_frame, generation.end_frame)):
        raise not_sent("frame_gone", "A frame was deleted before this was sent.")
    request, secret = generation.request(claim, source, uploads), open_secret(claim.token)
    if generation.uploading:
        return (request, secret) if generation.end_upload(claim.owned) else None
    if time.monotonic() - claim.at >= FRESH_SECONDS:
        row = Generation.objects.filter(pk=generation.pk, state=State.SUBMITTING)
        if not row.filter(callback_key_hash=generation.callback_key_hash).exists():
            return None
    return request, secret


async def _source(claim: Claim[Generation]) -> tuple[dict[str, str], int]:
    """Return the fields that name the video to extend, and the number of the next way to name it (0: none)."""
    if claim.generation.action != "extend":
        return {}, 0
    ways = await in_db(_source_ways, claim)
    for number, kind, value, rules in ways:
        if rules and not await asyncio.to_thread(_link_works, value, rules):
            continue
        following = number + 1 if number < ways[-1][0] else 0
        if kind == "id":
            return {"video_id": value}, following
        if kind == "copy":
            value = await in_db(_mint_source_link, claim)
        return {"video_url": value}, following
    raise not_sent(
        "source_gone",
        "The video's id belongs to another account, its link has expired, and the saved copy has no public address.",
    )


def _source_ways(claim: Claim[Generation]) -> list[tuple[int, str, str, download.Rules | None]]:
    """Return the ways to name the source: number, kind, value, and for the provider's own link the download rules."""
    parent = claim.generation.parent
    rules = None
    if parent and parent.token:
        rules = download_rules(
            parent.token.base_url,
            is_local=parent.token.is_local,
            max_bytes=settings.VIDEO_MAX_BYTES,
            deadline=LINK_CHECK_SECONDS,
        )
    return [
        (number, kind, value, rules if parent and kind == "link" and value == parent.video_url else None)
        for number, kind, value in claim.generation.sources(claim.token)
    ]


def _link_works(link: str, rules: download.Rules) -> bool:
    """Tell whether a link to a video works; True if there was no answer."""
    status = download.probe(link, rules)
    return status is None or status < 400


def _mint_source_link(claim: Claim[Generation]) -> str:
    return TemporaryLink.create_for(claim.token.public_url, claim.generation, video=claim.generation.parent)
