import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# The options that make requests differ; the timeout does not.
SWITCHES = ("enhancement", "loop")
LINKS = ("start_image_url", "end_image_url")


def normalised(prompt: str) -> str:
    """Return the prompt on one line, with case, width and spaces normalized: "A  Heron\\n" is "a heron"."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def same_link(link: str) -> str:
    """Normalize a link: lower-case scheme and host, no default port, no fragment."""
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return link
    if not parts.hostname:
        return link
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    place = f"{user}{host}" if port in (None, default) else f"{user}{host}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def fingerprint_of(request: Mapping[str, Any]) -> str:
    """Return 64 hex digits that are equal for equal requests, from the request fields of a Generation.

    Related rows may be objects or primary keys. Frames are compared by their pictures, as equal bytes are one Frame;
    the video to extend by its row if known, else by its id, else by its link, as the provider does.
    """
    extends = request.get("action", "generate") == "extend"
    source, *frames = [getattr(row, "pk", row) for row in map(request.get, ("parent", "start_frame", "end_frame"))]
    facts = {
        "prompt": normalised(request.get("prompt", "")),
        "frames": frames,
        "links": [same_link(request.get(name, "")) for name in LINKS],
        "switches": [bool(request.get(name, name == "enhancement")) for name in SWITCHES],
        "shape": "" if extends else request.get("aspect_ratio", "16:9"),
        "source": (source or _source(request)) if extends else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _source(request: Mapping[str, Any]) -> list[str]:
    """Return the video to extend as the provider reads it: with both given, the id counts."""
    video_id = request.get("source_video_id", "")
    return [video_id, "" if video_id else same_link(request.get("source_video_url", ""))]
