"""Silhouettes: hills, dunes, trees, buildings, fog; near goes from 0 (at the horizon) to 1 (before the lens).

Heights are fractions of the picture: base is the line a shape stands on, tall how far it rises above it.
"""

import numpy as np

from .layers import PHASES, ParallaxStrip, reach, skyline_masks
from .noise import Array, cloud, mix, ridge, smoothstep
from .sky import Canvas, vignette


def _travel(canvas: Canvas, near: float) -> float:
    return canvas.width * (0.006 + 0.05 * near**1.4)


def _tone(canvas: Canvas, near: float) -> Array:
    """The colour of things at a distance: the air's at the horizon, nearly black close by."""
    air = mix(canvas.palette.horizon, canvas.palette.middle, 0.45)
    return mix(air, canvas.palette.near, np.clip(0.18 + 0.9 * near**0.75, 0, 1))


def _lay(
    canvas: Canvas, near: float, heights: Array, colours, *, bottom: int | None = None, phased=False
) -> ParallaxStrip:
    """Make a strip of a skyline (rows from the picture's top) and a function that colours its band."""
    travel = _travel(canvas, near)
    wide = reach(canvas.width, travel)
    top = int(np.clip(heights.min() - 2, 0, canvas.height - 4))
    rows = (bottom or canvas.height) - top
    masks = skyline_masks(heights - top, rows, wide)
    line = heights[::PHASES][:wide] - top
    look = vignette(colours(rows, wide, top, line), canvas, top, int(np.ceil(travel)))
    return ParallaxStrip(canvas.width, top, travel, look, masks, canvas.rng, phased=phased)


def _samples(canvas: Canvas, near: float) -> int:
    return (reach(canvas.width, _travel(canvas, near)) + 3) * PHASES


def range_of_hills(
    canvas, near, base, tall, light, *, sharp, snow=0.0, bottom=None, gaps=False, moonlit=None
) -> ParallaxStrip:
    """A ridge with light on its flanks; snow is how much of it is white, gaps lets it sink away in places."""
    count = _samples(canvas, near)
    shape = canvas.width / canvas.height
    rises = ridge(canvas.rng, count, (1.6 + 2.2 * near) * shape**0.6, 7, sharp)
    if gaps:
        rises = rises * 1.5 - 0.6
    heights = (base - tall * (rises - 0.35)) * canvas.height
    tone = _tone(canvas, near)
    mist = mix(canvas.palette.horizon, canvas.palette.glow, 0.12)

    def colours(rows, wide, top, line):
        down = np.arange(rows, dtype=np.float32)[:, None]
        below = (down - line[None, :]) / (canvas.height * max(0.06, tall))
        flank = cloud(canvas.rng, (wide, rows), (wide / canvas.unit / 55, rows / canvas.unit / 70), 5)
        blur = max(3, round(16 * canvas.unit))
        even = np.convolve(np.pad(line, blur, "edge"), np.ones(2 * blur + 1) / (2 * blur + 1), "valid")
        slope = np.clip(np.gradient(even), -1.5, 1.5)
        across = np.arange(wide) - (wide - canvas.width) / 2
        facing = np.tanh((light[0] - across) / (0.25 * canvas.width)) * -slope * 0.5
        lit = np.clip(0.5 + facing[None, :] * 0.5 + (flank - 0.5) * 1.1, 0, 1)
        picture = tone * (0.86 + 0.28 * lit)[..., None]
        if moonlit is not None:
            picture = mix(picture, np.asarray(moonlit), lit**2 * 0.2 * np.exp(-below * 1.2))
        if snow:
            cover = np.clip(
                smoothstep(
                    0.32,
                    0.66,
                    flank * 0.8 + 0.46 * snow - below * 0.12 - np.abs(slope)[None, :] * 0.12 + 0.08,
                )
                * snow,
                0,
                1,
            )
            white = mix(mix(canvas.palette.middle, canvas.palette.horizon, 0.45), canvas.palette.glow, 0.25 + 0.6 * lit)
            picture = mix(picture, white * (1 - 0.3 * near), cover * (1 - 0.25 * near))
        rim = (
            np.exp(-np.clip(below, 0, None) * 26)
            * np.exp(-(((across - light[0]) / (0.33 * canvas.width)) ** 2))[None, :]
        )
        picture = mix(picture, canvas.palette.glow, rim * 0.4 * (1 - 0.5 * near))
        return mix(picture, mist, smoothstep(0.15, 2.1, below) * 0.5 * (1 - near) ** 0.8)

    return _lay(canvas, near, heights, colours, bottom=bottom)


