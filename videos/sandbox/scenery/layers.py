"""What a scene is made of; each layer paints itself on a frame, for a camera (-1 to 1) and a moment (0 to 1).

Whatever moves by itself comes round a whole number of times within a clip, so that any scene can loop.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image, ImageChops

from .noise import Array, cloud, smoothstep, to_image

PHASES = 4  # positions within one pixel: slow drifts would step visibly otherwise
BILINEAR = Image.Resampling.BILINEAR


class Layer(Protocol):
    def paint(self, frame: Image.Image, camera: float, moment: float) -> None: ...


def reach(width: int, travel: float) -> int:
    """How many pixels wide a layer must be to drift by travel pixels to each side of a frame."""
    return width + 2 * int(np.ceil(travel)) + 2


class ParallaxStrip:
    """A band of the picture that drifts with the camera. top in pixels; masks one per phase, 0-1."""

    def __init__(
        self,
        width: int,
        top: int,
        travel: float,
        colours: Array,
        masks: list[Array],
        rng,
        *,
        phased=False,
        soft=False,
    ):
        self.width, self.top, self.travel = width, top, travel
        looks = _phases(colours) if phased else [colours]
        self.colours = [to_image(look, rng) for look in looks]
        self.masks = [to_image(mask * 255, rng if soft else None) for mask in masks]

    def paint(self, frame, camera, moment):
        steps = round((np.ceil(self.travel) + camera * self.travel) * PHASES)
        left, phase = divmod(steps, PHASES)
        box = (left, 0, left + self.width, self.colours[0].height)
        colours = self.colours[phase % len(self.colours)].crop(box)
        frame.paste(colours, (0, self.top), self.masks[phase % len(self.masks)].crop(box))


def skyline_masks(heights: Array, rows: int, wide: int) -> list[Array]:
    """Cover below a skyline, smooth at its edge; heights in rows from the top, PHASES samples per pixel."""
    down = np.arange(rows, dtype=np.float32)[:, None] + 0.5
    masks = []
    for phase in range(PHASES):
        cover = np.zeros((rows, wide), np.float32)
        for sub in range(PHASES):
            samples = heights[phase + sub :: PHASES][:wide]
            cover += np.clip(down - samples[None, :] + 0.5, 0, 1)
        masks.append(cover / PHASES)
    return masks


def _phases(picture: Array) -> list[Array]:
    beside = np.concatenate([picture[:, 1:], picture[:, -1:]], axis=1)
    return [picture + (beside - picture) * (phase / PHASES) for phase in range(PHASES)]


class AnimatedLight:
    """Something that shines and changes: glow(moment) gives small floats, enlarged over a box of the frame.

    With a colour they are its strength of (height, width), 0-1; without, light of its own in RGB, added.
    """

    def __init__(self, box: tuple[int, int, int, int], glow: Callable[[float], Array], colour=None):
        self.box, self.glow, self.colour = box, glow, colour and tuple(colour)

    def paint(self, frame, camera, moment):
        left, top, right, bottom = self.box
        glow = self.glow(moment) * (255 if self.colour else 1)
        small = Image.fromarray(np.clip(glow, 0, 255).astype(np.uint8))
        light = small.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
        if self.colour:
            frame.paste(self.colour, self.box, light)
        else:
            frame.paste(ImageChops.screen(frame.crop(self.box), light), self.box)


class Water:
    """A mirror of everything painted so far, below a horizon in rows, with ripples and the sun's path."""

    def __init__(self, size, horizon: int, tint, glow, sun_x: float, rng, calm: float = 1.0):
        self.size, self.horizon = size, horizon
        width, height = size
        rows = height - horizon
        depth = (np.arange(rows, dtype=np.float32) + 1) / rows
        self.rows, self.depth, self.calm = rows, depth, calm
        self.offsets = rng.random(3) * 2 * np.pi
        wide = width * 2
        waves = cloud(rng, (wide, rows), (wide / rows * 5, 26), 3)
        self.patches = _looped(smoothstep(0.35, 0.65, waves), width)
        sparkle = cloud(rng, (wide, rows), (wide / rows * 18, 80), 2)
        across = np.arange(width, dtype=np.float32)[None, :]
        spread = width * (0.035 + 0.16 * depth[:, None])
        path = np.exp(-(((across - sun_x) / spread) ** 2)) * (0.35 + 0.65 * np.exp(-depth[:, None] * 2.2))
        self.sparkle = [
            _looped(smoothstep(0.5, 0.78, sparkle), width),
            _looped(smoothstep(0.52, 0.8, sparkle[::-1]), width),
        ]
        self.path = to_image(path * 255)
        self.glow = Image.new("RGB", (width, rows), tuple(int(c) for c in glow))
        shade = (0.16 + 0.6 * depth**0.8)[:, None] * np.ones((1, width), np.float32)
        self.shade = to_image(shade * 255)
        self.tint = Image.new("RGB", (width, rows), tuple(int(c) for c in tint))

    def paint(self, frame, camera, moment):
        width, horizon = self.size[0], self.horizon
        above = np.asarray(frame.crop((0, 0, width, horizon)))
        turn = 2 * np.pi * moment
        one, two = self._mirror(above, turn, self.offsets[0]), self._mirror(above, -turn, self.offsets[1] + 2)
        one.paste(two, (0, 0), self._slide(self.patches, moment, 1))
        one.paste(self.tint, (0, 0), self.shade)
        spark = ImageChops.multiply(self._slide(self.sparkle[0], moment, 1), self._slide(self.sparkle[1], moment, -1))
        one.paste(self.glow, (0, 0), ImageChops.multiply(spark, self.path))
        frame.paste(one, (0, horizon))

    def _mirror(self, above: Array, turn: float, offset: float) -> Image.Image:
        depth = self.depth
        scale = self.rows * 0.045 * self.calm
        far = 1 / (depth + 0.06)  # waves are closer together towards the horizon
        ripple = np.sin(far * 9 + turn * 3 + offset) + 0.6 * np.sin(far * 23 - turn * 5 + offset * 2)
        rows = np.arange(self.rows) * (self.horizon / max(self.horizon, self.rows)) + ripple * scale * (depth + 0.05)
        source = np.clip(self.horizon - 1 - rows, 0, self.horizon - 1).astype(np.intp)
        return Image.fromarray(above[source])

    def _slide(self, wide: Image.Image, moment: float, way: int) -> Image.Image:
        left = round((moment * way % 1) * (wide.width - self.size[0]))
        return wide.crop((left, 0, left + self.size[0], self.rows))


