"""The contract as a provider sees it: what a request must look like, and what an error looks like."""

import json
from dataclasses import dataclass
from typing import Any, Never
from urllib.parse import urlsplit

RATIOS = {
    "16:9": (1360, 752),
    "9:16": (752, 1360),
    "1:1": (1024, 1024),
    "4:3": (1168, 880),
    "3:4": (880, 1168),
    "21:9": (1552, 656),
    "9:21": (656, 1552),
}
LONGEST_TIMEOUT = 86400


class ApiError(Exception):
    """A request that is answered with an error: HTTP status, the contract's code, a sentence."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def body(self, trace_id: str) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}, "trace_id": trace_id}


def bad_request(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)


def too_many_requests() -> ApiError:
    return ApiError(429, "too_many_requests", "too many requests, try again later", {"Retry-After": "2"})


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One valid request for a video; a ratio of None was not asked for, timeout is in seconds."""

    action: str
    prompt: str
    aspect_ratio: str | None
    start_image_url: str
    end_image_url: str
    loop: bool
    timeout: float
    video_id: str
    video_url: str
    callback_url: str
    callback_secret: str
    is_async: bool

    @property
    def answers_at_once(self) -> bool:
        return self.is_async or bool(self.callback_url)


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read a request's body; ApiError when it is anything but one JSON object."""
    try:
        payload = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request("the body is not valid JSON") from error
    if not isinstance(payload, dict):
        raise bad_request("the body must be a JSON object")
    return payload


def parse_video_request(payload: dict[str, Any]) -> VideoRequest:
    """Check every parameter of POST /luma/videos; unknown ones are ignored, null counts as not sent."""
    sent = {name: value for name, value in payload.items() if value is not None}
    action = _text(sent, "action") or "generate"
    if action not in ("generate", "extend"):
        raise ApiError(400, "api_not_implemented", f"action {action!r} is not implemented: generate or extend")
    if not (prompt := _text(sent, "prompt").strip()):
        raise bad_request("prompt is required")
    ratio = _text(sent, "aspect_ratio") or None
    if ratio is not None and ratio not in RATIOS:
        raise bad_request(f"aspect_ratio must be one of {', '.join(RATIOS)}")
    _flag(sent, "enhancement", default=True)  # checked, and without effect: there is nothing here to enhance with
    request = VideoRequest(
        action=action,
        prompt=prompt,
        aspect_ratio=ratio,
        start_image_url=_link(sent, "start_image_url"),
        end_image_url=_link(sent, "end_image_url"),
        loop=_flag(sent, "loop", default=False),
        timeout=_seconds(sent, "timeout", default=300),
        video_id=_text(sent, "video_id"),
        video_url=_link(sent, "video_url"),
        callback_url=_link(sent, "callback_url"),
        callback_secret=_text(sent, "callback_secret"),
        is_async=_flag(sent, "async", default=False),
    )
    if action == "extend" and not (request.video_id or request.video_url):
        raise bad_request("video_id or video_url is required to extend")
    return request


def _text(sent: dict[str, Any], name: str) -> str:
    value = sent.get(name, "")
    if not isinstance(value, str):
        raise bad_request(f"{name} must be a string")
    if any("\ud800" <= mark <= "\udfff" for mark in value):
        raise bad_request(f"{name} contains half of a surrogate pair")
    return value


def _flag(sent: dict[str, Any], name: str, *, default: bool) -> bool:
    value = sent.get(name, default)
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false")
    return value


def _seconds(sent: dict[str, Any], name: str, *, default: float) -> float:
    value = sent.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request(f"{name} must be a number of seconds")
    if not 0 < value <= LONGEST_TIMEOUT:
        raise bad_request(f"{name} must be above 0 and at most {LONGEST_TIMEOUT} seconds")
    return float(value)


def _link(sent: dict[str, Any], name: str) -> str:
    if not (value := _text(sent, name)):
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(mark <= " " or mark > "~" for mark in value):
        raise bad_request(f"{name} must be an http or https URL")
    return value


def _no_constant(word: str) -> Never:
    raise ValueError(f"{word} is not JSON")
