"""Submitting: claim rows and send each once, many POSTs at a time."""

import asyncio
import logging
import time
from dataclasses import replace
from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error, close_old_connections

from lumaweb import logs
from lumaweb.storage_errors import storage_problem

from .. import provider
from ..media import download
from ..media.saved_videos import download_rules
from ..models import ApiToken, Claim, Generation, Heartbeat, State, TemporaryLink, histogram, policy
from ..models.state import SUBMITTING_AT_MOST
from .frame_uploads import ClaimLost, FrameUploader
from .outcome import Outcome
from .outcome_recorder import OutcomeRecorder, record_error
from .provider_calls import not_sent, open_secret
from .queue import SUBMIT_CLUSTER, enqueue_drain
from .results import record_result

logger = logging.getLogger(__name__)

CLAIM_FOR = 20.0  # seconds; then the next drain goes on, so that no task of the queue lasts for ever
STOPPING_FOR = 60.0  # seconds after which a mark left by a stop that was cut short counts for nothing
AT_ONCE = 200  # POSTs under way in one drain
NO_DOUBT = SUBMITTING_AT_MOST.total_seconds() / 4  # after a claim, in which no sweep comes near it


def drain() -> None:
    """Send what may be sent now, many POSTs at once. Any number of drains may run; the claim decides.

    It ends when all answers are recorded, which a locked or full database can hold up for long: the queue sets it no
    limit of time (queue.enqueue_drain).
    """
    asyncio.run(_drain())


async def _drain() -> None:
    started = stamped = time.monotonic()
    sending: set[asyncio.Task] = set()
    line: list[Generation] = []
    failures: list[BaseException] = []
    claiming = True
    recorder = OutcomeRecorder(is_stopping)
    async with provider.new_client() as client:
        uploads = FrameUploader(client, _in_db)
        try:
            while True:
                now = time.monotonic()
                claim = None
                try:
                    if now - stamped > 5:
                        stamped = now
                        await _in_db(Heartbeat.stamp, SUBMIT_CLUSTER)
                    if claiming and now - started < CLAIM_FOR and len(sending) < AT_ONCE:
                        line, claim = await _in_db(_next_claim, line)
                except Error as error:
                    # No more claims, but what is under way is paid for and must still be recorded.
                    logger.warning("nothing more is claimed by this drain: %s", storage_problem(error) or error)
                    claiming = False
                if claim:
                    sending.add(asyncio.create_task(_send(claim, client, uploads, recorder)))
                    await asyncio.sleep(0)  # let the POST go out before the next claim
                    continue
                if not sending:
                    break
                done, sending = await asyncio.wait(sending, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                failures += [task.exception() for task in done if task.exception()]
            if claiming and time.monotonic() - started >= CLAIM_FOR and await _in_db(has_sendable):
                await _in_db(enqueue_drain)
        finally:
            # This thread is no worker of the queue, which would do it: it keeps a good connection for the next drain.
            await _in_db(close_old_connections)
    if failures:
        # Their rows stay `submitting` until the sweep finds them; the queue keeps the traceback.
        raise ExceptionGroup("sending failed unexpectedly", failures)


async def _in_db(function, *args):
    return await sync_to_async(function)(*args)


def is_stopping() -> bool:
    """Whether this machine's workers were told to stop: what is claimed now would be killed while it is sent."""
    try:
        return time.time() - settings.WORKERS_STOPPING.stat().st_mtime < STOPPING_FOR
    except FileNotFoundError:
        return False


def _next_claim(line: list[Generation]) -> tuple[list[Generation], Claim | None]:
    """The next row that could be claimed, and who is left in line behind it."""
    close_old_connections()
    if is_stopping():
        return [], None
    line = line or _line(50)
    while line:
        generation, *line = line
        if claim := generation.claim():
            return line, claim
        if not ApiToken.objects.with_room().exists():
            return [], None
    return [], None


def _line(limit: int) -> list[Generation]:
    left = ApiToken.objects.most_left()
    return [] if left == 0 else Generation.objects.next_to_submit(limit, amount_at_most=left)


def has_sendable() -> bool:
    return bool(_line(1))


async def _send(claim: Claim, client, uploads: FrameUploader, recorder: OutcomeRecorder) -> None:
    """POST one claimed generation and record what comes of it."""
    generation = claim.generation
    logs.GENERATION.set(str(generation.uuid))  # of this asyncio task only
    answered = partial(Outcome, generation.uuid, generation.attempts)
    next_step = 0
    try:
        source, next_step = await _source(claim)
        links = await uploads.links(claim)
        ready = await _in_db(_ready_to_send, claim, source, links)
        if not ready:
            return
        request, secret = ready
        luma = provider.LumaClient(claim.token.base_url, secret, client=client)
        result = await _submit(luma, request)
    except ClaimLost:
        logger.warning("generation %s: its upload took too long, and it is back in the queue", generation.uuid)
    except provider.ProviderError as error:
        logger.info("generation %s: %s", generation.uuid, error)
        await _keep_refusal(answered(error=error, next_source=next_step), generation, recorder)
    except Error as error:
        # The database failed between the claim and the POST, of which no byte has left.
        if not (problem := storage_problem(error)):
            raise
        unsent = not_sent("storage_down", f"It could not be prepared: {problem}.")
        await _keep_refusal(answered(error=unsent), generation, recorder)
    else:
        await recorder.record(answered(result=result), partial(record_result, generation, result, "answer"))


async def _keep_refusal(outcome: Outcome, generation: Generation, recorder: OutcomeRecorder) -> None:
    if outcome.next_source and not (outcome.error and policy.is_about_the_request(outcome.error)):
        outcome = replace(outcome, next_source=0)
    await recorder.record(outcome, partial(record_error, generation, outcome))


async def _submit(luma: provider.LumaClient, request: provider.Request) -> provider.Result:
    """POST it, and measure how long the answer takes."""
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
    claim: Claim, source: dict[str, str], uploads: dict[int, str]
) -> tuple[provider.Request, str] | None:
    """What to send, and the secret to send it with; None if it took so long that the claim is no longer ours.

    In that case the sweep doubted it, and its member may have tried again.
    """
    generation = claim.generation
    # A picture may have been purged with its last video between the choice of it and now.
    if any(frame and not frame.file for frame in (generation.start_frame, generation.end_frame)):
        raise not_sent("frame_gone", "A frame was deleted before this was sent.")
    request, secret = generation.request(claim, source, uploads), open_secret(claim.token)
    if generation.uploading:
        return (request, secret) if generation.end_upload(claim.owned) else None
    if time.monotonic() - claim.at >= NO_DOUBT:
        row = Generation.objects.filter(pk=generation.pk, state=State.SUBMITTING)
        if not row.filter(callback_key_hash=generation.callback_key_hash).exists():
            return None
    return request, secret


