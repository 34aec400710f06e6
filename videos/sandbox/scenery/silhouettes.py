"""Silhouettes: hills, dunes, trees, buildings, rocks, a volcano, fog and smoke.

closeness goes from 0 (at the horizon) to 1 (in front of the lens). Heights are fractions of the picture: base is the
line a shape stands on, height how far it rises above it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, vignette
from .layers import PHASES, ParallaxStrip, skyline_masks, strip_width
from .noise import FloatArray, blend, fractal_noise, ridge_line, smoothstep
from .palettes import Colour


@dataclass(frozen=True, slots=True)
class Band:
    """The part of a picture that one silhouette covers; skyline holds a row for each column, counted from top."""

    rows: int
    width: int
    top: int
    skyline: FloatArray

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.rows

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.width

    def below_skyline(self) -> FloatArray:
        """Return each pixel's distance below the skyline, in rows."""
        return np.arange(self.rows, dtype=np.float32)[:, None] - self.skyline[None, :]


def _travel(canvas: Canvas, closeness: float) -> float:
    return canvas.width * (0.006 + 0.05 * closeness**1.4)


def _tone(canvas: Canvas, closeness: float) -> FloatArray:
    """Return the colour of things at a distance: the air's at the horizon, nearly black close by."""
    air = blend(canvas.palette.horizon, canvas.palette.middle, 0.45)
    return blend(air, canvas.palette.foreground, np.clip(0.18 + 0.9 * closeness**0.75, 0, 1))


def _make_strip(
    canvas: Canvas,
    closeness: float,
    skyline: FloatArray,
    paint: Callable[[Band], FloatArray],
    *,
    bottom: int | None = None,
    phased: bool = False,
) -> ParallaxStrip:
    """Make a strip of a skyline (rows of the picture, PHASES samples a pixel) and the colours of its band."""
    travel = _travel(canvas, closeness)
    width = strip_width(canvas.width, travel)
    top = int(np.clip(skyline.min() - 2, 0, canvas.height - 4))
    rows = (bottom or canvas.height) - top
    masks = skyline_masks(skyline - top, rows, width)
    band = Band(rows, width, top, skyline[::PHASES][:width] - top)
    colours = vignette(paint(band), canvas, top, int(np.ceil(travel)))
    return ParallaxStrip(canvas, top, travel, colours, masks, phased=phased)


def _samples(canvas: Canvas, closeness: float) -> int:
    return (strip_width(canvas.width, _travel(canvas, closeness)) + 3) * PHASES


def hills(
    canvas: Canvas,
    closeness: float,
    base: float,
    height: float,
    sun_x: float,
    *,
    sharpness: float,
    snow: float = 0.0,
    bottom: int | None = None,
    gaps: bool = False,
    moonlight: Colour | None = None,
) -> ParallaxStrip:
    """Draw a ridge with light on its flanks; snow is how much of it is white, gaps let it sink away in places."""
    count = _samples(canvas, closeness)
    ratio = canvas.width / canvas.height
    elevation = ridge_line(canvas.rng, count, (1.6 + 2.2 * closeness) * ratio**0.6, 7, sharpness)
    if gaps:
        elevation = elevation * 1.5 - 0.6
    skyline = (base - height * (elevation - 0.35)) * canvas.height
    tone = _tone(canvas, closeness)
    mist = blend(canvas.palette.horizon, canvas.palette.glow, 0.12)

    def paint(band: Band) -> FloatArray:
        below = band.below_skyline() / (canvas.height * max(0.06, height))
        cells = (band.width / canvas.unit / 55, band.rows / canvas.unit / 70)
        flank = fractal_noise(canvas.rng, band.size, cells, 5)
        blur = max(3, round(16 * canvas.unit))
        even = np.convolve(np.pad(band.skyline, blur, "edge"), np.ones(2 * blur + 1) / (2 * blur + 1), "valid")
        slope = np.clip(np.gradient(even), -1.5, 1.5)
        across = np.arange(band.width) - (band.width - canvas.width) / 2
        facing = np.tanh((sun_x - across) / (0.25 * canvas.width)) * -slope * 0.5
        lit = np.clip(0.5 + facing[None, :] * 0.5 + (flank - 0.5) * 1.1, 0, 1)
        colours = tone * (0.86 + 0.28 * lit)[..., None]
        if moonlight is not None:
            colours = blend(colours, np.asarray(moonlight), lit**2 * 0.2 * np.exp(-below * 1.2))
        if snow:
            depth = flank * 0.8 + 0.46 * snow - below * 0.12 - np.abs(slope)[None, :] * 0.12 + 0.08
            cover = np.clip(smoothstep(0.32, 0.66, depth) * snow, 0, 1)
            shadow = blend(canvas.palette.middle, canvas.palette.horizon, 0.45)
            white = blend(shadow, canvas.palette.glow, 0.25 + 0.6 * lit)
            colours = blend(colours, white * (1 - 0.3 * closeness), cover * (1 - 0.25 * closeness))
        near_light = np.exp(-(((across - sun_x) / (0.33 * canvas.width)) ** 2))[None, :]
        rim = np.exp(-np.clip(below, 0, None) * 26) * near_light
        colours = blend(colours, canvas.palette.glow, rim * 0.4 * (1 - 0.5 * closeness))
        return blend(colours, mist, smoothstep(0.15, 2.1, below) * 0.5 * (1 - closeness) ** 0.8)

    return _make_strip(canvas, closeness, skyline, paint, bottom=bottom)