def dunes(canvas: Canvas, near: float, base: float, tall: float, light) -> ParallaxStrip:
    """Rolling sand: a bright side, a dark side, and ripples."""
    count = _samples(canvas, near)
    rises = ridge(canvas.rng, count, (1.2 + near) * (canvas.width / canvas.height) ** 0.6, 3, 0.55)
    rises = np.convolve(np.pad(rises, 12, "edge"), np.ones(25) / 25, "valid")
    heights = (base - tall * (rises - 0.3)) * canvas.height
    sand = mix(mix(canvas.palette.horizon, canvas.palette.middle, 0.5), canvas.palette.near, 0.1 + 0.72 * near)
    bright = mix(canvas.palette.horizon, canvas.palette.glow, 0.25) * (1 - 0.45 * near)

    def colours(rows, wide, top, line):
        down = np.arange(rows, dtype=np.float32)[:, None]
        below = np.clip((down - line[None, :]) / (canvas.height * tall), 0, 4)
        knife = ridge(canvas.rng, wide, 2.2 + near, 3, 0.4)[None, :] * 1.6 - 0.4
        swell = cloud(canvas.rng, (wide, rows), (5, 4), 3)
        face = smoothstep(-0.5, 0.5, knife - below * 0.5 + (swell - 0.5) * 0.45)
        ripples = (
            np.sin(below * (38 + 30 * near) + swell * 26 + np.arange(wide)[None, :] / canvas.unit / 30) * 0.02 * near
        )
        picture = mix(sand * 0.72, bright, np.clip(face * 0.72 + ripples, 0, 1))
        rim = np.exp(-below * 22)
        return mix(picture, canvas.palette.glow, rim * 0.35 * (1 - 0.4 * near))

    return _lay(canvas, near, heights, colours)


def conifers(canvas: Canvas, near: float, base: float, tall: float, bottom: int | None = None) -> ParallaxStrip:
    """A row of firs with ragged edges."""
    count = _samples(canvas, near)
    rng, height = canvas.rng, canvas.height
    ground = (base - 0.05 * (ridge(rng, count, 2.5, 4, 0.3) - 0.5)) * height
    heights = ground.copy()
    span = tall * height
    at = 0.0
    while at < count:
        size = span * rng.uniform(0.35, 1.0)
        half = int(size * rng.uniform(0.16, 0.23) * PHASES) + 1
        steps = np.arange(max(0, int(at) - half), min(count, int(at) + half))
        if len(steps):
            side = np.abs(steps - at) / half
            tiers = (side * 8 + rng.random()) % 1
            rise = (
                size * (1 - side**0.82) * (1 - 0.16 * tiers * (side > 0.04))
                - size * 0.04 * rng.random(len(steps)).cumsum() % 0.6
            )
            heights[steps] = np.minimum(heights[steps], ground[steps] - np.clip(rise, 0, None))
        at += half * rng.uniform(0.22, 0.95)
    thicket = 0.16 + 0.3 * ridge(rng, count, 9, 4, 0.5)  # lower trees fill the gaps
    heights = np.minimum(heights, ground - span * thicket)
    tone = _tone(canvas, near)
    mist = mix(canvas.palette.horizon, canvas.palette.glow, 0.2)

    def colours(rows, wide, top, line):
        down = (np.arange(rows, dtype=np.float32) + top)[:, None] / height
        fade = smoothstep(base - tall, base + 0.12, down) * 0.62 * (1 - near) ** 0.7
        return mix(np.broadcast_to(tone, (rows, wide, 3)), mist, np.broadcast_to(fade, (rows, wide)))

    return _lay(canvas, near, heights, colours, bottom=bottom)


