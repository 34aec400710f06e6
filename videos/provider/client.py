"""The calls of the API. Each returns one result or raises one ProviderError."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx

from . import http
from .errors import TASK_ABSENT, ProviderError, code_by_status, known_code, retry_after, sent_by
from .listing import TaskPage, listing_payload, read_page
from .parsing import read_error, read_result, read_task, task_ids_of
from .types import BATCH_LIMIT, CODE_LENGTH, MESSAGE_LENGTH, Request, Result, Sent, Status
from .values import clean_text, parse_id, parse_json

CALL_SECONDS = 45.0  # for a whole call, in addition to its read timeout if it has one
MAX_SPLIT_CALLS = 7  # for a batch of which no part was answered yet


class LumaClient:
    """Call one provider with one token, over a connection pool that others may share."""

    def __init__(self, base_url: str, token: str, *, client: httpx.AsyncClient) -> None:
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._client = client

    def __repr__(self) -> str:
        return f"<LumaClient {self.base_url}>"

    async def submit(self, request: Request, *, read_timeout: float | None = None) -> Result:
        """Send one paid request, once; raise ProviderError.

        With a callback or `asynchronous` the answer names the task at once. Without, it brings the whole result after
        minutes, and needs a read_timeout in seconds.
        """
        response, body = await self._post("/luma/videos", request.payload(), read_timeout=read_timeout)
        document = self._document(response, body)
        result = read_result(document)
        if not result.task_id:
            result = replace(result, task_id=next(task_ids_of(document | {"id": None}), ""))
        if not result.task_id and result.status is not Status.COMPLETED:
            # The status is 2xx, so even "failed" does not prove that no task was started.
            raise self._answered_error(response, document) or _unreadable(
                response, "The provider's answer names no task."
            )
        return result

    async def task(self, task_id: str) -> Result | None:
        """Look up one task; return None if the provider has none with this id; raise ProviderError."""
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
        """Look up at most BATCH_LIMIT tasks; return the results by id, without unknown tasks.

        A batch whose answer cannot be read, or that is refused because of one of its ids, is halved and sent again, so
        that one bad task does not hide the others; tasks that stay unreadable are absent. Raises ProviderError if no
        part was answered, and ValueError for too many ids.
        """
        wanted = {task_id.strip().lower(): task_id for task_id in ids}
        if len(wanted) > BATCH_LIMIT:
            raise ValueError(f"At most {BATCH_LIMIT} tasks can be looked up at once.")
        if not wanted:
            return {}
        found: dict[str, Result] = {}
        first_error: ProviderError | None = None
        pending, calls, answered = [list(wanted.values())], 0, False
        while pending:
            batch, calls = pending.pop(0), calls + 1
            try:
                found |= await self._batch(batch, wanted)
                answered = True
            except ProviderError as error:
                first_error = first_error or error
                out_of_calls = calls >= (BATCH_LIMIT if answered else MAX_SPLIT_CALLS)
                if out_of_calls or not _may_concern_one_task(error):
                    break
                if len(batch) > 1:
                    half = len(batch) // 2
                    pending += [batch[:half], batch[half:]]
        if first_error and not answered:
            raise first_error
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

        A provider may ignore the bounds, the offset and the page size; see `has_no_listing` for one that has none.
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
        seconds = CALL_SECONDS if read_timeout is None else read_timeout + CALL_SECONDS
        try:
            return await http.post(
                self._client,
                self.base_url + path,
                self._token,
                seconds=seconds,
                read_timeout=http.READ_SECONDS if read_timeout is None else read_timeout,
                json=payload,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ProviderError("not_sent", http.connection_problem(error), sent=Sent.NEVER) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            # OSError includes asyncio's TimeoutError and socket errors that httpx does not translate.
            raise ProviderError(
                "no_answer", "The connection ended before the provider answered.", sent=Sent.MAYBE
            ) from error

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

    def _error(self, response: httpx.Response, document: object, body: bytes | None) -> ProviderError:
        status = response.status_code
        fields = document if isinstance(document, dict) else {}
        code, message = read_error(fields.get("error"))
        if not code and not message:
            # Not the contract's form, but the message still helps an admin.
            code = known_code(clean_text(fields.get("code"), CODE_LENGTH))
            message = clean_text(fields.get("message") or fields.get("detail"), MESSAGE_LENGTH)
        is_page = not isinstance(document, dict) and bool(body is None or body.strip())
        if not code or 300 <= status < 400:
            code = code_by_status(status, is_page=is_page, has_message=bool(message))
        return ProviderError(
            code,
            (message or response.reason_phrase or f"HTTP {status}").replace(self._token, "…"),
            status=status,
            trace_id=parse_id(fields.get("trace_id")),
            sent=sent_by(status, code),
            retry_after=retry_after(response.headers.get("retry-after", "")),
            task_id=next(task_ids_of(fields | {"id": None}), ""),
        )


def _unreadable(response: httpx.Response, message: str) -> ProviderError:
    return ProviderError("unreadable", message, status=response.status_code, sent=Sent.MAYBE)


def _is_absent(body: bytes | None) -> bool:
    """Tell the provider's own "no such task" from the 404 of a wrong address or a gateway."""
    if body is None:
        return False
    document = parse_json(body)
    if isinstance(document, dict):
        return not document or read_error(document.get("error"))[0] in TASK_ABSENT
    return body.strip() in (b"", b"null", b"[]")


def _may_concern_one_task(error: ProviderError) -> bool:
    """Tell whether a batch may have failed because of one of its tasks."""
    return error.code == "unreadable" or error.status in (400, 413, 422)
