"""Build and send the requests to the provider: one connection pool, one set of limits, the API token in a header."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from functools import cache
from json import dumps
from typing import Any

import httpx

from .errors import ProviderError
from .types import Sent

HttpClient = httpx.AsyncClient

MAX_ANSWER_BYTES = 8 * 1024 * 1024
READ_SECONDS = 30.0


def new_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Make a connection pool for one event loop, without environment proxies and redirects."""
    return httpx.AsyncClient(
        transport=transport,
        verify=_tls(),
        trust_env=False,
        follow_redirects=False,
        timeout=_timeouts(READ_SECONDS),
        # Close idle connections before usual servers do (after 5 s or more): the outcome of a POST that is written to a
        # connection just being closed is unknown.
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=4.0),
    )


@cache
def _tls() -> ssl.SSLContext:
    # One for the process: each takes 30-55 ms to make.
    return httpx.create_ssl_context(trust_env=False)


async def post(
    client: httpx.AsyncClient,
    url: str,
    token: str,
    *,
    seconds: float,
    read_timeout: float = READ_SECONDS,
    json: dict[str, Any] | None = None,
    files: dict[str, Any] | None = None,
) -> tuple[httpx.Response, bytes | None]:
    """POST JSON or files once; return the response and its body, None for one that cannot be decoded or is too long.

    `seconds` limits the whole call. Raises ProviderError `not_sent` if the token or the address cannot be used, and
    what httpx and sockets raise.
    """
    request = _build(client, "POST", url, token, read_timeout, json=json, files=files)
    return await _send(client, request, seconds)


async def get(
    client: httpx.AsyncClient, url: str, token: str, *, params: dict[str, str | int], seconds: float
) -> tuple[httpx.Response, bytes | None]:
    """GET once, as `post` does."""
    return await _send(client, _build(client, "GET", url, token, READ_SECONDS, params=params), seconds)


def _build(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    token: str,
    read_timeout: float,
    *,
    params: dict[str, str | int] | None = None,
    json: dict[str, Any] | None = None,
    files: dict[str, Any] | None = None,
) -> httpx.Request:
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        # Such a token is no header value; an error while sending would leave the outcome unknown.
        raise ProviderError("not_sent", "The API token cannot be sent.", sent=Sent.NEVER)
    headers = {"accept": "application/json", "authorization": f"Bearer {token}"}
    if json is not None:
        headers["content-type"] = "application/json"
    try:
        # Not by httpx, which does not escape lone surrogates.
        content = None if json is None else dumps(json, allow_nan=False).encode("ascii")
        request = client.build_request(
            method,
            url,
            params=params,
            headers=headers,
            timeout=_timeouts(read_timeout),
            content=content,
            files=files,
        )
        if request.url.port is not None and not 1 <= request.url.port <= 65535:
            # httpx accepts it, and the socket would raise OverflowError.
            raise httpx.InvalidURL("no such port")
    except (httpx.InvalidURL, ValueError) as error:
        raise _unusable_address() from error
    return request


async def _send(
    client: httpx.AsyncClient, request: httpx.Request, seconds: float
) -> tuple[httpx.Response, bytes | None]:
    try:
        # httpx limits each read only: a server that sends one byte at a time could hold the call forever.
        async with asyncio.timeout(seconds):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return response, await _read_body(response)
            finally:
                await response.aclose()
    except httpx.UnsupportedProtocol as error:
        raise _unusable_address() from error


async def _read_body(response: httpx.Response) -> bytes | None:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                return None
    except httpx.DecodingError:
        return None
    return bytes(body)


def connection_problem(error: BaseException) -> str:
    """Say in a sentence why no connection was made, from the first known cause of an exception of `post`."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The provider's certificate is not valid: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "The provider's address does not speak TLS."
        if isinstance(cause, socket.gaierror):
            return "The name in the provider's address cannot be resolved."
        if isinstance(cause, ConnectionRefusedError):
            return "Nothing listens at the provider's address."
        if isinstance(cause, TimeoutError | httpx.ConnectTimeout):
            return "The provider's address did not answer."
    return "The provider could not be reached."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an exception and its causes; a name with several IP addresses has a cause for each."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__ or error.__context__


def _timeouts(read: float) -> httpx.Timeout:
    return httpx.Timeout(connect=10.0, read=read, write=30.0, pool=30.0)


def _unusable_address() -> ProviderError:
    return ProviderError("not_sent", "The provider's address is not usable.", sent=Sent.NEVER)
