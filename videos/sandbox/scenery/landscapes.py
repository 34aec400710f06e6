"""Landscapes: each function returns a sky of RGB floats and the layers in front of it, from far to near."""

import numpy as np

from .canvas import Canvas
from .layers import AnimatedLight, Layer, Particles, Water
from .noise import FloatArray, blend
from .silhouettes import buildings, conifers, dunes, fog, hills, rocks, smoke, volcanic_cone
from .sky import (
    World,
    add_clouds,
    add_nebula,
    add_planet,
    add_stars,
    add_sun,
    aurora_curtains,
    gradient,
    light_shafts,
)

Landscape = tuple[FloatArray, list[Layer]]

WORLDS = (
    World((206, 120, 72), (250, 208, 150), (255, 190, 140)),
    World((34, 84, 148), (196, 222, 240), (140, 200, 255)),
    World((120, 74, 132), (232, 184, 190), (236, 190, 255)),
    World((70, 120, 116), (214, 226, 190), (190, 255, 226)),
)
MOON = World((70, 70, 78), (180, 176, 170), (120, 130, 150))


def _place_sun(canvas: Canvas, low: float, high: float) -> tuple[float, float]:
    """Choose a position in pixels, at the left or right, between two fractions of the height."""
    side = canvas.rng.choice((0.3, 0.7)) + canvas.rng.uniform(-0.09, 0.09)
    return side * canvas.width, canvas.rng.uniform(low, high) * canvas.height


def mountains(canvas: Canvas) -> Landscape:
    horizon = canvas.height * 0.62
    sun_x, sun_y = _place_sun(canvas, 0.26, 0.42)
    sky = gradient(canvas, horizon)
    if canvas.palette.is_dark:
        sky = add_stars(sky, canvas, horizon, 0.6)
    sky = add_sun(add_clouds(sky, canvas, horizon), canvas, sun_x, sun_y, canvas.rng.uniform(30, 52))
    layers: list[Layer] = []
    for number in range(5):
        closeness = number / 4
        base, height, sharpness = 0.53 + 0.085 * number, 0.2 + 0.02 * number, 0.9 - 0.35 * closeness
        layers.append(hills(canvas, closeness, base, height, sun_x, sharpness=sharpness))
        if number < 4:
            layers.append(fog(canvas, closeness, 0.6 + 0.085 * number))
    layers.append(Particles(canvas, 26, canvas.palette.glow, 1.5, strength=0.5))
    return sky, layers


def snow(canvas: Canvas) -> Landscape:
    horizon = canvas.height * 0.6
    sun_x, sun_y = _place_sun(canvas, 0.22, 0.36)
    sky = add_sun(add_clouds(gradient(canvas, horizon), canvas, horizon), canvas, sun_x, sun_y, 34)
    layers: list[Layer] = []
    for number in range(4):
        closeness = number / 4
        base, height, sharpness = 0.46 + 0.1 * number, 0.3 - 0.03 * number, 1 - 0.5 * closeness
        layers.append(hills(canvas, closeness, base, height, sun_x, sharpness=sharpness, snow=0.9))
        layers.append(fog(canvas, closeness, 0.6 + 0.09 * number))
    layers.append(conifers(canvas, 0.8, 0.9, 0.13))
    layers.append(hills(canvas, 1.0, 0.9, 0.06, sun_x, sharpness=0.1, snow=1.9))
    flakes = Particles(canvas, 110, (255, 255, 255), 2.0, rises=(-1, -1, -2), sway=0.025, flicker=1, strength=0.8)
    return sky, [*layers, flakes]


