"""The wire contract of AceDataCloud's Luma API, and the only module that knows it.

Frozen dataclasses go in and come out; every failure is one ProviderError. Nothing here knows Django.
"""

import asyncio
import json
import math
import re
import shlex
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from typing import Any, Never
from urllib.parse import urlsplit

import httpx

PUBLIC_BASE_URL = "https://api.acedata.cloud"
PLACEHOLDER = "YOUR_API_TOKEN"
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21")
BATCH_LIMIT = 50
# Seconds for all of one call whose answer comes at once, however slowly it drips.
POST_AT_MOST = 45.0

# Longer texts are cut; a longer id or link is dropped, because a cut one would name something else.
ID_LENGTH = 200
CODE_LENGTH = 100
MESSAGE_LENGTH = 2_000
PROMPT_LENGTH = 10_000
URL_LENGTH = 4_000
ASKED_URL_LENGTH = 2_000
SIZE_LIMIT = 100_000

MAX_DEPTH = 64
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_RETRY_AFTER = 24 * 60 * 60.0


class Status(StrEnum):
    """Where a task is, reduced to what a decision can rest on."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Whose(StrEnum):
    """Who can do something about a failure."""

    MEMBER = "member"
    ADMIN = "admin"
    NOBODY = "nobody"


class Sent(StrEnum):
    """Whether a paid request may have arrived.

    NEVER: no byte of it reached the provider. REFUSED: the provider said no; nothing runs, nothing is
    charged. MAYBE: it may run and may be charged, so it must not be repeated.
    """

    NEVER = "never"
    REFUSED = "refused"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Request:
    """What a member asks of the provider; timeout is in seconds, empty strings mean not given."""

    action: str = "generate"
    prompt: str = ""
    aspect_ratio: str = "16:9"
    start_image_url: str = ""
    end_image_url: str = ""
    enhancement: bool = True
    loop: bool = False
    timeout: int = 300
    video_id: str = ""
    video_url: str = ""
    callback_url: str = ""
    asynchronous: bool = False

    def payload(self) -> dict[str, Any]:
        """Build the JSON body of POST /luma/videos, with only the fields that apply to the action."""
        extends = self.action == "extend"
        fields: dict[str, Any] = {"action": self.action, "prompt": self.prompt}
        if not extends:
            fields["aspect_ratio"] = self.aspect_ratio
            fields["start_image_url"] = self.start_image_url
        elif self.aspect_ratio != "16:9":
            # An extension has the shape of its clip. 16:9 is what the provider assumes anyway, so it is never
            # spelled out: over a portrait clip it would be an order nobody gave.
            fields["aspect_ratio"] = self.aspect_ratio
        fields["end_image_url"] = self.end_image_url
        if extends:
            fields["video_id"] = self.video_id
            # The id wins when both are sent; sending one leaves no doubt which clip was meant.
            fields["video_url"] = "" if self.video_id else self.video_url
        fields["enhancement"] = self.enhancement
        fields["loop"] = self.loop
        fields["timeout"] = self.timeout
        fields["callback_url"] = self.callback_url
        payload = {name: value for name, value in fields.items() if value != ""}
        if self.asynchronous:
            payload["async"] = True
        return payload


@dataclass(frozen=True, slots=True)
class Result:
    """What the provider reports about one task, whichever way it came.

    Widths and heights are pixels; links are http(s) or empty; error_code is the provider's own word and
    may be empty on a failure. COMPLETED always has a video_url.
    """

    task_id: str
    status: Status = Status.RUNNING
    video_id: str = ""
    video_url: str = ""
    video_width: int | None = None
    video_height: int | None = None
    thumbnail_url: str = ""
    thumbnail_width: int | None = None
    thumbnail_height: int | None = None
    prompt: str = ""
    state: str = ""
    success: bool | None = None
    error_code: str = ""
    error_message: str = ""
    trace_id: str = ""
    # What a task says was asked for, its callback_url included: a secret, to be compared and never stored.
    request: Request | None = field(default=None, compare=False, repr=False)


class ProviderError(Exception):
    """A call that brought no result; says who must act and whether a paid request may have arrived.

        status  code                                     whose    sent
        -       not_sent         no connection was made  nobody   NEVER
        -       not_sent         unusable address/token  admin    NEVER
        -       no_answer        cut off, timed out      nobody   MAYBE
        2xx     unreadable       not what was promised   nobody   MAYBE
        301 307 308  redirected  the wrong address       admin    REFUSED
        3xx     redirected       any other               admin    MAYBE
        400     bad_request                              member   REFUSED
        400     token_mismatched                         admin    REFUSED
        400     api_not_implemented                      nobody   REFUSED
        401     invalid_token token_expired no_token     admin    REFUSED
        403     forbidden        moderation              member   REFUSED
        403     used_up          the balance             admin    REFUSED
        403     disabled                                 admin    REFUSED
        429     too_many_requests  see retry_after       nobody   REFUSED
        4xx     the provider's unknown word              member for 400 403 413 422, else admin; REFUSED
        4xx     http_<status>    a gateway's own page    admin    REFUSED
        408 409 499  whatever the word                   as above MAYBE
        500     api_error                                nobody   MAYBE
        504     timeout                                  nobody   MAYBE
        5xx     api_error        a gateway's own page    nobody   MAYBE

    status is None when there was no answer. retry_after is in seconds, None when the provider did not
    say. For the readers of /luma/tasks, which are free and repeatable, `sent` has no weight.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        trace_id: str = "",
        whose: Whose = Whose.NOBODY,
        sent: Sent = Sent.MAYBE,
        retry_after: float | None = None,
    ):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.trace_id = trace_id
        self.whose = whose
        self.sent = sent
        self.retry_after = retry_after


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
        result = _result(document)
        if not result.task_id and result.status is Status.RUNNING:
            raise _unreadable(response, "The provider's answer names no task.")
        return result

    async def task(self, task_id: str) -> Result | None:
        """Look one task up; None if the provider has none by this id; raise ProviderError."""
        response, body = await self._post("/luma/tasks", {"action": "retrieve", "id": task_id})
        if response.status_code == 404 and _is_absent(body):
            return None
        document = self._document(response, body, allow_empty=True)
        if not document:
            return None
        if not ({"id", "response", "finished_at"} & document.keys()):
            raise self._answered_error(response, document) or _unreadable(response, "This is not a task.")
        named = _identifier(document.get("id"))
        if named and named.lower() != task_id.strip().lower():
            raise _unreadable(response, "The provider answered about another task.")
        return _task(document, task_id)

    async def tasks(self, ids: Iterable[str]) -> dict[str, Result]:
        """Look up to 50 tasks up in one call; unknown ids are absent; raise ProviderError, ValueError."""
        wanted = {task_id.strip().lower(): task_id for task_id in ids}
        if len(wanted) > BATCH_LIMIT:
            raise ValueError(f"At most {BATCH_LIMIT} tasks can be looked up at once.")
        if not wanted:
            return {}
        response, body = await self._post("/luma/tasks", {"action": "retrieve_batch", "ids": list(wanted.values())})
        document = self._document(response, body)
        items = document.get("items")
        if not isinstance(items, list):
            if items is None and document.get("count") == 0:
                return {}
            raise self._answered_error(response, document) or _unreadable(response, "This is no list of tasks.")
        found = {}
        for item in items:
            if not isinstance(item, dict):
                continue
            task_id = wanted.get(_identifier(item.get("id")).lower())
            if task_id is not None:
                found[task_id] = _task(item, task_id)
        return found

    async def _post(
        self, path: str, payload: dict[str, Any], *, read_timeout: float | None = None
    ) -> tuple[httpx.Response, bytes | None]:
        if not re.fullmatch(r"[\x21-\x7e]+", self._token):
            # Such a token cannot stand in a header; finding out halfway would leave the outcome in doubt.
            raise ProviderError("not_sent", "The API token cannot be sent.", whose=Whose.ADMIN, sent=Sent.NEVER)
        timeout = _timeout(read_timeout)
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
                    body = await _read(response)
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
        document = _parsed(body)
        if not response.is_success:
            raise self._error(response, document)
        if allow_empty and (document is None and body is not None and body.strip() in (b"", b"null")):
            return {}
        if not isinstance(document, dict):
            raise _unreadable(response, "The provider's answer is not a JSON object.")
        return document

    def _answered_error(self, response: httpx.Response, document: dict[str, Any]) -> ProviderError | None:
        return self._error(response, document) if document.get("error") else None

    def _error(self, response: httpx.Response, document: Any) -> ProviderError:
        status = response.status_code
        fields = document if isinstance(document, dict) else {}
        code, message = _error_words(fields.get("error"))
        spoken = bool(code or message)
        code = code or _code_by_status(status, spoken)
        return ProviderError(
            code,
            (message or response.reason_phrase or f"HTTP {status}").replace(self._token, "…"),
            status=status,
            trace_id=_identifier(fields.get("trace_id")),
            whose=_whose(status, code, spoken),
            sent=_sent(status, code),
            retry_after=_retry_after(response.headers.get("retry-after", "")),
        )


