"""Requests as another client would send them, for the code panel."""

from collections.abc import Collection, Mapping
from typing import Any

from ..models.state import REQUEST
from ..provider import Request

# An uploaded frame has no lasting address to show.
PLACEHOLDER_FRAME = "https://example.com/your-frame.jpg"


def example_request(
    values: Mapping[str, Any], *, uploaded: Collection[str] = (), video_id: str = "", video_url: str = ""
) -> Request:
    """Build the request of the known values; `uploaded` names the sides ("start", "end") with an uploaded frame."""
    known = {name: values[name] for name in REQUEST if values.get(name, "") != ""}
    placeholders = {f"{side}_image_url": PLACEHOLDER_FRAME for side in uploaded}
    return Request(**(known | placeholders), video_id=video_id, video_url=video_url)
