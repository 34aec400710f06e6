"""What is far away: the sky and its light, stars, planets, nebulae, northern lights, shafts of light."""

from dataclasses import dataclass

import numpy as np

from .noise import Array, cloud, mix, ridge, smoothstep
from .palettes import Palette


@dataclass(frozen=True, slots=True)
class Canvas:
    """The measures of one picture: pixels, a unit that is a thousandth of its middle side, and its chance."""

    width: int
    height: int
    rng: np.random.Generator
    palette: Palette

    @property
    def unit(self) -> float:
        return (self.width * self.height) ** 0.5 / 1000

    def grid(self) -> tuple[Array, Array]:
        """Pixel positions: x of (1, width), y of (height, 1)."""
        return (
            np.arange(self.width, dtype=np.float32)[None, :],
            np.arange(self.height, dtype=np.float32)[:, None],
        )

    def distance(self, x: float, y: float) -> Array:
        across, down = self.grid()
        return np.sqrt((across - x) ** 2 + (down - y) ** 2) / self.unit


def vignette(colours: Array, canvas: Canvas, top: int = 0, travel: int = 0) -> Array:
    """Darken towards the corners, for a band that starts at row top and reaches travel beyond the sides."""
    across = (np.arange(colours.shape[1], dtype=np.float32) - travel) / canvas.width * 2 - 1
    down = (np.arange(colours.shape[0], dtype=np.float32) + top) / canvas.height * 2 - 1
    edge = np.clip(across[None, :] ** 2 * 0.55 + down[:, None] ** 2 * 0.45, 0, 1.2)
    return colours * (1 - 0.36 * edge**1.6)[..., None]


def gradient(canvas: Canvas, horizon: float) -> Array:
    """The bare sky, from the zenith down to the horizon in rows, and the horizon's colour below it."""
    _, down = canvas.grid()
    part = np.clip(down[:, 0] / horizon, 0, 1)
    low = mix(canvas.palette.zenith, canvas.palette.middle, smoothstep(0, 0.72, part))
    column = mix(low, canvas.palette.horizon, smoothstep(0.42, 1.05, part))
    return np.repeat(column[:, None, :], canvas.width, axis=1)


def shine(sky: Array, canvas: Canvas, x: float, y: float, radius: float, *, disc: bool = True) -> Array:
    """Put a sun or moon of a radius in units on the sky, with the glow around it."""
    far = canvas.distance(x, y)
    halo = 0.62 * np.exp(-far / 95) + 0.34 * np.exp(-far / 300)
    lit = mix(sky, canvas.palette.glow, np.clip(halo, 0, 1))
    if not disc:
        return lit
    edge = np.clip((radius - far) * canvas.unit + 0.5, 0, 1)
    return mix(lit, np.minimum(255, np.asarray(canvas.palette.glow) * 1.04 + 6), edge * 0.94)


def clouds(sky: Array, canvas: Canvas, horizon: float, strength: float = 0.5) -> Array:
    """Long thin clouds, brighter towards the horizon."""
    rows = int(horizon)
    shape = cloud(canvas.rng, (canvas.width, rows), (2.2 * canvas.width / rows, 7), 5)
    height = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    cover = smoothstep(0.5, 0.9, shape) * smoothstep(0.05, 0.6, height) * (1 - smoothstep(0.9, 1.0, height)) * strength
    tone = mix(canvas.palette.horizon, canvas.palette.glow, 0.35)
    sky[:rows] = mix(sky[:rows], tone, cover)
    return sky


def stars(sky: Array, canvas: Canvas, horizon: float, density: float = 1.0) -> Array:
    """Scatter stars of many brightnesses, some tinted, thinner towards the horizon."""
    rng, rows = canvas.rng, int(horizon)
    count = int(520 * density * horizon / canvas.height)
    ys = (rng.random(count) ** 1.3 * (rows - 3)).astype(int) + 1
    xs = rng.integers(1, canvas.width - 1, count)
    light = (rng.random(count) ** 5 * 0.9 + 0.09) * (1 - ys / rows * 0.85)
    tints = mix((170, 196, 255), (255, 226, 196), rng.random(count))
    for x, y, bright, tint in zip(xs, ys, light, tints, strict=True):
        sky[y, x] += tint * bright
        if bright > 0.3 and canvas.unit > 0.5:
            for beside in (sky[y, x - 1], sky[y, x + 1], sky[y - 1, x], sky[y + 1, x]):
                beside += tint * bright * 0.45
    return sky


def nebula(sky: Array, canvas: Canvas, colours: tuple, strength: float = 1.1) -> Array:
    """Glowing dust in a slanted band, in two colours with dark lanes."""
    size = (canvas.width, canvas.height)
    shape = canvas.width / canvas.height
    cells = (2.6 * shape**0.5, 2.6 / shape**0.5)
    across, down = canvas.grid()
    slant = canvas.rng.uniform(-0.5, 0.5)
    band = np.exp(-((((down / canvas.height - 0.5) + slant * (across / canvas.width - 0.5)) / 0.34) ** 2))
    folds = cloud(canvas.rng, size, cells, 6)
    lanes = cloud(canvas.rng, size, (cells[0] * 2, cells[1] * 2), 5)
    body = smoothstep(0.28, 0.85, folds) * band
    hue = smoothstep(0.3, 0.7, cloud(canvas.rng, size, cells, 2))
    dust = (
        mix(colours[0], colours[1], hue) * (body * strength * (0.35 + 0.65 * smoothstep(0.25, 0.6, lanes)))[..., None]
    )
    return 255 - (255 - np.clip(sky, 0, 255)) * (255 - dust) / 255


