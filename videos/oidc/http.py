"""Requests to the OpenID provider: no redirects, no environment proxies, small answers, one deadline for each."""

import json
import ssl
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from lumaweb.deadline import SingleFlight, TimedOut

from .errors import Problem, SignInError

MAX_ANSWER_BYTES = 512 * 1024
TIMEOUT = httpx.Timeout(5.0, connect=3.0)
DEADLINE = 6.0  # seconds for a whole request


class Answer:
    """Status and JSON object of an answer."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status, self.document = status, document


def get_json(url: str, *, bearer: str = "") -> dict[str, Any]:
    """GET a JSON object. Raises SignInError."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    answer = _within_deadline("GET", url, headers=headers)
    if answer.status != 200:
        raise SignInError(Problem.WRONG_ANSWER, f"{url} answers {answer.status} instead of 200.")
    return answer.document


def post_form(url: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
    """POST a form; return its answer, whatever the status. Raises SignInError."""
    return _within_deadline("POST", url, headers=headers, data=fields)


def _within_deadline(method: str, url: str, **arguments: Any) -> Answer:
    try:
        # In a thread: no timeout of httpx covers the name resolution, or a server that sends byte by byte.
        return SingleFlight(lambda: _request(method, url, **arguments)).result(DEADLINE)
    except TimedOut:
        raise SignInError(Problem.UNREACHABLE, f"{_host(url)} does not answer within {DEADLINE:.0f} s.") from None


def _request(method: str, url: str, **arguments: Any) -> Answer:
    try:
        with (
            httpx.Client(verify=_tls(), trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream(method, url, **arguments) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise SignInError(Problem.WRONG_ANSWER, f"The answer of {url} is too long.")
            return Answer(response.status_code, _object(url, response.status_code, bytes(body)))
    except httpx.TimeoutException:
        raise SignInError(Problem.UNREACHABLE, f"{_host(url)} does not answer in time.") from None
    except (httpx.TransportError, OSError) as error:
        raise SignInError(Problem.UNREACHABLE, f"{_host(url)} cannot be reached: {_reason(error)}.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OverflowError) as error:
        raise SignInError(Problem.WRONG_ANSWER, f"{url} cannot be read: {type(error).__name__}.") from None


def _object(url: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SignInError(Problem.WRONG_ANSWER, f"{url} answers {status} without a JSON object.")
    return document


@cache
def _tls() -> ssl.SSLContext:
    # Honors SSL_CERT_FILE: a company's identity provider often has a certificate of the company's authority.
    return httpx.create_ssl_context(trust_env=True)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _reason(error: Exception) -> str:
    """Return the cause in the operating system's words, such as "Connection refused"."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
