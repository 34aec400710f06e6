"""When, and in which process: the only room that knows the queue.

A task is a wake-up call and may come twice or never; the rows decide what is to be done.
"""

import asyncio
import logging
import re
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, IntegrityError, close_old_connections, connection, transaction
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

from lumaweb import logs

from . import download, mail, media, provider, saving
from .models import (
    ApiToken,
    Claim,
    Frame,
    Generation,
    Health,
    Heartbeat,
    Leftover,
    Member,
    State,
    Submission,
    TemporaryLink,
    Verdict,
    meter,
    policy,
    usage,
)
from .models.state import SUBMITTING_AT_MOST
from .task_lookup import look_up, never, open_secret

logger = logging.getLogger(__name__)

SUBMISSIONS = settings.Q_CLUSTER["name"]
MEDIA = saving.CLUSTER

CLAIM_FOR = 20.0  # seconds; then the next drain goes on, so that no task of the queue lasts for ever
STOPPING_FOR = 60.0  # seconds after which a mark left by a stop that was cut short counts for nothing
AT_ONCE = 200  # POSTs under way in one drain
ASK_FOR = 10.0  # seconds of one tick; a provider that hangs must not keep the rest of the sweep
NO_DOUBT = SUBMITTING_AT_MOST / 4  # after a claim, in which no sweep comes near it
SAVES_AT_ONCE = 200  # that are asked for in one sweep
BATCH = 50  # ids in one look-up; the contract's recommended most


def _later(function: str, *args, **options) -> None:
    """Put a call into the queue once what was just written is committed. A broker that is away is logged."""

    def put() -> None:
        # In a transaction, as SQLite keeps whoever writes outside of one waiting for longest.
        with transaction.atomic():
            async_task(f"videos.tasks.{function}", *args, **options)

    if not settings.REDIS_URL and connection.in_atomic_block:
        # The queue is in the same database: committed along with what is to be done, which costs no second commit.
        async_task(f"videos.tasks.{function}", *args, **options)
    else:
        # No partial: what failed is logged by its name, and a partial has none.
        transaction.on_commit(put, robust=True)


def submit_later() -> None:
    """Wake a drain."""
    _later("drain")


# Calls in the queue name this function by its path here.
archive = saving.archive


def archive_later(pk: int) -> None:
    _later("archive", pk, cluster=MEDIA)


def beat_later(times: int = 1) -> None:
    """Ask a worker of each cluster to stamp its heartbeat. A broker that is away is logged and keeps nobody."""
    for _ in range(times):
        _later("beat", SUBMISSIONS)
        _later("beat", MEDIA, cluster=MEDIA)


def mail_new_password_later(name: str, origin: str) -> None:
    _later("mail_new_password", name, origin)


def mail_new_password(name: str, origin: str) -> None:
    mail.new_password(name, origin)


def beat(name: str) -> None:
    Heartbeat.stamp(name)


def waiting_calls() -> dict[str, int]:
    """How many calls wait in the queue, by cluster. Raises what the broker raises."""
    return {cluster: get_broker(cluster).queue_size() for cluster in (SUBMISSIONS, MEDIA)}


def broker() -> str:
    """Which broker it is, in a word or two; raises what it raises where it does not answer."""
    ours = get_broker(SUBMISSIONS)
    ours.ping()
    return ours.info()


def forget_wake_ups() -> None:
    """Empty the queue: after a restore its calls are of another time. Redis keeps its own; they find nothing to do."""
    OrmQ.objects.all().delete()


def settle(generation: Generation, result: provider.Result, via: str) -> Verdict:
    """Record news, and set going what follows from it."""
    began = time.perf_counter()
    with logs.about(generation.uuid):
        verdict = generation.record(result, via, along=lambda: archive_later(generation.pk))
    meter.observe("news", f"{via}/{verdict.name.lower()}", time.perf_counter() - began)
    # Asked after the commit: whoever came before it and saw no room was sent away.
    if verdict is Verdict.RECORDED and not generation.is_open and Generation.objects.waiting_for_a_turn().exists():
        submit_later()
    return verdict


