"""Errors of the API and of the files it is given."""

from typing import Any


class ApiError(Exception):
    """An error response: HTTP status, one of the contract's codes, and a message."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def body(self, trace_id: str) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}, "trace_id": trace_id}


class InvalidFile(Exception):
    """A linked or uploaded file that cannot be used; the message becomes part of an API error."""


def bad_request(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)


def too_many_requests() -> ApiError:
    return ApiError(429, "too_many_requests", "too many requests, try again later", {"Retry-After": "2"})
