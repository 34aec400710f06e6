"""The layers of a scene; each paints itself on a frame for a camera (-1 to 1) and a moment of the video (0 to 1).

Every movement repeats a whole number of times within a video, so that any scene can loop.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from .canvas import Canvas
from .noise import FloatArray, fractal_noise, smoothstep, to_image
from .palettes import Colour

PHASES = 4  # positions within one pixel: slow drifts would visibly step otherwise


class Layer(Protocol):
    def paint(self, frame: Image.Image, camera: float, progress: float) -> None: ...


def strip_width(width: int, travel: float) -> int:
    """Return the pixels that a layer needs to drift by travel pixels to each side of a frame."""
    return width + 2 * int(np.ceil(travel)) + 2


class ParallaxStrip:
    """A band of the picture that drifts with the camera.

    top is a row and travel pixels; masks hold the cover from 0 to 1, one for each phase. phased shifts the colours by
    parts of a pixel too, soft adds grain to the masks.
    """

    def __init__(
        self,
        canvas: Canvas,
        top: int,
        travel: float,
        colours: FloatArray,
        masks: list[FloatArray],
        *,
        phased: bool = False,
        soft: bool = False,
    ) -> None:
        self._width, self._top, self._travel = canvas.width, top, travel
        phases = _phases(colours) if phased else [colours]
        self._colours = [to_image(phase, canvas.rng) for phase in phases]
        self._masks = [to_image(mask * 255, canvas.rng if soft else None) for mask in masks]

    def paint(self, frame: Image.Image, camera: float, progress: float) -> None:
        steps = round((np.ceil(self._travel) + camera * self._travel) * PHASES)
        left, phase = divmod(steps, PHASES)
        box = (left, 0, left + self._width, self._colours[0].height)
        colours = self._colours[phase % len(self._colours)].crop(box)
        frame.paste(colours, (0, self._top), self._masks[phase % len(self._masks)].crop(box))


def skyline_masks(skyline: FloatArray, rows: int, width: int) -> list[FloatArray]:
    """Return the cover below a skyline, smooth at its edge; skyline in rows from the top, PHASES samples a pixel."""
    down = np.arange(rows, dtype=np.float32)[:, None] + 0.5
    masks: list[FloatArray] = []
    for phase in range(PHASES):
        cover = np.zeros((rows, width), np.float32)
        for offset in range(PHASES):
            samples = skyline[phase + offset :: PHASES][:width]
            cover += np.clip(down - samples[None, :] + 0.5, 0, 1)
        masks.append(cover / PHASES)
    return masks


def _phases(colours: FloatArray) -> list[FloatArray]:
    beside = np.concatenate([colours[:, 1:], colours[:, -1:]], axis=1)
    return [colours + (beside - colours) * (phase / PHASES) for phase in range(PHASES)]


class AnimatedLight:
    """A changing light: glow(progress) returns a small array, which is enlarged over a box of the frame.

    With a colour the array is its strength of shape (height, width) from 0 to 1; without one it is RGB light to add.
    """

    def __init__(
        self, box: tuple[int, int, int, int], glow: Callable[[float], FloatArray], colour: Colour | None = None
    ) -> None:
        self._box, self._glow, self._colour = box, glow, colour

    def paint(self, frame: Image.Image, camera: float, progress: float) -> None:
        left, top, right, bottom = self._box
        glow = self._glow(progress) * (255 if self._colour else 1)
        small = Image.fromarray(np.clip(glow, 0, 255).astype(np.uint8))
        light = small.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
        if self._colour:
            frame.paste(self._colour, self._box, light)
        else:
            frame.paste(ImageChops.screen(frame.crop(self._box), light), self._box)


class Water:
    """A mirror of everything painted so far, below a horizon (a row), with ripples and the sun's reflection."""

    def __init__(
        self, canvas: Canvas, horizon: int, tint: FloatArray, glow: Colour, sun_x: float, *, calmness: float = 1.0
    ) -> None:
        width, rows = canvas.width, canvas.height - horizon
        depth = (np.arange(rows, dtype=np.float32) + 1) / rows
        self._width, self._horizon, self._rows, self._depth, self._calmness = width, horizon, rows, depth, calmness
        self._offsets = canvas.rng.random(3) * 2 * np.pi
        noise_size = (width * 2, rows)
        waves = fractal_noise(canvas.rng, noise_size, (width * 2 / rows * 5, 26), 3)
        self._waves = _looped(smoothstep(0.35, 0.65, waves), width)
        sparkle = fractal_noise(canvas.rng, noise_size, (width * 2 / rows * 18, 80), 2)
        self._sparkle = [
            _looped(smoothstep(0.5, 0.78, sparkle), width),
            _looped(smoothstep(0.52, 0.8, sparkle[::-1]), width),
        ]
        across = np.arange(width, dtype=np.float32)[None, :]
        spread = width * (0.035 + 0.16 * depth[:, None])
        path = np.exp(-(((across - sun_x) / spread) ** 2)) * (0.35 + 0.65 * np.exp(-depth[:, None] * 2.2))
        self._path = to_image(path * 255)
        self._glow = Image.new("RGB", (width, rows), glow)
        shade = (0.16 + 0.6 * depth**0.8)[:, None] * np.ones((1, width), np.float32)
        self._shade = to_image(shade * 255)
        red, green, blue = (int(channel) for channel in tint)
        self._tint = Image.new("RGB", (width, rows), (red, green, blue))

    def paint(self, frame: Image.Image, camera: float, progress: float) -> None:
        above = np.asarray(frame.crop((0, 0, self._width, self._horizon)))
        turn = 2 * np.pi * progress
        water = self._mirror(above, turn, self._offsets[0])
        water.paste(self._mirror(above, -turn, self._offsets[1] + 2), (0, 0), self._slide(self._waves, progress, 1))
        water.paste(self._tint, (0, 0), self._shade)
        left, right = self._slide(self._sparkle[0], progress, 1), self._slide(self._sparkle[1], progress, -1)
        water.paste(self._glow, (0, 0), ImageChops.multiply(ImageChops.multiply(left, right), self._path))
        frame.paste(water, (0, self._horizon))

    def _mirror(self, above: npt.NDArray[np.uint8], turn: float, offset: float) -> Image.Image:
        depth = self._depth
        scale = self._rows * 0.045 * self._calmness
        distance = 1 / (depth + 0.06)  # waves are closer together towards the horizon
        ripple = np.sin(distance * 9 + turn * 3 + offset) + 0.6 * np.sin(distance * 23 - turn * 5 + offset * 2)
        stretch = self._horizon / max(self._horizon, self._rows)
        rows = np.arange(self._rows) * stretch + ripple * scale * (depth + 0.05)
        source = np.clip(self._horizon - 1 - rows, 0, self._horizon - 1).astype(np.intp)
        return Image.fromarray(above[source])

    def _slide(self, wide: Image.Image, progress: float, direction: int) -> Image.Image:
        left = round((progress * direction % 1) * (wide.width - self._width))
        return wide.crop((left, 0, left + self._width, self._rows))