def _looped(picture: Array, width: int) -> Image.Image:
    """Make a picture that repeats itself, long enough for a frame of this width to slide over one round."""
    around, seam = int(width * 0.4), int(width * 0.2)
    part = np.linspace(0, 1, seam, dtype=np.float32)[None, :]
    tile = picture[:, :around].copy()
    tile[:, :seam] = tile[:, :seam] * part + picture[:, around : around + seam] * (1 - part)
    return to_image(np.tile(tile, (1, 4))[:, : around + width] * 255)


class Particles:
    """Small soft lights adrift: embers, snow, bubbles, fireflies, dust.

    rise is in picture heights per clip (whole numbers), flicker in times per clip, area in picture widths.
    """

    def __init__(self, size, rng, count, colour, radius, *, rise=1, sway=0.02, flicker=2, area=(0.0, 1.0), power=1.0):
        self.size, self.colour = size, np.asarray(colour, np.float32)
        self.x, self.y, self.phase = rng.random(count), rng.random(count), rng.random(count) * 2 * np.pi
        self.rise = np.full(count, rise, float) if isinstance(rise, int) else rng.choice(rise, count)
        self.sway, self.flicker, self.area, self.power = sway, flicker, area, power
        self.near = rng.random(count) ** 2
        self.cycles = rng.integers(1, 3, count)
        self.discs = [_disc(radius * (0.5 + near)) for near in np.linspace(0, 1, 5)]

    def paint(self, frame, camera, moment):
        width, height = self.size
        turn = 2 * np.pi * moment
        left, right = self.area
        xs = (left + self.x * (right - left)) * width + np.sin(turn * self.cycles + self.phase) * self.sway * width
        xs -= camera * width * 0.04 * self.near
        ys = ((self.y - self.rise * moment) % 1.12 - 0.06) * height
        shine = 0.55 + 0.45 * np.sin(turn * self.flicker * self.cycles + self.phase * 3)
        shine *= self.power * (0.35 + 0.65 * self.near)
        for x, y, light, near in zip(xs, ys, shine, self.near, strict=True):
            disc = self.discs[int(near * 4.99)]
            half = disc.shape[0] // 2
            box = (int(x) - half, int(y) - half, int(x) + half + 1, int(y) + half + 1)
            if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
                continue
            soft = _shift(disc, x - int(x), y - int(y)) * light
            patch = np.asarray(frame.crop(box), np.float32)
            lit = patch + (self.colour - patch) * soft[..., None]
            frame.paste(Image.fromarray(lit.astype(np.uint8)), box)


def _disc(radius: float) -> Array:
    half = int(np.ceil(radius * 2)) + 1
    across = np.arange(-half, half + 1, dtype=np.float32)
    return np.exp(-(across[:, None] ** 2 + across[None, :] ** 2) / max(0.3, radius * radius)) * min(1, radius * 1.6)


def _shift(disc: Array, right: float, down: float) -> Array:
    disc = disc * (1 - right) + np.roll(disc, 1, axis=1) * right
    return disc * (1 - down) + np.roll(disc, 1, axis=0) * down
