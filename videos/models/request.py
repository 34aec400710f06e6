import hashlib
import json
import unicodedata
from collections.abc import Mapping

# What makes one video differ from another; how long the provider may take does not.
SWITCHES = ("enhancement", "loop")
LINKS = ("start_image_url", "end_image_url")


def normalised(prompt: str) -> str:
    """The prompt as one line without regard to case, width and spaces: "A  Heron\\n" is "a heron"."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def fingerprint_of(asked: Mapping) -> str:
    """The same 64 hex digits for the same request, by the fields of a Generation that ask for something.

    Linked rows may be given as such or by their primary keys. Frames count by their pictures (the same bytes are one
    Frame), and the clip to extend by its row where that is known.
    """
    extends = asked.get("action", "generate") == "extend"
    source, *frames = [getattr(row, "pk", row) for row in map(asked.get, ("parent", "start_frame", "end_frame"))]
    facts = {
        "prompt": normalised(asked.get("prompt", "")),
        "frames": frames,
        "links": [asked.get(name, "") for name in LINKS],
        "switches": [bool(asked.get(name, name == "enhancement")) for name in SWITCHES],
        "shape": "" if extends else asked.get("aspect_ratio", "16:9"),
        "source": (
            (source or [asked.get("source_video_id", ""), asked.get("source_video_url", "")]) if extends else None
        ),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
