"""Everything far away: the sky and its light, stars, planets, nebulae, northern lights, shafts of light."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .canvas import Canvas
from .noise import FloatArray, blend, fractal_noise, ridge_line, smoothstep
from .palettes import Colour

Glow = Callable[[float], FloatArray]  # what an AnimatedLight shows at a moment of the video


class World(NamedTuple):
    """The colours of a planet: two of its surface, and its atmosphere's."""

    dark: Colour
    bright: Colour
    atmosphere: Colour


def gradient(canvas: Canvas, horizon: float) -> FloatArray:
    """Return the bare sky, from the zenith down to the horizon (a row), and the horizon's colour below it."""
    _, down = canvas.grid()
    descent = np.clip(down[:, 0] / horizon, 0, 1)
    low = blend(canvas.palette.zenith, canvas.palette.middle, smoothstep(0, 0.72, descent))
    column = blend(low, canvas.palette.horizon, smoothstep(0.42, 1.05, descent))
    return np.repeat(column[:, None, :], canvas.width, axis=1)


def add_sun(sky: FloatArray, canvas: Canvas, x: float, y: float, radius: float, *, disc: bool = True) -> FloatArray:
    """Add a sun or moon with its glow; x and y in pixels, radius in units; without a disc, the glow only."""
    distance = canvas.distance(x, y)
    halo = 0.62 * np.exp(-distance / 95) + 0.34 * np.exp(-distance / 300)
    lit = blend(sky, canvas.palette.glow, np.clip(halo, 0, 1))
    if not disc:
        return lit
    edge = np.clip((radius - distance) * canvas.unit + 0.5, 0, 1)
    return blend(lit, np.minimum(255, np.asarray(canvas.palette.glow) * 1.04 + 6), edge * 0.94)


def add_clouds(sky: FloatArray, canvas: Canvas, horizon: float, strength: float = 0.5) -> FloatArray:
    """Add long thin clouds, brighter towards the horizon."""
    rows = int(horizon)
    shape = fractal_noise(canvas.rng, (canvas.width, rows), (2.2 * canvas.width / rows, 7), 5)
    height = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    cover = smoothstep(0.5, 0.9, shape) * smoothstep(0.05, 0.6, height) * (1 - smoothstep(0.9, 1.0, height)) * strength
    tone = blend(canvas.palette.horizon, canvas.palette.glow, 0.35)
    return np.concatenate([blend(sky[:rows], tone, cover), sky[rows:]])


def add_stars(sky: FloatArray, canvas: Canvas, horizon: float, density: float = 1.0) -> FloatArray:
    """Add stars of many brightnesses, some tinted, thinner towards the horizon."""
    sky, rng, rows = sky.copy(), canvas.rng, int(horizon)
    count = int(520 * density * horizon / canvas.height)
    ys = (rng.random(count) ** 1.3 * (rows - 3)).astype(int) + 1
    xs = rng.integers(1, canvas.width - 1, count)
    light = (rng.random(count) ** 5 * 0.9 + 0.09) * (1 - ys / rows * 0.85)
    tints = blend((170, 196, 255), (255, 226, 196), rng.random(count))
    for x, y, brightness, tint in zip(xs, ys, light, tints, strict=True):
        sky[y, x] += tint * brightness
        if brightness > 0.3 and canvas.unit > 0.5:
            for neighbour in (sky[y, x - 1], sky[y, x + 1], sky[y - 1, x], sky[y + 1, x]):
                neighbour += tint * brightness * 0.45
    return sky


def add_nebula(sky: FloatArray, canvas: Canvas, tones: tuple[Colour, Colour], strength: float = 1.1) -> FloatArray:
    """Add a slanted band of glowing dust in two colours with dark lanes."""
    ratio = canvas.width / canvas.height
    cells = (2.6 * ratio**0.5, 2.6 / ratio**0.5)
    across, down = canvas.grid()
    slant = canvas.rng.uniform(-0.5, 0.5)
    band = np.exp(-((((down / canvas.height - 0.5) + slant * (across / canvas.width - 0.5)) / 0.34) ** 2))
    folds = fractal_noise(canvas.rng, canvas.size, cells, 6)
    lanes = fractal_noise(canvas.rng, canvas.size, (cells[0] * 2, cells[1] * 2), 5)
    body = smoothstep(0.28, 0.85, folds) * band
    hue = smoothstep(0.3, 0.7, fractal_noise(canvas.rng, canvas.size, cells, 2))
    density = body * strength * (0.35 + 0.65 * smoothstep(0.25, 0.6, lanes))
    dust = blend(*tones, hue) * density[..., None]
    return 255 - (255 - np.clip(sky, 0, 255)) * (255 - dust) / 255


@dataclass(frozen=True, slots=True)
class Disc:
    """Pixel positions relative to a planet's centre, in its radii; cover is 1 inside, 0 outside, smooth at the edge."""

    x: FloatArray
    y: FloatArray
    distance: FloatArray
    cover: FloatArray


