"""The values that a provider's result gives a row."""

from typing import Any

from django.utils import timezone

from ... import provider
from ..state import SAME_TASK, Archive, State, nearest_ratio
from .fields import GenerationFields

# The values of a row whose video turned out to belong to another task.
NO_VIDEO: dict[str, Any] = {
    **dict.fromkeys(("result_channel", "video_id", "video_url", "thumbnail_url", "result_prompt", "result_state"), ""),
    **dict.fromkeys(("video_file", "thumbnail_file", "poster_file", "poster_color", "sha256"), ""),
    **dict.fromkeys(("video_width", "video_height", "thumbnail_width", "thumbnail_height"), None),
    **dict.fromkeys(("size_bytes", "duration", "frame_rate", "result_success", "finished_at", "archive_at"), None),
    **dict.fromkeys(("archive_worker", "archive_error", "archive_message"), ""),
    "archive": Archive.NONE,
    "archive_attempts": 0,
    "archive_deaths": 0,
}


def video_facts(row: GenerationFields, result: provider.Result, channel: str) -> dict[str, Any]:
    """Return what a row keeps of a finished video even if it was deleted permanently before the video arrived."""
    return {
        "state": State.COMPLETED,
        "finished_at": timezone.now(),
        "result_channel": channel,
        "next_poll_at": None,
        "video_id": result.video_id,
        "video_width": result.video_width,
        "video_height": result.video_height,
        "thumbnail_width": result.thumbnail_width,
        "thumbnail_height": result.thumbnail_height,
        "shape": nearest_ratio(result.video_width, result.video_height) or row.shape,
        "result_state": result.state,
        "result_success": result.success,
        # The card still has to say that another row has the same task id.
        "error_code": SAME_TASK if row.error_code == SAME_TASK else "",
        "error_message": "",
    }


def media_facts(result: provider.Result) -> dict[str, Any]:
    return {
        "video_url": result.video_url,
        "thumbnail_url": result.thumbnail_url,
        "result_prompt": result.prompt,
        "archive": Archive.REMOTE,
        "archive_at": timezone.now(),
    }


def failure_facts(result: provider.Result, channel: str) -> dict[str, Any]:
    return {
        "result_channel": channel,
        "error_code": result.error_code or "task_failed",
        "error_message": result.error_message,
        "result_state": result.state,
        "result_success": result.success,
    }