def dunes(canvas: Canvas, closeness: float, base: float, height: float) -> ParallaxStrip:
    """Draw rolling sand: a bright side, a dark side, and ripples."""
    count = _samples(canvas, closeness)
    elevation = ridge_line(canvas.rng, count, (1.2 + closeness) * (canvas.width / canvas.height) ** 0.6, 3, 0.55)
    elevation = np.convolve(np.pad(elevation, 12, "edge"), np.ones(25) / 25, "valid")
    skyline = (base - height * (elevation - 0.3)) * canvas.height
    air = blend(canvas.palette.horizon, canvas.palette.middle, 0.5)
    sand = blend(air, canvas.palette.foreground, 0.1 + 0.72 * closeness)
    bright = blend(canvas.palette.horizon, canvas.palette.glow, 0.25) * (1 - 0.45 * closeness)

    def paint(band: Band) -> FloatArray:
        below = np.clip(band.below_skyline() / (canvas.height * height), 0, 4)
        crest = ridge_line(canvas.rng, band.width, 2.2 + closeness, 3, 0.4)[None, :] * 1.6 - 0.4
        swell = fractal_noise(canvas.rng, band.size, (5, 4), 3)
        face = smoothstep(-0.5, 0.5, crest - below * 0.5 + (swell - 0.5) * 0.45)
        wave = below * (38 + 30 * closeness) + swell * 26 + np.arange(band.width)[None, :] / canvas.unit / 30
        ripples = np.sin(wave) * 0.02 * closeness
        colours = blend(sand * 0.72, bright, np.clip(face * 0.72 + ripples, 0, 1))
        rim = np.exp(-below * 22)
        return blend(colours, canvas.palette.glow, rim * 0.35 * (1 - 0.4 * closeness))

    return _make_strip(canvas, closeness, skyline, paint)


def conifers(
    canvas: Canvas, closeness: float, base: float, height: float, *, bottom: int | None = None
) -> ParallaxStrip:
    """Draw a row of firs with ragged edges."""
    count = _samples(canvas, closeness)
    rng = canvas.rng
    ground = (base - 0.05 * (ridge_line(rng, count, 2.5, 4, 0.3) - 0.5)) * canvas.height
    skyline = ground.copy()
    tallest = height * canvas.height
    centre = 0.0
    while centre < count:
        size = tallest * rng.uniform(0.35, 1.0)
        half = int(size * rng.uniform(0.16, 0.23) * PHASES) + 1
        columns = np.arange(max(0, int(centre) - half), min(count, int(centre) + half))
        if len(columns):
            side = np.abs(columns - centre) / half
            tiers = (side * 8 + rng.random()) % 1
            rise = (
                size * (1 - side**0.82) * (1 - 0.16 * tiers * (side > 0.04))
                - size * 0.04 * rng.random(len(columns)).cumsum() % 0.6
            )
            skyline[columns] = np.minimum(skyline[columns], ground[columns] - np.clip(rise, 0, None))
        centre += half * rng.uniform(0.22, 0.95)
    undergrowth = 0.16 + 0.3 * ridge_line(rng, count, 9, 4, 0.5)  # fills the gaps between the trees
    skyline = np.minimum(skyline, ground - tallest * undergrowth)
    tone = _tone(canvas, closeness)
    mist = blend(canvas.palette.horizon, canvas.palette.glow, 0.2)

    def paint(band: Band) -> FloatArray:
        down = (np.arange(band.rows, dtype=np.float32) + band.top)[:, None] / canvas.height
        fade = smoothstep(base - height, base + 0.12, down) * 0.62 * (1 - closeness) ** 0.7
        return blend(np.broadcast_to(tone, (*band.shape, 3)), mist, np.broadcast_to(fade, band.shape))

    return _make_strip(canvas, closeness, skyline, paint, bottom=bottom)