def _looped(values: FloatArray, width: int) -> Image.Image:
    """Make an image that repeats itself, long enough for a frame of this width to slide over one period."""
    period, seam = int(width * 0.4), int(width * 0.2)
    weight = np.linspace(0, 1, seam, dtype=np.float32)[None, :]
    tile = values[:, :period].copy()
    tile[:, :seam] = tile[:, :seam] * weight + values[:, period : period + seam] * (1 - weight)
    return to_image(np.tile(tile, (1, 4))[:, : period + width] * 255)


class Particles:
    """Small soft lights adrift: embers, snow, bubbles, fireflies, dust.

    radius is in units, rises in picture heights per video (whole numbers; each particle takes one), sway and area in
    picture widths, flicker in times per video.
    """

    def __init__(
        self,
        canvas: Canvas,
        count: int,
        colour: Colour,
        radius: float,
        *,
        rises: tuple[int, ...] = (1,),
        sway: float = 0.02,
        flicker: int = 2,
        area: tuple[float, float] = (0.0, 1.0),
        strength: float = 1.0,
    ) -> None:
        rng = canvas.rng
        self._size, self._colour = canvas.size, np.asarray(colour, np.float32)
        self._x, self._y, self._phase = rng.random(count), rng.random(count), rng.random(count) * 2 * np.pi
        self._rise = rng.choice(rises, count) if len(rises) > 1 else np.full(count, rises[0], float)
        self._sway, self._flicker, self._area, self._strength = sway, flicker, area, strength
        self._closeness = rng.random(count) ** 2
        self._cycles = rng.integers(1, 3, count)
        self._discs = [_disc(radius * canvas.unit * (0.5 + closeness)) for closeness in np.linspace(0, 1, 5)]

    def paint(self, frame: Image.Image, camera: float, progress: float) -> None:
        width, height = self._size
        turn = 2 * np.pi * progress
        left, right = self._area
        sway = np.sin(turn * self._cycles + self._phase) * self._sway * width
        xs = (left + self._x * (right - left)) * width + sway
        xs -= camera * width * 0.04 * self._closeness
        ys = ((self._y - self._rise * progress) % 1.12 - 0.06) * height
        light = 0.55 + 0.45 * np.sin(turn * self._flicker * self._cycles + self._phase * 3)
        light *= self._strength * (0.35 + 0.65 * self._closeness)
        for x, y, strength, closeness in zip(xs, ys, light, self._closeness, strict=True):
            disc = self._discs[int(closeness * 4.99)]
            half = disc.shape[0] // 2
            box = (int(x) - half, int(y) - half, int(x) + half + 1, int(y) + half + 1)
            if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
                continue
            cover = _shift(disc, x - int(x), y - int(y)) * strength
            patch = np.asarray(frame.crop(box), np.float32)
            lit = patch + (self._colour - patch) * cover[..., None]
            frame.paste(Image.fromarray(lit.astype(np.uint8)), box)


def _disc(radius: float) -> FloatArray:
    half = int(np.ceil(radius * 2)) + 1
    across = np.arange(-half, half + 1, dtype=np.float32)
    return np.exp(-(across[:, None] ** 2 + across[None, :] ** 2) / max(0.3, radius * radius)) * min(1, radius * 1.6)


def _shift(disc: FloatArray, right: float, down: float) -> FloatArray:
    """Move a disc by parts of a pixel."""
    disc = disc * (1 - right) + np.roll(disc, 1, axis=1) * right
    return disc * (1 - down) + np.roll(disc, 1, axis=0) * down
