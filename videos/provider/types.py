"""The requests and results of the API, as frozen dataclasses."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PUBLIC_BASE_URL = "https://api.acedata.cloud"
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21")
BATCH_LIMIT = 50

# Longer texts are cut. A longer id or link is dropped, because a cut one would name something else.
ID_LENGTH = 200
CODE_LENGTH = 100
MESSAGE_LENGTH = 2_000
PROMPT_LENGTH = 10_000
URL_LENGTH = 4_000
REQUEST_URL_LENGTH = 2_000
SIZE_LIMIT = 100_000


class Status(StrEnum):
    """The state of a task."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Sent(StrEnum):
    """Whether a paid request may have been carried out.

    NEVER: no byte of it reached the provider. REFUSED: the provider refused it, so nothing runs and nothing is
    charged. MAYBE: it may run and may be charged, so it must not be repeated.
    """

    NEVER = "never"
    REFUSED = "refused"
    MAYBE = "maybe"


# The fields of a request that are not links.
REQUEST_SETTINGS = ("action", "prompt", "aspect_ratio", "enhancement", "loop", "timeout")


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a video; timeout is in seconds, an empty string means not given."""

    action: str = "generate"
    prompt: str = ""
    aspect_ratio: str = "16:9"
    start_image_url: str = ""
    end_image_url: str = ""
    enhancement: bool = True
    loop: bool = False
    timeout: int = 300
    video_id: str = ""
    video_url: str = ""
    callback_url: str = ""
    asynchronous: bool = False

    def payload(self) -> dict[str, Any]:
        """Build the JSON body of POST /luma/videos, with only the fields that apply to the action."""
        extends = self.action == "extend"
        fields: dict[str, Any] = {"action": self.action, "prompt": self.prompt}
        if not extends:
            fields["aspect_ratio"] = self.aspect_ratio
            fields["start_image_url"] = self.start_image_url
        elif self.aspect_ratio != "16:9":
            # An extension has the shape of its source. 16:9 is the form's default and never sent: for a portrait source
            # it would be a choice that nobody made.
            fields["aspect_ratio"] = self.aspect_ratio
        fields["end_image_url"] = self.end_image_url
        if extends:
            fields["video_id"] = self.video_id
            # The provider prefers the id. Sending only one shows which video is meant.
            fields["video_url"] = "" if self.video_id else self.video_url
        fields["enhancement"] = self.enhancement
        fields["loop"] = self.loop
        fields["timeout"] = self.timeout
        fields["callback_url"] = self.callback_url
        payload = {name: value for name, value in fields.items() if value != ""}
        if self.asynchronous:
            payload["async"] = True
        return payload


@dataclass(frozen=True, slots=True)
class Result:
    """What the provider reports about one task, in an answer, a callback or a look-up.

    Widths and heights are in pixels; links are http(s) or empty; error_code is the provider's own and may be empty on a
    failure. A COMPLETED result always has a video_url.
    """

    task_id: str
    status: Status = Status.RUNNING
    video_id: str = ""
    video_url: str = ""
    video_width: int | None = None
    video_height: int | None = None
    thumbnail_url: str = ""
    thumbnail_width: int | None = None
    thumbnail_height: int | None = None
    prompt: str = ""
    state: str = ""
    success: bool | None = None
    error_code: str = ""
    error_message: str = ""
    trace_id: str = ""
    # The request as the task repeats it. Its callback_url is a secret: compare it, never store it.
    request: Request | None = field(default=None, compare=False, repr=False)
