"""The calls: one connection pool, one token, one answer or one ProviderError each."""

import asyncio
import json
import re
import ssl
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import httpx

from .errors import NO_TASK, ProviderError, code_by_status, known_code, retry_after, sent_by, whose_matter
from .listing import TaskPage, listing_payload, read_page
from .parsing import error_words, read_result, read_task, task_ids_of
from .types import BATCH_LIMIT, CODE_LENGTH, MESSAGE_LENGTH, Request, Result, Sent, Status, Whose
from .values import clean_text, identifier, parse_json

# Seconds for all of one call whose answer comes at once, however slowly it drips.
POST_AT_MOST = 45.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class LumaClient:
    """Talk to one provider with one token, over a connection pool that others may share."""

    def __init__(self, base_url: str, token: str, *, client: httpx.AsyncClient):
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._client = client

    def __repr__(self) -> str:
        return f"<LumaClient {self.base_url}>"

    async def submit(self, request: Request, *, read_timeout: float | None = None) -> Result:
        """Send one paid request, once; raise ProviderError.

        With a callback or asynchronous the answer names the task at once. The synchronous way answers with
        the whole result after minutes: give it a read_timeout, in seconds.
        """
        response, body = await self._post("/luma/videos", request.payload(), read_timeout=read_timeout)
        document = self._document(response, body)
        result = read_result(document)
        if not result.task_id:
            result = replace(result, task_id=next(task_ids_of(document | {"id": None}), ""))
        if not result.task_id and result.status is not Status.COMPLETED:
            # Without a task even the provider's own "failed" leaves doubt: it answered with success.
            raise self._answered_error(response, document) or _unreadable(
                response, "The provider's answer names no task."
            )
        return result

    async def task(self, task_id: str) -> Result | None:
        """Look one task up; None if the provider has none by this id; raise ProviderError."""
        response, body = await self._post("/luma/tasks", {"action": "retrieve", "id": task_id})
        if response.status_code == 404 and _is_absent(body):
            return None
        document = self._document(response, body, allow_empty=True)
        if not document:
            return None
        if not ({"id", "task_id", "response", "finished_at"} & document.keys()):
            raise self._answered_error(response, document) or _unreadable(response, "This is not a task.")
        named = [name.lower() for name in task_ids_of(document)]
        if named and task_id.strip().lower() not in named:
            raise _unreadable(response, "The provider answered about another task.")
        return read_task(document, task_id)

    async def tasks(self, ids: Iterable[str]) -> dict[str, Result]:
        """Look up to 50 tasks up in one call; unknown ids are absent; raise ProviderError, ValueError.

        An answer that cannot be read, or a refusal that may be about one of the ids, is asked for again in halves, so
        that one bad task does not hide the others. What stays unreadable then is absent.
        """
        wanted = {task_id.strip().lower(): task_id for task_id in ids}
        if len(wanted) > BATCH_LIMIT:
            raise ValueError(f"At most {BATCH_LIMIT} tasks can be looked up at once.")
        if not wanted:
            return {}
        found: dict[str, Result] = {}
        failed: ProviderError | None = None
        pending, calls, answered = [list(wanted.values())], 0, False
        while pending:
            batch, calls = pending.pop(0), calls + 1
            try:
                found |= await self._batch(batch, wanted)
                answered = True
            except ProviderError as error:
                failed = failed or error
                if not _may_be_one_task(error) or (not answered and calls >= 7) or calls >= BATCH_LIMIT:
                    break
                if len(batch) > 1:
                    half = len(batch) // 2
                    pending += [batch[:half], batch[half:]]
        if failed and not answered:
            raise failed
        return found

    async def _batch(self, ids: list[str], wanted: dict[str, str]) -> dict[str, Result]:
        response, body = await self._post("/luma/tasks", {"action": "retrieve_batch", "ids": ids})
        found = {}
        for item in self._items(response, body):
            task_id = next((wanted[name.lower()] for name in task_ids_of(item) if name.lower() in wanted), None)
            if task_id is not None:
                found[task_id] = read_task(item, task_id)
        return found

    async def list_tasks(
        self, offset: int = 0, *, since: datetime | None = None, until: datetime | None = None
    ) -> TaskPage:
        """Read one page of the account's tasks, newest first, created between `since` and `until`; raise ProviderError.

        A provider may ignore the bounds, the offset and the size of a page; `has_no_listing` tells one without any.
        """
        response, body = await self._post("/luma/tasks", listing_payload(offset, since, until))
        return read_page(self._items(response, body))

    def _items(self, response: httpx.Response, body: bytes | None) -> list[Any]:
        document = self._document(response, body)
        items = document.get("items")
        if isinstance(items, list):
            return items
        if items is None and document.get("count") == 0:
            return []
        raise self._answered_error(response, document) or _unreadable(response, "This is no list of tasks.")

    async def _post(
        self, path: str, payload: dict[str, Any], *, read_timeout: float | None = None
    ) -> tuple[httpx.Response, bytes | None]:
        if not re.fullmatch(r"[\x21-\x7e]+", self._token):
            # Such a token cannot stand in a header; finding out halfway would leave the outcome in doubt.
            raise ProviderError("not_sent", "The API token cannot be sent.", whose=Whose.ADMIN, sent=Sent.NEVER)
        timeout = timeouts(read_timeout)
        try:
            request = self._client.build_request(
                "POST",
                self.base_url + path,
                content=json.dumps(payload, allow_nan=False).encode("ascii"),
                headers={
                    "accept": "application/json",
                    "content-type": "application/json",
                    "authorization": f"Bearer {self._token}",
                },
                timeout=timeout,
            )
            if request.url.port is not None and not 1 <= request.url.port <= 65535:
                # httpx lets it pass, and the socket would answer with an OverflowError.
                raise httpx.InvalidURL("no such port")
        except (httpx.InvalidURL, ValueError) as error:
            raise ProviderError(
                "not_sent", "The provider's address is not usable.", whose=Whose.ADMIN, sent=Sent.NEVER
            ) from error
        try:
            # httpx's limits are per read; a server that drips one byte at a time would hold us for ever.
            async with asyncio.timeout(POST_AT_MOST if read_timeout is None else read_timeout + POST_AT_MOST):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                try:
                    body = await read_body(response)
                finally:
                    await response.aclose()
        except httpx.UnsupportedProtocol as error:
            raise ProviderError(
                "not_sent", "The provider's address is not usable.", whose=Whose.ADMIN, sent=Sent.NEVER
            ) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderError(
                "not_sent", "The provider could not be reached.", whose=Whose.NOBODY, sent=Sent.NEVER
            ) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            # OSError covers asyncio's TimeoutError and whatever a socket raises past httpx's mapping.
            raise ProviderError(
                "no_answer", "The connection ended before the provider answered.", sent=Sent.MAYBE
            ) from error
        return response, body

    def _document(self, response: httpx.Response, body: bytes | None, *, allow_empty: bool = False) -> dict[str, Any]:
        """Return the JSON object of a 2xx answer; raise ProviderError for everything else."""
        document = parse_json(body)
        if not response.is_success:
            raise self._error(response, document, body)
        if allow_empty and (document is None and body is not None and body.strip() in (b"", b"null")):
            return {}
        if not isinstance(document, dict):
            raise _unreadable(response, "The provider's answer is not a JSON object.")
        return document

    def _answered_error(self, response: httpx.Response, document: dict[str, Any]) -> ProviderError | None:
        return self._error(response, document, b"") if document.get("error") else None

    def _error(self, response: httpx.Response, document: Any, body: bytes | None) -> ProviderError:
        status = response.status_code
        fields = document if isinstance(document, dict) else {}
        code, message = error_words(fields.get("error"))
        if not code and not message:
            # Not the contract's form; its words help an admin all the same.
            code = known_code(clean_text(fields.get("code"), CODE_LENGTH))
            message = clean_text(fields.get("message") or fields.get("detail"), MESSAGE_LENGTH)
        page = not isinstance(document, dict) and bool(body is None or body.strip())
        if not code or 300 <= status < 400:
            code = code_by_status(status, page=page, spoken=bool(message))
        return ProviderError(
            code,
            (message or response.reason_phrase or f"HTTP {status}").replace(self._token, "…"),
            status=status,
            trace_id=identifier(fields.get("trace_id")),
            whose=whose_matter(status, code),
            sent=sent_by(status, code),
            retry_after=retry_after(response.headers.get("retry-after", "")),
            task_id=next(task_ids_of(fields | {"id": None}), ""),
        )