def rocks(canvas: Canvas, sun_x: float) -> ParallaxStrip:
    """Draw dark stones in the foreground, at the side away from the light."""
    closeness = 0.9
    count = _samples(canvas, closeness)
    side = np.linspace(-1, 1, count) * (1 if sun_x < canvas.width / 2 else -1)
    elevation = ridge_line(canvas.rng, count, 5, 6, 0.75) * smoothstep(-0.1, 0.9, side)
    skyline = (1.02 - 0.27 * elevation) * canvas.height

    def paint(band: Band) -> FloatArray:
        cells = (band.width / canvas.unit / 40, band.rows / canvas.unit / 30)
        stone = fractal_noise(canvas.rng, band.size, cells, 5)
        rim = np.exp(-np.clip(band.below_skyline(), 0, None) / (7 * canvas.unit))
        return blend(_tone(canvas, 1) * (0.7 + 0.9 * stone)[..., None], canvas.palette.horizon, rim * 0.3 * stone)

    return _make_strip(canvas, closeness, skyline, paint)


@dataclass(frozen=True, slots=True)
class Tower:
    """The edges of a building in pixels, and the row of its roof."""

    left: int
    right: int
    roof: float


def buildings(canvas: Canvas, closeness: float, horizon: int, height: float) -> ParallaxStrip:
    """Draw towers with lit windows; they stand on the horizon's row."""
    rng, count = canvas.rng, _samples(canvas, closeness)
    skyline = np.full(count, float(horizon - 2))
    tone = _tone(canvas, 0.25 + 0.6 * closeness)
    lamps = blend((255, 206, 140), canvas.palette.glow, rng.random(40) * 0.9)
    left, towers = 0, []
    while left < count:
        width = int(rng.uniform(26, 84) * canvas.unit * (0.7 + 0.6 * closeness) * PHASES)
        rise = (0.24 + 0.76 * rng.random() ** 2) * height * canvas.height
        skyline[left : left + width] = horizon - rise
        if rng.random() < 0.35:
            middle, mast = left + width // 2, max(2, int(2.4 * canvas.unit * PHASES))
            skyline[middle : middle + mast] = horizon - rise * 1.13 - 6 * canvas.unit
        towers.append(Tower(left // PHASES, (left + width) // PHASES, horizon - rise))
        left += width + int(rng.uniform(0, 9) * canvas.unit * PHASES)

    def paint(band: Band) -> FloatArray:
        down = np.linspace(0, 1, band.rows, dtype=np.float32)[:, None]
        haze = blend(canvas.palette.horizon, canvas.palette.middle, 0.3)
        haze_weight = np.broadcast_to(down**2 * 0.5 * (1.1 - closeness), band.shape)
        colours = blend(np.broadcast_to(tone, (*band.shape, 3)), haze, haze_weight)
        for tower in towers:
            _light_windows(colours, canvas, band, tower, lamps, closeness)
        return colours

    return _make_strip(canvas, closeness, skyline, paint, bottom=horizon, phased=True)


def _light_windows(
    colours: FloatArray, canvas: Canvas, band: Band, tower: Tower, lamps: FloatArray, closeness: float
) -> None:
    """Paint one tower and some of its windows, in place."""
    rng = canvas.rng
    pitch = max(3, round((6.5 + 4 * closeness) * canvas.unit))
    pane = max(1, round(pitch * 0.55))
    lit_share = rng.uniform(0.15, 0.62)
    lamp = lamps[rng.integers(len(lamps))]
    colours[:, tower.left : tower.right] *= rng.uniform(0.82, 1.12)
    for row in range(int(tower.roof - band.top) + pitch, band.rows - pane, pitch):
        for column in range(tower.left + pitch // 2 + 1, min(tower.right, band.width) - pane, pitch):
            if rng.random() < lit_share:
                strength = rng.uniform(0.3, 1) * (0.6 + 0.4 * closeness)
                window = colours[row : row + pane, column : column + pane]
                window += (lamp - window) * strength


def volcanic_cone(canvas: Canvas, x: float, top: float) -> ParallaxStrip:
    """Draw a volcano with an open crater at a position in pixels, and lava on its flanks."""
    closeness, rng = 0.3, canvas.rng
    count = _samples(canvas, closeness)
    middle = (x + np.ceil(_travel(canvas, closeness))) * PHASES
    across = np.abs(np.arange(count) - middle) / PHASES / canvas.unit
    roughness = ridge_line(rng, count, 14, 6, 0.6) - 0.5
    fall = np.clip(across - 38, 0, None)
    crater = 8 * (across < 38) * np.cos(across / 24)
    skyline = top + (fall**0.92 * 0.92 + roughness * np.clip(fall * 0.16, 2, 26) + crater) * canvas.unit
    skyline = np.minimum(skyline, canvas.height * 0.8)
    tone = _tone(canvas, 0.62)

    def paint(band: Band) -> FloatArray:
        down = np.arange(band.rows, dtype=np.float32)[:, None] / canvas.unit
        aside = (np.arange(band.width, dtype=np.float32)[None, :] - middle / PHASES) / canvas.unit
        cells = (band.width / canvas.unit / 40, band.rows / canvas.unit / 60)
        rock = fractal_noise(rng, band.size, cells, 5)
        colours = tone * (0.55 + 0.9 * rock)[..., None]
        heat = np.zeros((band.rows, band.width), np.float32)
        for _ in range(4):
            bend, drift, wave = rng.uniform(-0.62, 0.62), rng.uniform(4, 16), rng.uniform(20, 46)
            path = bend * down + np.sin(down / wave + rng.random() * 6) * drift * np.clip(down / 60, 0, 1)
            width = 3.5 + 5 * np.exp(-down / 60)
            flow = np.exp(-(((aside - path) / width) ** 2)) + 0.35 * np.exp(-np.abs(aside - path) / 24)
            heat += flow * np.exp(-down / rng.uniform(110, 230)) * (0.45 + 0.8 * rock)
        heat += 0.9 * np.exp(-np.hypot(aside, down) / 42)
        colours = blend(colours, (255, 74, 22), np.clip(heat, 0, 1) * 0.92)
        return blend(colours, (255, 226, 150), smoothstep(0.72, 1.5, heat))

    return _make_strip(canvas, closeness, skyline, paint)


def fog(canvas: Canvas, closeness: float, level: float, *, thin: bool = False) -> ParallaxStrip:
    """Draw a bank of mist that drifts a little faster than the land behind it."""
    travel = _travel(canvas, closeness) * 1.7
    width = strip_width(canvas.width, travel)
    rows = int(canvas.height * (0.07 if thin else 0.2))
    top = int(min(level * canvas.height - rows * 0.5, canvas.height - rows))
    shape = fractal_noise(canvas.rng, (width, rows), (width / rows * 0.55, 1.6), 4)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    mask = smoothstep(0.25, 0.95, shape) * np.sin(down * np.pi).clip(0) ** 1.5 * (0.62 - 0.4 * closeness)
    tone = blend(canvas.palette.horizon, canvas.palette.glow, 0.22 * (1 - closeness))
    colours = vignette(np.broadcast_to(tone * (1 - 0.35 * closeness), (rows, width, 3)), canvas, top, int(travel))
    return ParallaxStrip(canvas, top, travel, colours, [mask], soft=True)


def smoke(canvas: Canvas, x: float, top: float) -> ParallaxStrip:
    """Draw smoke that leans away from a crater at a position in pixels, lit from below."""
    travel = _travel(canvas, 0.45)
    width, rows = strip_width(canvas.width, travel), int(top + 14 * canvas.unit)
    rise = (rows - np.arange(rows, dtype=np.float32)[:, None]) / canvas.unit
    lean = canvas.rng.choice((-1, 1)) * canvas.rng.uniform(0.25, 0.5)
    aside = (np.arange(width, dtype=np.float32)[None, :] - x - travel) / canvas.unit - lean * rise**1.12
    puffs = fractal_noise(canvas.rng, (width, rows), (width / canvas.unit / 110, rows / canvas.unit / 80), 6)
    spread = 24 + rise * 0.4
    core = np.exp(-((aside / spread) ** 2))
    body = core * 1.25 + (puffs - 0.5) * 1.5 * np.sqrt(core)
    mask = smoothstep(0.3, 0.95, body) * (1 - smoothstep(150, 620, rise) * 0.75) * 0.9
    shade = blend(canvas.palette.foreground, canvas.palette.middle, 0.25 + 0.6 * puffs)
    colours = blend(shade, (255, 120, 52), np.exp(-rise / 85) * (0.35 + 0.6 * puffs))
    return ParallaxStrip(canvas, 0, travel, colours, [mask], soft=True)