def planet(
    sky: Array, canvas: Canvas, x: float, y: float, radius: float, colours: tuple, *, ring: bool = False
) -> Array:
    """A banded world lit from one side, with a thin bright atmosphere; radius in units."""
    across, down = canvas.grid()
    dx, dy = (across - x) / (radius * canvas.unit), (down - y) / (radius * canvas.unit)
    far = np.sqrt(dx * dx + dy * dy)
    inside = np.clip((1 - far) * radius * canvas.unit + 0.5, 0, 1)
    depth = np.sqrt(np.clip(1 - far * far, 0, 1))
    day = smoothstep(-0.12, 0.85, dx * -0.62 + dy * -0.52 + depth * 0.52)
    swirl = cloud(canvas.rng, (canvas.width, canvas.height), (canvas.width / canvas.unit / radius * 2, 9), 5)
    belts = ridge(canvas.rng, 512, 9, 4, 0.2)
    latitude = np.clip(((dy * 0.96 + dx * 0.28) * 0.42 + 0.5 + (swirl - 0.5) * 0.09) * 511, 0, 511).astype(int)
    surface = mix(colours[0], colours[1], np.clip(belts[latitude] * 0.8 + (swirl - 0.5) * 0.5, 0, 1))
    rim = smoothstep(0.8, 1.0, far) * day
    world = surface * (0.018 + day)[..., None] + np.asarray(colours[2]) * (rim * 0.55)[..., None]
    haze = np.exp(-np.clip(far - 1, 0, None) * 15) * np.clip(day * 1.2, 0, 1) * (1 - inside)
    sky = mix(sky, world, inside) + np.asarray(colours[2], np.float32) * (haze * 0.5)[..., None]
    if ring:
        tilt = dy * 0.94 + dx * 0.34
        flat = np.sqrt((dx * 0.94 - dy * 0.34) ** 2 + (tilt * 4.6) ** 2)
        grain = ridge(canvas.rng, 256, 24, 3, 0.3)[np.clip((flat - 1.3) / 0.95 * 255, 0, 255).astype(int)]
        band = smoothstep(1.3, 1.36, flat) * (1 - smoothstep(2.12, 2.25, flat)) * (0.12 + 0.6 * grain)
        hidden = inside * (tilt < 0)
        lit = 0.25 + 0.75 * smoothstep(0.9, -0.4, dx)
        sky = mix(sky, colours[2], band * (1 - hidden) * lit)
    return sky


def curtains(canvas: Canvas, rows: int):
    """Northern lights for a AnimatedLight layer: small RGB floats for each moment."""
    wide = max(24, int(canvas.width / canvas.unit / 10))
    tall = max(16, int(rows / canvas.unit / 9))
    across = np.linspace(0, 1, wide, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, tall, dtype=np.float32)[:, None]
    bands = []
    for number in range(3):
        fine = ridge(canvas.rng, wide * 2, 16, 3, 0.4)
        bands.append(
            (
                0.42 + 0.13 * number + canvas.rng.uniform(-0.06, 0.06),
                canvas.rng.random() * 6.3,
                fine,
                1 - 0.27 * number,
            )
        )

    def glow(moment: float) -> Array:
        turn = 2 * np.pi * moment
        light = np.zeros((tall, wide, 3), np.float32)
        for number, (base, phase, fine, power) in enumerate(bands):
            fold = np.sin(across * (5 + 2 * number) + phase + 0.5 * np.sin(turn + phase))
            fold += 0.45 * np.sin(across * 13 - phase + 0.6 * np.sin(turn + 2))
            foot = base + 0.085 * fold
            streaks = (
                0.45
                + 0.55 * fine[np.clip((across[0] + 0.02 * np.sin(turn + phase)) * wide, 0, wide * 2 - 1).astype(int)]
            )
            up = foot - down
            veil = np.where(up > 0, np.exp(-up * 4.4), np.exp(up * 34)) * streaks[None, :] * power
            veil *= 0.75 + 0.25 * np.sin(across * 7 + turn + phase)
            tone = mix((52, 236, 150), (150, 72, 226), np.clip(up * 2.5 + 0.05, 0, 1))
            light += tone * (veil * 0.86)[..., None]
        return light

    return glow


def shafts(canvas: Canvas, x: float, power: float = 0.5):
    """Slanting beams from a light above, for a AnimatedLight layer with a colour."""
    wide, tall = max(24, int(canvas.width / canvas.unit / 10)), max(24, int(canvas.height / canvas.unit / 10))
    across = (np.arange(wide, dtype=np.float32)[None, :] + 0.5) / wide
    down = (np.arange(tall, dtype=np.float32)[:, None] + 0.5) / tall
    angle = np.arctan2((across - x / canvas.width) * canvas.width, (down + 0.35) * canvas.height)
    phases = canvas.rng.random(5) * 6.3

    def glow(moment: float) -> Array:
        turn = 2 * np.pi * moment
        beams = np.zeros_like(angle)
        for number, phase in enumerate(phases):
            beams += np.sin(angle * (7 + 6 * number) + phase + 0.8 * np.sin(turn + phase)) / (1 + 0.3 * number)
        light = smoothstep(-0.9, 2.9, beams) ** 1.4
        return light * np.exp(-down * 2.1) * np.exp(-((angle / 0.75) ** 2)) * smoothstep(0, 0.1, down + 0.03) * power

    return glow