# ── Submitting ────────────────────────────────────────────────────────────────────────────────────────────────


def drain() -> None:
    """Send what may be sent now, many POSTs at once. Any number of drains may run; the claim decides."""
    asyncio.run(_drain())


async def _drain() -> None:
    started = stamped = time.monotonic()
    sending: set[asyncio.Task] = set()
    line: list[Generation] = []
    failures: list[BaseException] = []
    claiming = True
    async with provider.new_client() as client:
        try:
            while True:
                now = time.monotonic()
                claim = None
                try:
                    if now - stamped > 5:
                        stamped = now
                        await _in_db(beat, SUBMISSIONS)
                    if claiming and now - started < CLAIM_FOR and len(sending) < AT_ONCE:
                        line, claim = await _in_db(_next_claim, line)
                except DatabaseError as error:
                    # No more claims, but what is under way is paid for and must still be recorded.
                    failures.append(error)
                    claiming = False
                if claim:
                    sending.add(asyncio.create_task(_send(claim, client)))
                    await asyncio.sleep(0)  # let the POST go out before the next claim
                    continue
                if not sending:
                    break
                done, sending = await asyncio.wait(sending, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                failures += [task.exception() for task in done if task.exception()]
            if claiming and time.monotonic() - started >= CLAIM_FOR and await _in_db(_more_to_send):
                await _in_db(submit_later)
        finally:
            # This thread is no worker of the queue, which would do it: it keeps a good connection for the next drain.
            await _in_db(close_old_connections)
    if failures:
        # Their rows stay `submitting` until the sweep finds them; the queue keeps the traceback.
        raise ExceptionGroup("sending failed unexpectedly", failures)


async def _in_db(function, *args):
    return await sync_to_async(function)(*args)


async def _kept(generation: Generation, function, *args) -> None:
    """Write down what came of a POST; a database that is locked or away for a moment is tried again."""
    for wait in (0.5, 1, 2, 4, 8, None):
        try:
            await _in_db(close_old_connections)
            await _in_db(function, *args)
            return
        except DatabaseError:
            if wait is None:
                logger.exception(
                    "generation %s: what came of its POST could not be recorded: %s", generation.uuid, args
                )
                raise
            await asyncio.sleep(wait)


def _is_stopping() -> bool:
    """Whether this machine's workers were told to stop: what is claimed now would be killed while it is sent."""
    try:
        return time.time() - settings.WORKERS_STOPPING.stat().st_mtime < STOPPING_FOR
    except FileNotFoundError:
        return False


def _next_claim(line: list[Generation]) -> tuple[list[Generation], Claim | None]:
    """The next row that could be claimed, and who is left in line behind it."""
    close_old_connections()
    if _is_stopping():
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
    return [] if left == 0 else Generation.objects.next_in_line(limit, amount_at_most=left)


def _more_to_send() -> bool:
    return bool(_line(1))


async def _send(claim: Claim, client) -> None:
    """POST one claimed generation and record what comes of it."""
    generation = claim.generation
    logs.GENERATION.set(str(generation.uuid))  # of this asyncio task only
    try:
        source, next_step = await _source(claim)
        ready = await _in_db(_ready_to_send, claim, source)
        if not ready:
            return
        request, secret = ready
        luma = provider.LumaClient(claim.token.base_url, secret, client=client)
        try:
            result = await _submit(luma, request)
        except provider.ProviderError as error:
            if not (next_step and _may_mean_the_source(error)):
                raise
            await _kept(generation, generation.next_source, next_step, error, claim.ours)
            return
    except provider.ProviderError as error:
        logger.info("generation %s: %s", generation.uuid, error)
        await _kept(generation, generation.refuse, error, claim.ours)
    else:
        await _kept(generation, settle, generation, result, "answer")


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
        meter.observe("post", outcome, time.perf_counter() - began)


def _ready_to_send(claim: Claim, source: dict[str, str]) -> tuple[provider.Request, str] | None:
    """What to send, and the secret to send it with; None if it took so long that the claim is no longer ours.

    In that case the sweep doubted it, and its member may have tried again.
    """
    generation = claim.generation
    # A picture may have been purged with its last video between the choice of it and now.
    if any(frame and not frame.file for frame in (generation.start_frame, generation.end_frame)):
        raise never("frame_gone", "A frame was deleted before this was sent.")
    if generation.needs_public_address and not claim.token.public_url:
        raise never("no_public_address", "This installation has no public address for the frames.")
    request, secret = generation.request(claim, source), open_secret(claim.token)
    if timezone.now() - generation.submitted_at >= NO_DOUBT:
        row = Generation.objects.filter(pk=generation.pk, state=State.SUBMITTING)
        if not row.filter(callback_key_hash=generation.callback_key_hash).exists():
            return None
    return request, secret


def _may_mean_the_source(error: provider.ProviderError) -> bool:
    """Whether this refusal could be about the way the video to extend was named: then the next way is worth a try."""
    about_the_payload = error.status in (400, 404) and error.code not in ("token_mismatched", "api_not_implemented")
    return error.sent is provider.Sent.REFUSED and about_the_payload


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
    raise never(
        "source_gone",
        "The clip's id belongs to another account, its link has expired, and our saved copy has no public address.",
    )


def _ways(claim: Claim) -> list[tuple[int, str, str, download.Rules | None]]:
    """The ways to name the source, each with the rules by which its link can be looked at first, if it is ours."""
    parent = claim.generation.parent
    rules = None
    if parent and parent.token:
        # A look, not a download: the row is claimed, and its POST must not wait for a slow CDN.
        rules = replace(media.rules_for(parent, settings.VIDEO_MAX_BYTES), deadline=5.0)
    return [
        (number, kind, value, rules if rules and kind == "link" and value == parent.video_url else None)
        for number, kind, value in claim.generation.sources(claim.token)
    ]


def _is_alive(link: str, rules: download.Rules) -> bool:
    """Whether the provider's own link to a video still gives something; what cannot be told counts as yes."""
    status = download.probe(link, rules)
    return status is None or status < 400


def _mint_clip(claim: Claim) -> str:
    return TemporaryLink.mint(claim.token.public_url, claim.generation, clip=claim.generation.parent)


# ── Trying a token ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Trial:
    """What an admin's test of a token showed: "ok", "refused" or "unknown", and that in words."""

    verdict: str
    words: str


def try_token(token: ApiToken, by: Member | None = None) -> Trial:
    """Ask the provider for a task that does not exist, which is free, and mend or take out the token by the answer."""
    trial, health = _tried(token)
    if health:
        token.take_out(health, trial.words)
        return trial
    if trial.verdict == "ok" and token.mend(by):
        submit_later()
        return replace(trial, words=trial.words.replace("accepts it.", "accepts it, and it is used again."))
    return trial


def try_secret(token: ApiToken, secret: str) -> Trial:
    """The same question with a secret that is not stored yet; nothing is changed by it."""
    candidate = ApiToken(name=token.name, base_url=token.base_url)
    candidate.secret = secret
    return _tried(candidate)[0]


def _tried(token: ApiToken) -> tuple[Trial, Health | None]:
    """What the provider thinks of a token, and the health it has by that; None where it stays as it is."""
    try:
        look_up(token, str(uuid.uuid4()))
    except provider.ProviderError as error:
        rule = policy.POST.get(error.code)
        said = f"{error.code}: {error.message}" if error.message else error.code
        if error.sent is not provider.Sent.MAYBE and rule and rule.token in Health.values:
            if error.sent is provider.Sent.NEVER:
                return Trial("refused", f"{rule.admin} ({error.code}: the provider was not asked)"), Health(rule.token)
            return Trial("refused", f"The provider refuses it. {rule.admin} ({said})"), Health(rule.token)
        return Trial("unknown", f"The test brought no answer about the token, so nothing was changed. ({said})"), None
    balance = "Whether there is credit left cannot be told by this: only a video can."
    return Trial("ok", f"The provider accepts it. {balance}"), None


# ── Adopting ──────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── The sweep ─────────────────────────────────────────────────────────────────────────────────────────────────


def sweep() -> None:
    """Mend what a lost wake-up, a lost callback or a lost worker left behind. One at a time, by the ticker's lease."""
    for generation in Generation.objects.stuck_submitting():
        generation.interrupted()
    for generation in Generation.objects.overdue():
        generation.give_up()
    ask_to_save()
    empty_trash()
    Heartbeat.objects.forget_the_gone()
    wake()
    usage.roll_up()


def ask_to_save() -> None:
    """Wake the saving of what is due; while nobody saves, the queue is not to grow with each sweep."""
    try:
        room = SAVES_AT_ONCE - waiting_calls()[MEDIA]
    except Exception:  # each broker has its own
        logger.warning("the queue does not answer, so nothing is saved now", exc_info=True)
        return
    for pk in Generation.objects.worth_saving().values_list("pk", flat=True)[: max(0, room)]:
        archive_later(pk)


def empty_trash() -> None:
    """Delete for good what was in the trash long enough, and the files that nothing names any more."""
    for generation in Generation.objects.worth_purging()[:200]:
        generation.purge()
    with transaction.atomic():
        unused = list(Frame.objects.unused().values_list("pk", flat=True)[:200])
        Frame.objects.filter(pk__in=unused).let_go()
    remove_leftovers()


def remove_leftovers() -> None:
    for leftover in Leftover.objects.order_by("pk")[:1000]:
        try:
            leftover.remove()
        except OSError as error:
            # It stays noted; the next sweep tries again.
            logger.warning("file %s cannot be removed: %s", leftover.file.name, error)
            if isinstance(error, ConnectionError):
                return  # an object storage that is silent, and each of the others would wait for it as long


def wake() -> None:
    """Have sent what waits: a token's rest is over, or the wake-up was lost with its worker."""
    if _more_to_send():
        submit_later()


def ask() -> int:
    """Look up the tasks whose news is due, in batches, each with the token that made it. Answers how many."""
    due = defaultdict(list)
    for generation in Generation.objects.worth_asking().select_related("token").order_by("ask_at")[:2000]:
        due[generation.token].append(generation)
    end = time.monotonic() + ASK_FOR
    asked = 0
    for token, generations in due.items():
        while generations and time.monotonic() < end:
            batch, generations = generations[:BATCH], generations[BATCH:]
            asked += len(batch)
            if not _ask(token, batch):
                # The others of this token would wait as long for nothing.
                for generation in generations:
                    generation.ask_soon()
                break
    return asked


def _ask(token: ApiToken, generations: list[Generation]) -> bool:
    """Look one batch up and record what is new; False when the provider did not answer."""

    async def look() -> dict[str, provider.Result]:
        async with provider.new_client() as client:
            luma = provider.LumaClient(token.base_url, secret, client=client)
            return await luma.tasks([generation.task_id for generation in generations])

    try:
        secret = open_secret(token)
        results = asyncio.run(look())
    except provider.ProviderError as error:
        logger.warning("token %s: tasks not readable: %s", token.pk, error)
        for generation in generations:
            generation.ask_soon()
        return False
    for generation in generations:
        result = results.get(generation.task_id)
        if result is None or settle(generation, result, "sweep") is Verdict.KNOWN:
            # Given up only on fresh knowledge: after a night asleep the video may well be there.
            given_up = generation.is_overdue and generation.give_up()
            if not given_up:
                generation.asked_in_vain()
    return True
