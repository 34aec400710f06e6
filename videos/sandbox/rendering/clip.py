"""From a job to a finished clip: which frame opens it, which closes it, and what happens between."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from ..contract import RATIOS
from ..scenery.caption import Overlay
from ..scenery.noise import smoothstep
from ..scenery.scene import Scene
from .concatenation import prepend
from .mp4 import read_last_frame, write_mp4

SECONDS = 5
PIXELS = 1360 * 752
FULL_RATE_PIXELS = 300_000  # small clips are for tests: half the frames will do
SMALLEST = 64
ZOOM = 0.1


def render_clip(job: dict[str, Any]) -> dict[str, Any]:
    """Make the MP4 and JPEG a job describes (paths in it); their size in pixels."""
    pictures = {}
    for role in ("start", "end"):
        if path := job[role]:
            with Image.open(path) as picture:
                pictures[role] = picture.convert("RGB")
    if job["parent"]:
        pictures["start"] = read_last_frame(Path(job["parent"]))
        size = _sound_size(*pictures["start"].size, 1)
    else:
        size = choose_size(job["ratio"], pictures.get("start"), job["scale"])
    opening, closing = (_cover(pictures.get(role), size) for role in ("start", "end"))
    if job["loop"]:
        opening, closing = opening or closing, closing or opening
    clip = Clip(
        Scene(job["prompt"], job["seed"], size),
        Overlay(job["prompt"], size),
        size,
        opening,
        closing,
        job["loop"],
    )
    write_mp4(Path(job["video"]), size, clip.rate, clip.frames())
    if job["whole"]:
        prepend(Path(job["parent"]), Path(job["video"]))
    clip.thumbnail().save(job["thumbnail"], quality=88, progressive=True)
    return {"width": size[0], "height": size[1]}


def choose_size(ratio: str | None, start: Image.Image | None, scale: float) -> tuple[int, int]:
    """Find the size of a clip: the asked ratio's, or the start frame's own where that fits what was asked."""
    if start is None:
        return _sound_size(*RATIOS[ratio or "16:9"], scale)
    shape = min(max(start.width / start.height, 9 / 21), 21 / 9 * 1.015)
    nearest = min(RATIOS, key=lambda name: abs(math.log(RATIOS[name][0] / RATIOS[name][1] / shape)))
    if ratio is not None and ratio != nearest:
        return _sound_size(*RATIOS[ratio], scale)
    width = round((PIXELS * shape) ** 0.5 / 16) * 16
    return _sound_size(width, round(width / shape / 16) * 16, scale)


class Clip:
    """The frames of one clip; opening and closing are whole pictures of its size, or None."""

    def __init__(self, scene: Scene, overlay: Overlay, size, opening, closing, loop: bool):
        self.scene, self.overlay, self.size = scene, overlay, size
        self.opening, self.closing, self.loop = opening, closing, loop
        self.rate = 24 if size[0] * size[1] >= FULL_RATE_PIXELS else 12
        self.count = SECONDS * self.rate

    def frames(self) -> Iterator[Image.Image]:
        for number in range(self.count):
            yield self.frame(number / (self.count - 1))

    def frame(self, moment: float) -> Image.Image:
        picture = self._picture(moment)
        # Given frames appear untouched, and a last frame carries no words into its extension.
        strength = 1 - smoothstep(0.9, 0.985, moment)
        if self.opening or self.loop:
            strength *= smoothstep(0.015, 0.1, moment)
        self.overlay.put(picture, float(strength))
        return picture

    def thumbnail(self) -> Image.Image:
        picture = self._picture(0.0 if self.opening else 0.4)
        self.overlay.put(picture, words=False)
        return picture

    def _picture(self, moment: float) -> Image.Image:
        first = 1 - smoothstep(0.06, 0.48, moment) if self.opening else 0
        last = smoothstep(0.52, 0.94, moment) if self.closing else 0
        if first == 1:
            return self._still(self.opening, moment)
        if last == 1:
            return self._still(self.closing, 1 - moment)
        camera = math.sin(2 * math.pi * moment) if self.loop else 2 * moment - 1
        picture = self.scene.frame(camera, moment)
        if first > 0:
            picture = Image.blend(picture, self._still(self.opening, moment), float(first))
        if last > 0:
            picture = Image.blend(picture, self._still(self.closing, 1 - moment), float(last))
        return picture

    def _still(self, picture: Image.Image, away: float) -> Image.Image:
        """Look slowly into a picture, the more the further away its moment is; at 0 it is exact."""
        if away <= 0:
            return picture.copy()
        (width, height), zoom = self.size, 1 + ZOOM * away * away * (3 - 2 * away) * 2
        wide, tall = width / zoom, height / zoom
        left = (width - wide) * (0.5 + 0.3 * self.scene.way)
        top = (height - tall) * 0.42
        return picture.resize(self.size, Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall))


def _cover(picture: Image.Image | None, size: tuple[int, int]) -> Image.Image | None:
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS) if picture else None


def _sound_size(width: float, height: float, scale: float) -> tuple[int, int]:
    """Even sides of at least 64 pixels; foreign clips larger than ours are brought down to our area."""
    scale *= min(1.0, (PIXELS * 1.1 / (width * height)) ** 0.5)
    wide, tall = (max(SMALLEST, round(side * scale / 2) * 2) for side in (width, height))
    return wide, tall
