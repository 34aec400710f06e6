"""The body of POST /luma/videos: parsing and validation."""

import json
from dataclasses import dataclass
from typing import Any, Never
from urllib.parse import urlsplit

from .errors import ApiError, bad_request

RATIOS = {
    "16:9": (1360, 752),
    "9:16": (752, 1360),
    "1:1": (1024, 1024),
    "4:3": (1168, 880),
    "3:4": (880, 1168),
    "21:9": (1552, 656),
    "9:21": (656, 1552),
}
MAX_TIMEOUT = 86400  # seconds

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One valid request; aspect_ratio is None if it was not sent, timeout is in seconds."""

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
    def is_answered_at_once(self) -> bool:
        return self.is_async or bool(self.callback_url)


def parse_json_object(body: bytes) -> Payload:
    """Parse a request's body; raise ApiError if it is anything but one JSON object."""
    try:
        payload = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request("the body is not valid JSON") from error
    if not isinstance(payload, dict):
        raise bad_request("the body must be a JSON object")
    return payload


def parse_video_request(payload: Payload) -> VideoRequest:
    """Validate every parameter; unknown ones are ignored, null counts as absent."""
    sent = {name: value for name, value in payload.items() if value is not None}
    action = _text(sent, "action") or "generate"
    if action not in ("generate", "extend"):
        raise ApiError(400, "api_not_implemented", f"action {action!r} is not implemented: generate or extend")
    if not (prompt := _text(sent, "prompt").strip()):
        raise bad_request("prompt is required")
    ratio = _text(sent, "aspect_ratio") or None
    if ratio is not None and ratio not in RATIOS:
        raise bad_request(f"aspect_ratio must be one of {', '.join(RATIOS)}")
    _flag(sent, "enhancement", default=True)  # validated only: the sandbox enhances nothing
    request = VideoRequest(
        action=action,
        prompt=prompt,
        aspect_ratio=ratio,
        start_image_url=_url(sent, "start_image_url"),
        end_image_url=_url(sent, "end_image_url"),
        loop=_flag(sent, "loop", default=False),
        timeout=_seconds(sent, "timeout", default=300),
        video_id=_text(sent, "video_id"),
        video_url=_url(sent, "video_url"),
        callback_url=_url(sent, "callback_url"),
        callback_secret=_text(sent, "callback_secret"),
        is_async=_flag(sent, "async", default=False),
    )
    if action == "extend" and not (request.video_id or request.video_url):
        raise bad_request("video_id or video_url is required to extend")
    return request


def _text(sent: Payload, name: str) -> str:
    value = sent.get(name, "")
    if not isinstance(value, str):
        raise bad_request(f"{name} must be a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise bad_request(f"{name} contains half of a surrogate pair")
    return value


def _flag(sent: Payload, name: str, *, default: bool) -> bool:
    value = sent.get(name, default)
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false")
    return value


def _seconds(sent: Payload, name: str, *, default: float) -> float:
    value = sent.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request(f"{name} must be a number of seconds")
    if not 0 < value <= MAX_TIMEOUT:
        raise bad_request(f"{name} must be above 0 and at most {MAX_TIMEOUT} seconds")
    return float(value)


def _url(sent: Payload, name: str) -> str:
    if not (value := _text(sent, name)):
        return ""
    try:
        parts = urlsplit(value)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_http = False
    if not is_http or any(character <= " " or character > "~" for character in value):
        raise bad_request(f"{name} must be an http or https URL")
    return value


def _reject_constant(word: str) -> Never:
    raise ValueError(f"{word} is not JSON")