def new_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Make a connection pool for one event loop; no environment proxies, no redirects."""
    return httpx.AsyncClient(
        transport=transport,
        verify=_tls(),
        trust_env=False,
        follow_redirects=False,
        timeout=_timeout(None),
        # An idle connection is let go before the usual server (5 s and more) does it: a POST written into a
        # connection just being closed would end in doubt for nothing.
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=4.0),
    )


def read_callback(body: bytes) -> Result:
    """Read a callback's body, strictly: anybody may have sent it; raise ValueError with a plain message.

    The body's length is the caller's to limit.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("The body is not UTF-8.") from error
    _check_depth(text)
    try:
        document = json.loads(text, parse_constant=_refuse_number, parse_float=_finite_float, parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        raise ValueError("The body is not JSON.") from error
    except RecursionError as error:
        raise ValueError("The body is nested too deeply.") from error
    if not isinstance(document, dict):
        raise ValueError("The body is not a JSON object.")
    _check_texts(document)
    return _result(document)


def examples(request: Request) -> dict[str, str]:
    """Write the request as code to copy: keys curl, python, javascript.

    Always the public address and a placeholder token. The callback's address is a secret and left out.
    """
    payload = replace(request, callback_url="").payload()
    url = f"{PUBLIC_BASE_URL}/luma/videos"
    headers = {
        "accept": "application/json",
        "authorization": f"Bearer {PLACEHOLDER}",
        "content-type": "application/json",
    }
    curl = [f"curl -X POST {shlex.quote(url)}"]
    curl += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    curl += [f"-d {shlex.quote(_json_for_people(payload))}"]
    python = (
        "import requests\n\n"
        f"url = {_python_literal(url)}\n"
        f"headers = {_python_dict(headers)}\n"
        f"payload = {_python_dict(payload)}\n\n"
        "response = requests.post(url, headers=headers, json=payload)\n"
        "print(response.json())\n"
    )
    javascript = (
        f"const payload = {_json_for_people(payload)};\n\n"
        f"const response = await fetch({_json_for_people(url)}, {{\n"
        '  method: "POST",\n'
        f"  headers: {_json_for_people(headers).replace(chr(10), chr(10) + '  ')},\n"
        "  body: JSON.stringify(payload),\n"
        "});\n"
        "console.log(await response.json());\n"
    )
    return {"curl": " \\\n  ".join(curl) + "\n", "python": python, "javascript": javascript}


# Reading results


def _result(document: dict[str, Any], *, task_id: str = "", finished: bool = False) -> Result:
    code, message = _error_words(document.get("error"))
    success = document.get("success")
    success = success if isinstance(success, bool) else None
    state = _text(document.get("state"), CODE_LENGTH)
    video_url = _link(document.get("video_url"))
    return Result(
        task_id=task_id or _identifier(document.get("task_id")),
        status=_status(
            failed_with_error=bool(code or message),
            success=success,
            state=state,
            video_url=video_url,
            finished=finished,
        ),
        video_id=_identifier(document.get("video_id")),
        video_url=video_url,
        video_width=_size(document.get("video_width")),
        video_height=_size(document.get("video_height")),
        thumbnail_url=_link(document.get("thumbnail_url")),
        thumbnail_width=_size(document.get("thumbnail_width")),
        thumbnail_height=_size(document.get("thumbnail_height")),
        prompt=_text(document.get("prompt"), PROMPT_LENGTH),
        state=state,
        success=success,
        error_code=code,
        error_message=message,
        trace_id=_identifier(document.get("trace_id")),
    )


def _status(*, failed_with_error: bool, success: bool | None, state: str, video_url: str, finished: bool) -> Status:
    """Decide what a result means; in doubt RUNNING, because a wrong FAILED would hide a paid video.

    A `completed` without a video is doubt: there is nothing to save yet, and the next look may bring it;
    whoever waits has a deadline of their own. A bare `success: false` is doubt too, until the task is
    marked as finished.
    """
    if state.lower() == "failed" or (failed_with_error and success is False):
        return Status.FAILED
    if video_url:
        return Status.COMPLETED
    if success is False and finished:
        return Status.FAILED
    if failed_with_error and success is None:
        return Status.FAILED
    return Status.RUNNING


def _task(document: dict[str, Any], task_id: str) -> Result:
    """Read one task of /luma/tasks; the id asked for stands, whatever the response inside repeats.

    `finished_at` with an empty response is RUNNING: the two may be written a moment apart, and nothing
    says that it failed.
    """
    response = document.get("response")
    result = _result(
        response if isinstance(response, dict) else {},
        task_id=task_id,
        finished=bool(document.get("finished_at")),
    )
    return replace(
        result,
        trace_id=result.trace_id or _identifier(document.get("trace_id")),
        request=_asked(document.get("request")),
    )


def _asked(echo: Any) -> Request | None:
    """Read the request a task repeats; what the contract does not have is taken as not given."""
    if not isinstance(echo, dict):
        return None
    given = Request()
    action, ratio, timeout = echo.get("action"), echo.get("aspect_ratio"), _size(echo.get("timeout"))
    return Request(
        action="extend" if action == "extend" else given.action,
        prompt=_text(echo.get("prompt"), PROMPT_LENGTH),
        aspect_ratio=ratio if ratio in ASPECT_RATIOS else given.aspect_ratio,
        start_image_url=_link(echo.get("start_image_url"), ASKED_URL_LENGTH),
        end_image_url=_link(echo.get("end_image_url"), ASKED_URL_LENGTH),
        enhancement=echo.get("enhancement") is not False,
        loop=echo.get("loop") is True,
        timeout=timeout or given.timeout,
        video_id=_identifier(echo.get("video_id")),
        video_url=_link(echo.get("video_url"), ASKED_URL_LENGTH),
        callback_url=_link(echo.get("callback_url")),
    )


def _error_words(error: Any) -> tuple[str, str]:
    """Return code and message of an `error` that is an object, a bare string, or something else."""
    if isinstance(error, dict):
        code, message = _text(error.get("code"), CODE_LENGTH), _text(error.get("message"), MESSAGE_LENGTH)
        return code, message or ("" if code or not error else "The provider gave no reason.")
    if isinstance(error, str):
        word = _text(error, MESSAGE_LENGTH)
        return (word, "") if word in _WHOSE_BY_CODE else ("", word)
    return ("", "The provider gave no reason.") if error else ("", "")


# Characters that no database keeps and no page shows: controls but tab and newlines, and lone surrogates.
_UNKEPT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LONE = re.compile(r"[\ud800-\udfff]")


def _text(value: Any, length: int) -> str:
    return _UNKEPT.sub("", value).strip()[:length].rstrip() if isinstance(value, str) else ""


def _identifier(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20:
        value = str(value)
    identifier = _text(value, ID_LENGTH + 1)
    return identifier if len(identifier) <= ID_LENGTH else ""


def _link(value: Any, length: int = URL_LENGTH) -> str:
    link = _text(value, length + 1).replace(" ", "%20")
    if not link or len(link) > length or re.search(r"\s", link):
        return ""
    try:
        parts = urlsplit(link)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return link if usable else ""


def _size(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The order matters: NaN fails the comparison, and a number within it is safe to round.
    return (round(value) or None) if 0 < value <= SIZE_LIMIT else None


# Reading JSON


def _parsed(body: bytes | None) -> Any:
    """Parse the provider's own answer, liberally; None if it is no JSON at all."""
    if body is None:
        return None
    try:
        text = body.decode("utf-8-sig", errors="replace")
        _check_depth(text)
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 400 else math.inf)
    except (ValueError, RecursionError):
        return None


_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def _check_depth(text: str) -> None:
    """Refuse absurd nesting before the parser meets it, since that recurses; raise ValueError."""
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError("The body is nested too deeply.")


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value or _LONE.search(value):
            raise ValueError("The body holds characters that are not text.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_texts(name)
            _check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)


def _refuse_number(_: str) -> Never:
    raise ValueError("The body holds a number that is none.")


def _finite_float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


def _bounded_int(digits: str) -> int:
    return int(digits) if len(digits) <= 400 else _refuse_number(digits)


# Reading failures

_WHOSE_BY_CODE = {
    "bad_request": Whose.MEMBER,
    "token_mismatched": Whose.ADMIN,
    "api_not_implemented": Whose.NOBODY,
    "invalid_token": Whose.ADMIN,
    "token_expired": Whose.ADMIN,
    "no_token": Whose.ADMIN,
    "forbidden": Whose.MEMBER,
    "used_up": Whose.ADMIN,
    "disabled": Whose.ADMIN,
    "too_many_requests": Whose.NOBODY,
    "api_error": Whose.NOBODY,
    "timeout": Whose.NOBODY,
}
_CODE_BY_STATUS = {
    400: "bad_request",
    401: "invalid_token",
    402: "used_up",
    403: "forbidden",
    422: "bad_request",
    504: "timeout",
}


def _code_by_status(status: int, spoken: bool) -> str:
    """Name a failure that came without a code; `spoken` tells the provider's words from a gateway's page."""
    if status == 429:
        return "too_many_requests"
    if spoken and status in _CODE_BY_STATUS:
        return _CODE_BY_STATUS[status]
    if status >= 500:
        return "api_error"
    if 300 <= status < 400:
        return "redirected"
    # A gateway's 403 must not be told to a member as moderation, so it gets no word of the provider's.
    return f"http_{status}" if status >= 400 else "api_error"


def _whose(status: int, code: str, spoken: bool) -> Whose:
    if code in _WHOSE_BY_CODE:
        return _WHOSE_BY_CODE[code]
    if status == 429 or status >= 500 or status < 300:
        return Whose.NOBODY
    return Whose.MEMBER if spoken and status in (400, 403, 413, 422) else Whose.ADMIN


def _sent(status: int, code: str) -> Sent:
    if status < 300 or status >= 500 or code in ("api_error", "timeout"):
        return Sent.MAYBE
    if status < 400:
        # "The same request belongs elsewhere" was not carried out; 302 and 303 may follow upon one that was.
        return Sent.REFUSED if status in (301, 307, 308) else Sent.MAYBE
    # Timed out, conflicting, given up by us: none of these says that nothing was started.
    return Sent.MAYBE if status in (408, 409, 499) else Sent.REFUSED


def _retry_after(header: str) -> float | None:
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", header):
        return min(float(header), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (TypeError, ValueError, OverflowError):
        return None


def _unreadable(response: httpx.Response, message: str) -> ProviderError:
    return ProviderError("unreadable", message, status=response.status_code, sent=Sent.MAYBE)


def _is_absent(body: bytes | None) -> bool:
    """Tell the provider's own "no such task" from a gateway's 404, which says nothing about the task."""
    if body is None:
        return False
    document = _parsed(body)
    if isinstance(document, dict):
        return _error_words(document.get("error"))[0] != "api_not_implemented"
    return body.strip() in (b"", b"null", b"[]")


# The wire


@cache
def _tls() -> ssl.SSLContext:
    """Make the process's one TLS context: each costs 30-55 ms."""
    return httpx.create_ssl_context(trust_env=False)


def _timeout(read: float | None) -> httpx.Timeout:
    return httpx.Timeout(connect=10.0, read=30.0 if read is None else read, write=30.0, pool=30.0)


async def _read(response: httpx.Response) -> bytes | None:
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


# Writing examples


def _json_for_people(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # A lone surrogate cannot leave this process as it is.
    return json.dumps(value, indent=2) if _LONE.search(text) else text


def _python_literal(value: Any) -> str:
    if isinstance(value, str) and value.isprintable():
        # Of a printable text JSON escapes only quote and backslash, as Python does.
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _python_dict(fields: dict[str, Any]) -> str:
    lines = (f"    {_python_literal(name)}: {_python_literal(value)},\n" for name, value in fields.items())
    return "{\n" + "".join(lines) + "}"
