"""Renders one video: fades between its given first and last pictures and a drawn scene."""

import math
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from ..scenery.caption import Caption
from ..scenery.noise import smoothstep
from ..scenery.scene import Scene
from ..video_request import RATIOS
from .concatenation import prepend
from .job import Outcome, RenderJob
from .mp4 import read_last_frame, write_mp4

VIDEO_SECONDS = 5
VIDEO_PIXELS = 1360 * 752
FULL_RATE_PIXELS = 300_000  # smaller videos are for tests, and have half the frames
MIN_SIDE = 64
ZOOM = 0.1

Size = tuple[int, int]


def render_video(job: RenderJob) -> Outcome:
    """Write a job's video and thumbnail; return their size."""
    start, end = (_open_picture(path) for path in (job.start, job.end))
    if job.parent:
        start = read_last_frame(Path(job.parent))
        size = _even_size(*start.size, 1)
    else:
        size = choose_size(job.aspect_ratio, start, job.scale)
    opening, closing = (_cover(picture, size) for picture in (start, end))
    if job.loop:
        opening, closing = opening or closing, closing or opening
    scene, caption = Scene(job.prompt, job.seed, size), Caption(job.prompt, size)
    video = RenderedVideo(scene, caption, size, opening, closing, loop=job.loop)
    write_mp4(Path(job.video), size, video.frame_rate, video.frames())
    if job.include_parent and job.parent:
        prepend(Path(job.parent), Path(job.video))
    video.thumbnail().save(job.thumbnail, quality=88, progressive=True)
    return Outcome(*size)


def choose_size(ratio: str | None, start: Image.Image | None, scale: float) -> Size:
    """Return the size of the requested ratio, or of the start frame's own ratio if that is the nearest to it."""
    if start is None:
        return _even_size(*RATIOS[ratio or "16:9"], scale)
    start_ratio = min(max(start.width / start.height, 9 / 21), 21 / 9 * 1.015)
    nearest = min(RATIOS, key=lambda name: abs(math.log(RATIOS[name][0] / RATIOS[name][1] / start_ratio)))
    if ratio is not None and ratio != nearest:
        return _even_size(*RATIOS[ratio], scale)
    width = round((VIDEO_PIXELS * start_ratio) ** 0.5 / 16) * 16
    return _even_size(width, round(width / start_ratio / 16) * 16, scale)


class RenderedVideo:
    """The frames of one video; opening and closing are pictures of its size."""

    def __init__(
        self,
        scene: Scene,
        caption: Caption,
        size: Size,
        opening: Image.Image | None,
        closing: Image.Image | None,
        *,
        loop: bool,
    ) -> None:
        self._scene, self._caption, self._size = scene, caption, size
        self._opening, self._closing, self._loop = opening, closing, loop
        self.frame_rate = 24 if size[0] * size[1] >= FULL_RATE_PIXELS else 12

    def frames(self) -> Iterator[Image.Image]:
        count = VIDEO_SECONDS * self.frame_rate
        for number in range(count):
            yield self._frame(number / (count - 1))

    def thumbnail(self) -> Image.Image:
        picture = self._picture(0.0 if self._opening else 0.4)
        self._caption.draw(picture, with_prompt=False)
        return picture

    def _frame(self, progress: float) -> Image.Image:
        picture = self._picture(progress)
        # Given frames appear untouched, and a last frame carries no caption into its extension.
        opacity = 1 - smoothstep(0.9, 0.985, progress)
        if self._opening or self._loop:
            opacity *= smoothstep(0.015, 0.1, progress)
        self._caption.draw(picture, float(opacity))
        return picture

    def _picture(self, progress: float) -> Image.Image:
        """Return a frame without its caption; progress from 0 to 1 through the video."""
        opening_part = 1 - smoothstep(0.06, 0.48, progress) if self._opening else 0
        closing_part = smoothstep(0.52, 0.94, progress) if self._closing else 0
        if self._opening and opening_part == 1:
            return self._zoomed(self._opening, progress)
        if self._closing and closing_part == 1:
            return self._zoomed(self._closing, 1 - progress)
        camera = math.sin(2 * math.pi * progress) if self._loop else 2 * progress - 1
        picture = self._scene.frame(camera, progress)
        if self._opening and opening_part > 0:
            picture = Image.blend(picture, self._zoomed(self._opening, progress), float(opening_part))
        if self._closing and closing_part > 0:
            picture = Image.blend(picture, self._zoomed(self._closing, 1 - progress), float(closing_part))
        return picture

    def _zoomed(self, picture: Image.Image, distance: float) -> Image.Image:
        """Zoom slowly into a picture, the more the further away its moment is; exact at distance 0."""
        if distance <= 0:
            return picture.copy()
        zoom = 1 + ZOOM * distance * distance * (3 - 2 * distance) * 2
        width, height = self._size[0] / zoom, self._size[1] / zoom
        left = (self._size[0] - width) * (0.5 + 0.3 * self._scene.direction)
        top = (self._size[1] - height) * 0.42
        return picture.resize(self._size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))


def _open_picture(path: str | None) -> Image.Image | None:
    if not path:
        return None
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _cover(picture: Image.Image | None, size: Size) -> Image.Image | None:
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS) if picture else None


def _even_size(width: float, height: float, scale: float) -> Size:
    """Scale a size, with even sides of at least MIN_SIDE; reduce the area of foreign videos to a rendered one's."""
    scale *= min(1.0, (VIDEO_PIXELS * 1.1 / (width * height)) ** 0.5)
    even_width, even_height = (max(MIN_SIDE, round(side * scale / 2) * 2) for side in (width, height))
    return even_width, even_height