def rocks(canvas: Canvas, light) -> ParallaxStrip:
    """Dark stones at one side of the foreground."""
    count = _samples(canvas, 0.9)
    side = np.linspace(-1, 1, count) * (1 if light[0] < canvas.width / 2 else -1)
    rises = ridge(canvas.rng, count, 5, 6, 0.75) * smoothstep(-0.1, 0.9, side)
    heights = (1.02 - 0.27 * rises) * canvas.height

    def colours(rows, wide, top, line):
        below = np.arange(rows, dtype=np.float32)[:, None] - line[None, :]
        stone = cloud(canvas.rng, (wide, rows), (wide / canvas.unit / 40, rows / canvas.unit / 30), 5)
        rim = np.exp(-np.clip(below, 0, None) / (7 * canvas.unit))
        return mix(_tone(canvas, 1) * (0.7 + 0.9 * stone)[..., None], canvas.palette.horizon, rim * 0.3 * stone)

    return _lay(canvas, 0.9, heights, colours)


def skyline(canvas: Canvas, near: float, horizon: int, tall: float) -> ParallaxStrip:
    """Towers with lit windows; they stand on the horizon's row."""
    rng, count = canvas.rng, _samples(canvas, near)
    heights = np.full(count, float(horizon - 2))
    tone = _tone(canvas, 0.25 + 0.6 * near)
    lamps = mix((255, 206, 140), canvas.palette.glow, rng.random(40) * 0.9)
    at, towers = 0, []
    while at < count:
        broad = int(rng.uniform(26, 84) * canvas.unit * (0.7 + 0.6 * near) * PHASES)
        rise = (0.24 + 0.76 * rng.random() ** 2) * tall * canvas.height
        heights[at : at + broad] = horizon - rise
        if rng.random() < 0.35:
            middle, thin = at + broad // 2, max(2, int(2.4 * canvas.unit * PHASES))
            heights[middle : middle + thin] = horizon - rise * 1.13 - 6 * canvas.unit
        towers.append((at // PHASES, (at + broad) // PHASES, horizon - rise))
        at += broad + int(rng.uniform(0, 9) * canvas.unit * PHASES)

    def colours(rows, wide, top, line):
        down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
        haze = mix(canvas.palette.horizon, canvas.palette.middle, 0.3)
        picture = mix(
            np.broadcast_to(tone, (rows, wide, 3)),
            haze,
            np.broadcast_to(down**2 * 0.5 * (1.1 - near), (rows, wide)),
        )
        picture = np.array(picture)
        pitch = max(3, round((6.5 + 4 * near) * canvas.unit))
        pane = max(1, round(pitch * 0.55))
        for left, right, roof in towers:
            lit = rng.uniform(0.15, 0.62)
            lamp = lamps[rng.integers(40)]
            picture[:, left:right] *= rng.uniform(0.82, 1.12)
            for row in range(int(roof - top) + pitch, rows - pane, pitch):
                for column in range(left + pitch // 2 + 1, min(right, wide) - pane, pitch):
                    if rng.random() < lit:
                        power = rng.uniform(0.3, 1) * (0.6 + 0.4 * near)
                        spot = picture[row : row + pane, column : column + pane]
                        spot += (lamp - spot) * power
        return picture

    return _lay(canvas, near, heights, colours, bottom=horizon, phased=True)


def cone(canvas: Canvas, x: float, top: float) -> ParallaxStrip:
    """A volcano with an open crater and lava on its flanks."""
    near, rng = 0.3, canvas.rng
    count = _samples(canvas, near)
    middle = (x + np.ceil(_travel(canvas, near))) * PHASES
    across = np.abs(np.arange(count) - middle) / PHASES / canvas.unit
    rough = ridge(rng, count, 14, 6, 0.6) - 0.5
    fall = np.clip(across - 38, 0, None)
    heights = (
        top
        + (fall**0.92 * 0.92 + rough * np.clip(fall * 0.16, 2, 26) + 8 * (across < 38) * np.cos(across / 24))
        * canvas.unit
    )
    heights = np.minimum(heights, canvas.height * 0.8)
    tone = _tone(canvas, 0.62)

    def colours(rows, wide, top_row, line):
        down = np.arange(rows, dtype=np.float32)[:, None] / canvas.unit
        aside = (np.arange(wide, dtype=np.float32)[None, :] - middle / PHASES) / canvas.unit
        rock = cloud(rng, (wide, rows), (wide / canvas.unit / 40, rows / canvas.unit / 60), 5)
        picture = tone * (0.55 + 0.9 * rock)[..., None]
        heat = np.zeros((rows, wide), np.float32)
        for _ in range(4):
            bend, drift, wave = rng.uniform(-0.62, 0.62), rng.uniform(4, 16), rng.uniform(20, 46)
            path = bend * down + np.sin(down / wave + rng.random() * 6) * drift * np.clip(down / 60, 0, 1)
            wide_at = 3.5 + 5 * np.exp(-down / 60)
            flow = np.exp(-(((aside - path) / wide_at) ** 2)) + 0.35 * np.exp(-np.abs(aside - path) / 24)
            heat += flow * np.exp(-down / rng.uniform(110, 230)) * (0.45 + 0.8 * rock)
        heat += 0.9 * np.exp(-np.hypot(aside, down) / 42)
        picture = mix(picture, (255, 74, 22), np.clip(heat, 0, 1) * 0.92)
        return mix(picture, (255, 226, 150), smoothstep(0.72, 1.5, heat))

    return _lay(canvas, near, heights, colours)


def fog(canvas: Canvas, near: float, level: float, thin: bool = False) -> ParallaxStrip:
    """A bank of mist that drifts a little faster than the land behind it."""
    travel = _travel(canvas, near) * 1.7
    wide = reach(canvas.width, travel)
    rows = int(canvas.height * (0.07 if thin else 0.2))
    top = int(min(level * canvas.height - rows * 0.5, canvas.height - rows))
    shape = cloud(canvas.rng, (wide, rows), (wide / rows * 0.55, 1.6), 4)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    mask = smoothstep(0.25, 0.95, shape) * np.sin(down * np.pi).clip(0) ** 1.5 * (0.62 - 0.4 * near)
    tone = mix(canvas.palette.horizon, canvas.palette.glow, 0.22 * (1 - near))
    look = vignette(np.broadcast_to(tone * (1 - 0.35 * near), (rows, wide, 3)), canvas, top, int(travel))
    return ParallaxStrip(canvas.width, top, travel, look, [mask], canvas.rng, soft=True)


def plume(canvas: Canvas, x: float, top: float) -> ParallaxStrip:
    """Smoke that leans away from a crater, lit from below."""
    travel = _travel(canvas, 0.45)
    wide, rows = reach(canvas.width, travel), int(top + 14 * canvas.unit)
    rise = (rows - np.arange(rows, dtype=np.float32)[:, None]) / canvas.unit
    lean = canvas.rng.choice((-1, 1)) * canvas.rng.uniform(0.25, 0.5)
    aside = (np.arange(wide, dtype=np.float32)[None, :] - x - travel) / canvas.unit - lean * rise**1.12
    puffs = cloud(canvas.rng, (wide, rows), (wide / canvas.unit / 110, rows / canvas.unit / 80), 6)
    spread = 24 + rise * 0.4
    core = np.exp(-((aside / spread) ** 2))
    body = core * 1.25 + (puffs - 0.5) * 1.5 * np.sqrt(core)
    mask = smoothstep(0.3, 0.95, body) * (1 - smoothstep(150, 620, rise) * 0.75) * 0.9
    smoke = mix(canvas.palette.near, canvas.palette.middle, 0.25 + 0.6 * puffs)
    look = mix(smoke, (255, 120, 52), np.exp(-rise / 85) * (0.35 + 0.6 * puffs))
    return ParallaxStrip(canvas.width, 0, travel, look, [mask], canvas.rng, soft=True)