def sea(canvas: Canvas) -> Landscape:
    horizon = int(canvas.height * 0.58)
    sun_x, sun_y = _place_sun(canvas, 0.3, 0.47)
    sky = gradient(canvas, horizon)
    if canvas.palette.is_dark:
        sky = add_stars(sky, canvas, horizon, 0.6)
    sky = add_sun(add_clouds(sky, canvas, horizon, 0.7), canvas, sun_x, sun_y, canvas.rng.uniform(34, 60))
    tint = blend(canvas.palette.middle, canvas.palette.foreground, 0.6)
    return sky, [
        hills(canvas, 0.05, 0.555, 0.1, sun_x, sharpness=0.7, bottom=horizon),
        hills(canvas, 0.3, 0.575, 0.075, sun_x, sharpness=0.8, bottom=horizon, gaps=True),
        Water(canvas, horizon, tint, canvas.palette.glow, sun_x),
        fog(canvas, 0.1, 0.575, thin=True),
        rocks(canvas, sun_x),
    ]


def desert(canvas: Canvas) -> Landscape:
    horizon = canvas.height * 0.56
    sun_x, sun_y = _place_sun(canvas, 0.28, 0.44)
    sky = add_clouds(gradient(canvas, horizon), canvas, horizon, 0.35)
    sky = add_sun(sky, canvas, sun_x, sun_y, canvas.rng.uniform(48, 84))
    layers: list[Layer] = [hills(canvas, 0.05, 0.53, 0.09, sun_x, sharpness=0.5)]
    for number in range(4):
        closeness = 0.2 + number * 0.26
        layers.append(dunes(canvas, closeness, 0.56 + 0.1 * number, 0.09 + 0.035 * number))
        if number < 3:
            layers.append(fog(canvas, closeness * 0.7, 0.62 + 0.1 * number, thin=True))
    layers.append(Particles(canvas, 50, canvas.palette.glow, 1.3, sway=0.05, strength=0.55))
    return sky, layers


def forest(canvas: Canvas) -> Landscape:
    sun_x, sun_y = _place_sun(canvas, 0.2, 0.34)
    sky = add_sun(gradient(canvas, canvas.height * 0.72), canvas, sun_x, sun_y, 34)
    layers: list[Layer] = [hills(canvas, 0.05, 0.5, 0.16, sun_x, sharpness=0.5)]
    for number in range(4):
        closeness = 0.16 + number * 0.26
        layers.append(conifers(canvas, closeness, 0.66 + 0.135 * number, 0.15 + 0.09 * number))
        if number < 3:
            layers.append(fog(canvas, closeness * 0.8, 0.66 + 0.1 * number))
    layers.append(AnimatedLight((0, 0, *canvas.size), light_shafts(canvas, sun_x, 0.5), canvas.palette.glow))
    layers.append(Particles(canvas, 34, (255, 240, 170), 2.1, rises=(0, 0, 1)))
    return sky, layers


def city(canvas: Canvas) -> Landscape:
    horizon = int(canvas.height * 0.7)
    moon_x, moon_y = _place_sun(canvas, 0.28, 0.42)
    sky = add_clouds(add_stars(gradient(canvas, horizon), canvas, horizon, 0.4), canvas, horizon, 0.6)
    sky = add_sun(sky, canvas, moon_x, moon_y, 40)
    far, middle, near = (buildings(canvas, 0.12 + 0.29 * row, horizon, 0.3 + 0.1 * row) for row in range(3))
    far_fog, near_fog = fog(canvas, 0.1, 0.62), fog(canvas, 0.4, 0.66)
    tint = blend(canvas.palette.zenith, canvas.palette.foreground, 0.7)
    water = Water(canvas, horizon, tint, canvas.palette.glow, moon_x, calmness=0.8)
    return sky, [far, far_fog, middle, near_fog, near, water]


def aurora(canvas: Canvas) -> Landscape:
    horizon = int(canvas.height * 0.66)
    sky = add_stars(gradient(canvas, horizon), canvas, horizon, 1.5)
    middle = canvas.width * 0.5
    return sky, [
        AnimatedLight((0, 0, canvas.width, horizon), aurora_curtains(canvas, horizon)),
        hills(canvas, 0.12, 0.56, 0.2, middle, sharpness=1.0, snow=0.42, bottom=horizon),
        hills(canvas, 0.5, 0.62, 0.11, middle, sharpness=0.8, bottom=horizon),
        conifers(canvas, 0.75, 0.655, 0.055, bottom=horizon),
        Water(canvas, horizon, np.array((6.0, 22.0, 34.0)), (170, 255, 214), middle, calmness=0.55),
        fog(canvas, 0.2, 0.65, thin=True),
    ]


