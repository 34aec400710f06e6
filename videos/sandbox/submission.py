"""POST /luma/videos: accept a request or refuse it, and answer in one of the contract's three ways."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from .accounts import Account
from .exchange import Exchange
from .faults import UNACCEPTED_GATEWAY
from .ledger import Task
from .wire import Refusal, Wish, read_wish, too_many_requests

LONGEST_HANG = 900.0
EARLY_PATIENCE = 25.0
GATEWAY = "502 Bad Gateway"


def submit(exchange: Exchange, payload: dict[str, Any], account: Account) -> None:
    """Answer one request for a video; Refusal, noted in the ledger, when nothing is accepted."""
    studio, token_hash = exchange.studio, account.hash
    try:
        if account.is_used_up:
            raise Refusal(403, "used_up", "the balance of this token is used up")
        wish = read_wish(payload)
        faults = studio.draw_faults(wish.prompt)
        if "refuse" in faults:
            raise Refusal(403, "forbidden", "the prompt was refused by moderation")
        if "limit" in faults:
            raise too_many_requests()
        if UNACCEPTED_GATEWAY in faults:
            studio.ledger.answered(studio.ledger.receive(token_hash, payload, exchange.trace_id), 502)
            return exchange.answer_page(502, GATEWAY)
        task = studio.plan(wish, payload, token_hash, exchange.trace_id, faults)
    except Refusal as refusal:
        studio.ledger.answered(studio.ledger.receive(token_hash, payload, exchange.trace_id), refusal.status)
        raise
    post = studio.ledger.accept(token_hash, payload, exchange.trace_id, task)
    finished, delivered = studio.begin(task)
    if "early" in faults and wish.callback_url:
        exchange.wait(delivered, EARLY_PATIENCE)
    time.sleep(max(0.0, task.created_at + studio.options.accept_seconds - time.time()))
    answered = partial(studio.ledger.answered, post)
    if exchange.client_is_gone():
        answered(0)  # else the ledger would name an answer that nobody can have received
        exchange.close_connection = True
    elif not _spoil(exchange, faults, answered):
        if not wish.answers_at_once:
            exchange.wait(finished, wish.timeout)
        _answer(exchange, task, wish, answered)


def _spoil(exchange: Exchange, faults: frozenset[str], answered: Callable[[int], None]) -> bool:
    """Lose or replace the answer to an accepted request; False when none of the faults does."""
    if "hang" in faults:
        answered(0)
        exchange.wait(None, LONGEST_HANG)
        exchange.close_connection = True
    elif "drop" in faults:
        answered(0)
        exchange.cut()
    elif "error" in faults:
        answered(500)
        exchange.refuse(Refusal(500, "api_error", "the provider failed"))
    elif "gateway" in faults:
        answered(502)
        exchange.answer_page(502, GATEWAY)
    else:
        return False
    return True


def _answer(exchange: Exchange, task: Task, wish: Wish, answered: Callable[[int], None]) -> None:
    """Answer with the task id alone, or with the whole result where the client waited for it and it is there."""
    current = exchange.studio.ledger.task(task.id)
    result = exchange.studio.result(current) if current and not wish.answers_at_once else None
    if result is None:
        answered(200)
        # Both forms are seen at the provider.
        exchange.answer(200, {"success": True, "task_id": task.id} if wish.is_async else {"task_id": task.id})
        return
    code = "" if result["success"] else result["error"]["code"]
    status = {"": 200, "bad_request": 400}.get(code, 500)
    answered(status)
    exchange.answer(status, result)