async def _source(claim: Claim) -> tuple[dict[str, str], int]:
    """How to name the video to extend, and the number of the way to try after it (0: there is none)."""
    if claim.generation.action != "extend":
        return {}, 0
    ways = await _in_db(_ways, claim)
    for number, kind, value, rules in ways:
        if rules and not await asyncio.to_thread(_is_alive, value, rules):
            continue
        following = number + 1 if number < ways[-1][0] else 0
        if kind == "id":
            return {"video_id": value}, following
        if kind == "copy":
            value = await _in_db(_mint_clip, claim)
        return {"video_url": value}, following
    raise not_sent(
        "source_gone",
        "The clip's id belongs to another account, its link has expired, and our saved copy has no public address.",
    )


def _ways(claim: Claim) -> list[tuple[int, str, str, download.Rules | None]]:
    """The ways to name the source, each with the rules by which its link can be looked at first, if it is ours."""
    parent = claim.generation.parent
    rules = None
    if parent and parent.token:
        # A look, not a download: the row is claimed, and its POST must not wait for a slow CDN.
        rules = download_rules(
            parent.token.base_url, is_local=parent.token.is_local, max_bytes=settings.VIDEO_MAX_BYTES, deadline=5.0
        )
    return [
        (number, kind, value, rules if rules and kind == "link" and value == parent.video_url else None)
        for number, kind, value in claim.generation.sources(claim.token)
    ]


def _is_alive(link: str, rules: download.Rules) -> bool:
    """Whether the provider's own link to a video still gives something; what cannot be told counts as yes."""
    status = download.probe(link, rules)
    return status is None or status < 400


def _mint_clip(claim: Claim) -> str:
    return TemporaryLink.create_for(claim.token.public_url, claim.generation, clip=claim.generation.parent)