def space(canvas: Canvas) -> Landscape:
    rng = canvas.rng
    tones = ((60, 96, 216), (216, 72, 160)) if rng.random() < 0.5 else ((24, 150, 168), (226, 120, 60))
    sky = np.zeros((canvas.height, canvas.width, 3), np.float32) + np.asarray((4, 6, 15), np.float32)
    sky = add_stars(add_nebula(sky, canvas, tones), canvas, canvas.height, 1.7)
    x, y = rng.uniform(0.56, 0.74) * canvas.width, rng.uniform(0.36, 0.52) * canvas.height
    radius, world = rng.uniform(190, 260), WORLDS[rng.integers(len(WORLDS))]
    sky = add_planet(sky, canvas, x, y, radius, world, ring=rng.random() < 0.6)
    moon_x, moon_y = rng.uniform(0.14, 0.28) * canvas.width, rng.uniform(0.2, 0.4) * canvas.height
    sky = add_planet(sky, canvas, moon_x, moon_y, rng.uniform(28, 52), MOON)
    light_x = canvas.width * 0.1
    return sky, [
        hills(canvas, 0.6, 0.86, 0.1, light_x, sharpness=0.6, moonlight=tones[0]),
        hills(canvas, 1.0, 0.94, 0.09, light_x, sharpness=0.7, moonlight=tones[0]),
        Particles(canvas, 70, (214, 228, 255), 1.2, rises=(0,), sway=0.004, strength=0.9),
    ]


def volcano(canvas: Canvas) -> Landscape:
    horizon = canvas.height * 0.66
    x, top = canvas.width * canvas.rng.uniform(0.4, 0.6), canvas.height * 0.36
    sky = add_stars(gradient(canvas, horizon), canvas, horizon, 0.9)
    if "space" in canvas.subjects:
        side = 0.2 if x > canvas.width / 2 else 0.8
        sky = add_planet(sky, canvas, canvas.width * side, canvas.height * 0.22, 105, WORLDS[0], ring=True)
    sky = add_sun(sky, canvas, x, top, 0, disc=False)
    centre = x / canvas.width
    return sky, [
        hills(canvas, 0.1, 0.62, 0.13, x, sharpness=0.9),
        smoke(canvas, x, top),
        volcanic_cone(canvas, x, top),
        fog(canvas, 0.2, 0.68),
        hills(canvas, 0.65, 0.74, 0.12, x, sharpness=0.8),
        fog(canvas, 0.6, 0.8),
        hills(canvas, 1.0, 0.87, 0.1, x, sharpness=0.7),
        Particles(
            canvas,
            70,
            (255, 170, 80),
            2.0,
            rises=(1, 1, 2),
            sway=0.03,
            area=(centre - 0.3, centre + 0.3),
            flicker=3,
        ),
        Particles(canvas, 40, (255, 120, 50), 1.3, rises=(1, 2), sway=0.05),
    ]


def underwater(canvas: Canvas) -> Landscape:
    x = canvas.width * canvas.rng.uniform(0.35, 0.65)
    sky = add_sun(gradient(canvas, canvas.height * 0.95), canvas, x, -60 * canvas.unit, 0, disc=False)
    layers: list[Layer] = []
    for number in range(4):
        layers.append(hills(canvas, 0.1 + number * 0.29, 0.6 + 0.1 * number, 0.17, x, sharpness=0.75))
    layers.insert(2, AnimatedLight((0, 0, *canvas.size), light_shafts(canvas, x, 0.8), canvas.palette.glow))
    bubbles = Particles(canvas, 80, (190, 244, 250), 2.0, rises=(1, 1, 2), flicker=1, strength=0.6)
    return sky, [*layers, bubbles]
