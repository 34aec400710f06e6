"""POST /luma/videos: accept a request or refuse it, and answer in one of the contract's three ways."""

import json
import math
import random
import time
from functools import partial
from typing import Any

from .accounts import Account, bearer
from .control import OUTAGES
from .exchange import Exchange
from .ledger import Task
from .replies import Reply, find_reply
from .wire import Refusal, Wish, read_wish

LONGEST_HANG = 900.0
EARLY_PATIENCE = 25.0
Payload = dict[str, Any]


def submit(exchange: Exchange, payload: Payload, account: Account) -> None:
    """Answer one request for a video; whatever comes of it is noted in the ledger first."""
    studio = exchange.studio
    note = partial(studio.ledger.receive, account.hash, payload, exchange.trace_id)
    faults: frozenset[str] = frozenset()
    try:
        if account.is_used_up:
            raise Refusal(403, "used_up", "the balance of this token is used up")
        wish = read_wish(payload)
        faults = studio.draw_faults(wish.prompt)
        if "outage" in faults:
            return _begin_outage(exchange, note, faults)
        reply = find_reply(faults)
        if reply and not reply.accepted:
            note(reply.status, faults)
            return send_reply(exchange, reply)
        task = studio.plan(wish, payload, account.hash, exchange.trace_id, faults)
        post = studio.ledger.accept(task, partial(_require_room, exchange, account))
    except Refusal as refusal:
        note(refusal.status, faults)
        raise
    finished, delivered = studio.begin(task)
    if "early" in faults and wish.callback_url:
        exchange.wait(delivered, EARLY_PATIENCE)
    time.sleep(max(0.0, task.created_at + studio.options.accept_seconds - time.time()))
    answered = partial(studio.ledger.answered, post)
    if exchange.client_is_gone():
        answered(0)  # else the ledger would name an answer that nobody can have received
        exchange.close_connection = True
    elif reply:
        answered(reply.status, task.id if reply.names_task else None)
        send_reply(exchange, reply, task.id)
    elif "hang" in faults:
        answered(0)
        exchange.wait(None, LONGEST_HANG)
        exchange.close_connection = True
    elif "drop" in faults:
        answered(0)
        exchange.cut()
    else:
        if not wish.answers_at_once:
            exchange.wait(finished, wish.timeout)
        _answer(exchange, task, wish, post)


def _require_room(exchange: Exchange, account: Account, running: int) -> None:
    limit = exchange.studio.control.concurrency(exchange.studio.options.concurrency)
    if running >= limit:
        message = f"at most {limit} tasks of this account run at the same time"
        raise Refusal(429, "too_many_requests", message)
    account.require_first(exchange.studio.ledger)


def _answer(exchange: Exchange, task: Task, wish: Wish, post: int) -> None:
    """Answer with the task id alone, or with the whole result where the client waited for it and it is there."""
    ledger = exchange.studio.ledger
    named = ledger.previous(task) if "equal_id" in task.faults else task.id
    current = ledger.task(task.id)
    if wish.answers_at_once or current is None or current.response is None:
        ledger.answered(post, 200, named)
        # Both forms are seen at the provider.
        exchange.answer(200, {"success": True, "task_id": named} if wish.is_async else {"task_id": named})
        return
    code = "" if current.response["success"] else current.response["error"]["code"]
    status = {"": 200, "bad_request": 400}.get(code, 500)
    ledger.answered(post, status, named)
    exchange.answer(status, {**(exchange.studio.result(current) or {}), "task_id": named})


def send_reply(exchange: Exchange, reply: Reply, task_id: str = "") -> None:
    """Send an answer in place of the usual one."""
    headers = {"Retry-After": str(reply.retry_after)} if reply.retry_after is not None else {}
    if reply.status in range(300, 400):
        headers["Location"] = f"{exchange.studio.base_url}/login"
    if reply.page:
        return exchange.answer_page(reply.status, reply.page, headers)
    named = {"task_id": task_id} if reply.names_task and task_id else {}
    if reply.code:
        refusal = Refusal(reply.status, reply.code, reply.message, headers)
        exchange.refuse(refusal, **named)
    else:
        exchange.answer(reply.status, {"success": True, "trace_id": exchange.trace_id}, headers)


def _begin_outage(exchange: Exchange, note: partial[None], faults: frozenset[str]) -> None:
    kind = random.choice(OUTAGES)
    exchange.studio.control.change({"outage": kind})
    note(0 if kind == "refused" else int(kind), faults)
    answer_outage(exchange, kind)


def answer_outage(exchange: Exchange, kind: str) -> None:
    """Answer as a gateway whose provider is away, or cut the connection."""
    match kind:
        case "refused":
            exchange.cut()
        case "502":
            exchange.answer_page(502, "502 Bad Gateway")
        case _:
            seconds = math.ceil(exchange.studio.control.outage_seconds_left())
            exchange.answer_page(503, "503 Service Unavailable", {"Retry-After": str(seconds)})


def note_unanswered(exchange: Exchange, body: bytes, status: int) -> None:
    """Note a request that came during an outage; status 0 means that its connection is cut."""
    try:
        payload = json.loads(body)
        account = Account(bearer(exchange.headers.get("Authorization", "")))
    except (ValueError, RecursionError, Refusal):
        return
    request = payload if isinstance(payload, dict) else {}
    exchange.studio.ledger.receive(account.hash, request, exchange.trace_id, status, ())