def new_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Make a connection pool for one event loop; no environment proxies, no redirects."""
    return httpx.AsyncClient(
        transport=transport,
        verify=_tls(),
        trust_env=False,
        follow_redirects=False,
        timeout=timeouts(None),
        # An idle connection is let go before the usual server (5 s and more) does it: a POST written into a
        # connection just being closed would end in doubt for nothing.
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=4.0),
    )


def _unreadable(response: httpx.Response, message: str) -> ProviderError:
    return ProviderError("unreadable", message, status=response.status_code, sent=Sent.MAYBE)


def _is_absent(body: bytes | None) -> bool:
    """Tell the provider's own "no such task" from the 404 of a wrong address or a gateway."""
    if body is None:
        return False
    document = parse_json(body)
    if isinstance(document, dict):
        return not document or error_words(document.get("error"))[0] in NO_TASK
    return body.strip() in (b"", b"null", b"[]")


def _may_be_one_task(error: ProviderError) -> bool:
    """Whether a batch may have failed for one of its tasks, and the others could be read without it."""
    return error.code == "unreadable" or error.status in (400, 413, 422)


@cache
def _tls() -> ssl.SSLContext:
    """Make the process's one TLS context: each costs 30-55 ms."""
    return httpx.create_ssl_context(trust_env=False)


def timeouts(read: float | None) -> httpx.Timeout:
    """Set the limits in seconds of each step of a call."""
    return httpx.Timeout(connect=10.0, read=30.0 if read is None else read, write=30.0, pool=30.0)


async def read_body(response: httpx.Response) -> bytes | None:
    """Read an answer to its end; None for one that cannot be decoded or is absurdly long."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                return None
    except httpx.DecodingError:
        return None
    return bytes(body)