def add_planet(
    sky: FloatArray, canvas: Canvas, x: float, y: float, radius: float, world: World, *, ring: bool = False
) -> FloatArray:
    """Add a banded planet lit from one side, with a thin bright atmosphere; x and y in pixels, radius in units."""
    across, down = canvas.grid()
    dx, dy = (across - x) / (radius * canvas.unit), (down - y) / (radius * canvas.unit)
    distance = np.sqrt(dx * dx + dy * dy)
    disc = Disc(dx, dy, distance, np.clip((1 - distance) * radius * canvas.unit + 0.5, 0, 1))
    depth = np.sqrt(np.clip(1 - distance * distance, 0, 1))
    daylight = smoothstep(-0.12, 0.85, dx * -0.62 + dy * -0.52 + depth * 0.52)
    swirl = fractal_noise(canvas.rng, canvas.size, (canvas.width / canvas.unit / radius * 2, 9), 5)
    belts = ridge_line(canvas.rng, 512, 9, 4, 0.2)
    latitude = np.clip(((dy * 0.96 + dx * 0.28) * 0.42 + 0.5 + (swirl - 0.5) * 0.09) * 511, 0, 511).astype(int)
    surface = blend(world.dark, world.bright, np.clip(belts[latitude] * 0.8 + (swirl - 0.5) * 0.5, 0, 1))
    rim = smoothstep(0.8, 1.0, distance) * daylight
    lit = surface * (0.018 + daylight)[..., None] + np.asarray(world.atmosphere) * (rim * 0.55)[..., None]
    haze = np.exp(-np.clip(distance - 1, 0, None) * 15) * np.clip(daylight * 1.2, 0, 1) * (1 - disc.cover)
    sky = blend(sky, lit, disc.cover) + np.asarray(world.atmosphere, np.float32) * (haze * 0.5)[..., None]
    return _add_ring(sky, canvas, disc, world.atmosphere) if ring else sky


def _add_ring(sky: FloatArray, canvas: Canvas, disc: Disc, colour: Colour) -> FloatArray:
    tilt = disc.y * 0.94 + disc.x * 0.34
    distance = np.sqrt((disc.x * 0.94 - disc.y * 0.34) ** 2 + (tilt * 4.6) ** 2)
    grain = ridge_line(canvas.rng, 256, 24, 3, 0.3)[np.clip((distance - 1.3) / 0.95 * 255, 0, 255).astype(int)]
    band = smoothstep(1.3, 1.36, distance) * (1 - smoothstep(2.12, 2.25, distance)) * (0.12 + 0.6 * grain)
    hidden = disc.cover * (tilt < 0)
    lit = 0.25 + 0.75 * smoothstep(0.9, -0.4, disc.x)
    return blend(sky, colour, band * (1 - hidden) * lit)


@dataclass(frozen=True, slots=True)
class Curtain:
    """One fold of the northern lights: height of its foot (a fraction), phase in radians, streaks, strength."""

    foot: float
    phase: float
    streaks: FloatArray
    strength: float


def aurora_curtains(canvas: Canvas, rows: int) -> Glow:
    """Return northern lights as RGB light for an AnimatedLight without a colour, rows high."""
    width = max(24, int(canvas.width / canvas.unit / 10))
    height = max(16, int(rows / canvas.unit / 9))
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    curtains = []
    for number in range(3):
        streaks = ridge_line(canvas.rng, width * 2, 16, 3, 0.4)
        foot = 0.42 + 0.13 * number + canvas.rng.uniform(-0.06, 0.06)
        curtains.append(Curtain(foot, canvas.rng.random() * 6.3, streaks, 1 - 0.27 * number))

    def glow(progress: float) -> FloatArray:
        turn = 2 * np.pi * progress
        light = np.zeros((height, width, 3), np.float32)
        for number, curtain in enumerate(curtains):
            phase = curtain.phase
            fold = np.sin(across * (5 + 2 * number) + phase + 0.5 * np.sin(turn + phase))
            fold += 0.45 * np.sin(across * 13 - phase + 0.6 * np.sin(turn + 2))
            shifted = np.clip((across[0] + 0.02 * np.sin(turn + phase)) * width, 0, width * 2 - 1).astype(int)
            streaks = 0.45 + 0.55 * curtain.streaks[shifted]
            above = curtain.foot + 0.085 * fold - down
            veil = np.where(above > 0, np.exp(-above * 4.4), np.exp(above * 34)) * streaks[None, :] * curtain.strength
            veil *= 0.75 + 0.25 * np.sin(across * 7 + turn + phase)
            tone = blend((52, 236, 150), (150, 72, 226), np.clip(above * 2.5 + 0.05, 0, 1))
            light += tone * (veil * 0.86)[..., None]
        return light

    return glow


def light_shafts(canvas: Canvas, x: float, strength: float = 0.5) -> Glow:
    """Return slanting beams from a light above, for an AnimatedLight with a colour; x in pixels."""
    width, height = max(24, int(canvas.width / canvas.unit / 10)), max(24, int(canvas.height / canvas.unit / 10))
    across = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width
    down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    angle = np.arctan2((across - x / canvas.width) * canvas.width, (down + 0.35) * canvas.height)
    phases = canvas.rng.random(5) * 6.3

    def glow(progress: float) -> FloatArray:
        turn = 2 * np.pi * progress
        beams = np.zeros_like(angle)
        for number, phase in enumerate(phases):
            beams += np.sin(angle * (7 + 6 * number) + phase + 0.8 * np.sin(turn + phase)) / (1 + 0.3 * number)
        light = smoothstep(-0.9, 2.9, beams) ** 1.4
        cone = np.exp(-down * 2.1) * np.exp(-((angle / 0.75) ** 2)) * smoothstep(0, 0.1, down + 0.03)
        return light * cone * strength

    return glow
