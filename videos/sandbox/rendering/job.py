"""What the server and its rendering processes exchange: a job, and its outcome."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One video to make.

    start and end are paths of pictures, parent the path of the video to extend; video and thumbnail are the paths to
    write. scale multiplies the sides of the full size.
    """

    prompt: str
    seed: str
    aspect_ratio: str | None
    scale: float
    loop: bool
    start: str | None
    end: str | None
    parent: str | None
    include_parent: bool
    video: str
    thumbnail: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The size of a rendered video in pixels, or the contract's error code and message."""

    width: int = 0
    height: int = 0
    error_code: str = ""
    error_message: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        return cls(**json.loads(line))
