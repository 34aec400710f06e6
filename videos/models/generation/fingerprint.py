import hashlib
import json
import unicodedata
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

# What makes one video differ from another; how long the provider may take does not.
SWITCHES = ("enhancement", "loop")
LINKS = ("start_image_url", "end_image_url")


def normalised(prompt: str) -> str:
    """The prompt as one line without regard to case, width and spaces: "A  Heron\\n" is "a heron"."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def same_link(link: str) -> str:
    """The link as every spelling of it is fetched: scheme and host in lower case, no default port, no fragment."""
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


def fingerprint_of(asked: Mapping) -> str:
    """The same 64 hex digits for the same request, by the fields of a Generation that ask for something.

    Linked rows may be given as such or by their primary keys. Frames count by their pictures (the same bytes are one
    Frame), and the clip to extend by its row where that is known, else by its id, else by its link, as the provider
    reads them.
    """
    extends = asked.get("action", "generate") == "extend"
    source, *frames = [getattr(row, "pk", row) for row in map(asked.get, ("parent", "start_frame", "end_frame"))]
    facts = {
        "prompt": normalised(asked.get("prompt", "")),
        "frames": frames,
        "links": [same_link(asked.get(name, "")) for name in LINKS],
        "switches": [bool(asked.get(name, name == "enhancement")) for name in SWITCHES],
        "shape": "" if extends else asked.get("aspect_ratio", "16:9"),
        "source": (source or _named(asked)) if extends else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _named(asked: Mapping) -> list[str]:
    """The video to extend by the name that counts; with both given, the id does."""
    video_id = asked.get("source_video_id", "")
    return [video_id, "" if video_id else same_link(asked.get("source_video_url", ""))]
