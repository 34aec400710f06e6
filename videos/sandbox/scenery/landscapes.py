"""Landscapes: every function gives a sky (RGB floats) and the layers before it, far to near."""

import numpy as np

from . import silhouettes
from .layers import AnimatedLight, Layer, Particles, Water
from .noise import Array, mix
from .sky import Canvas, clouds, curtains, gradient, nebula, planet, shafts, shine, stars

Land = tuple[Array, list[Layer]]


def _sun(canvas: Canvas, low: float, high: float) -> tuple[float, float]:
    side = canvas.rng.choice((0.3, 0.7)) + canvas.rng.uniform(-0.09, 0.09)
    return side * canvas.width, canvas.rng.uniform(low, high) * canvas.height


def mountains(canvas: Canvas, named: list[str]) -> Land:
    horizon = canvas.height * 0.62
    x, y = _sun(canvas, 0.26, 0.42)
    sky = gradient(canvas, horizon)
    if sum(canvas.palette.zenith) < 90:
        sky = stars(sky, canvas, horizon, 0.6)
    sky = shine(clouds(sky, canvas, horizon), canvas, x, y, canvas.rng.uniform(30, 52))
    layers: list[Layer] = []
    for number in range(5):
        near = number / 4
        layers.append(
            silhouettes.range_of_hills(
                canvas, near, 0.53 + 0.085 * number, 0.2 + 0.02 * number, (x, y), sharp=0.9 - 0.35 * near
            )
        )
        if number < 4:
            layers.append(silhouettes.fog(canvas, near, 0.6 + 0.085 * number))
    layers.append(
        Particles((canvas.width, canvas.height), canvas.rng, 26, canvas.palette.glow, 1.5 * canvas.unit, power=0.5)
    )
    return sky, layers


def snow(canvas: Canvas, named: list[str]) -> Land:
    horizon = canvas.height * 0.6
    x, y = _sun(canvas, 0.22, 0.36)
    sky = shine(clouds(gradient(canvas, horizon), canvas, horizon), canvas, x, y, 34)
    layers: list[Layer] = []
    for number in range(4):
        near = number / 4
        layers.append(
            silhouettes.range_of_hills(
                canvas, near, 0.46 + 0.1 * number, 0.3 - 0.03 * number, (x, y), sharp=1 - 0.5 * near, snow=0.9
            )
        )
        layers.append(silhouettes.fog(canvas, near, 0.6 + 0.09 * number))
    layers.append(silhouettes.conifers(canvas, 0.8, 0.9, 0.13))
    layers.append(silhouettes.range_of_hills(canvas, 1.0, 0.9, 0.06, (x, y), sharp=0.1, snow=1.9))
    size = (canvas.width, canvas.height)
    layers.append(
        Particles(
            size,
            canvas.rng,
            110,
            (255, 255, 255),
            2.0 * canvas.unit,
            rise=(-1, -1, -2),
            sway=0.025,
            flicker=1,
            power=0.8,
        )
    )
    return sky, layers


def sea(canvas: Canvas, named: list[str]) -> Land:
    horizon = int(canvas.height * 0.58)
    x, y = _sun(canvas, 0.3, 0.47)
    sky = gradient(canvas, horizon)
    if sum(canvas.palette.zenith) < 90:
        sky = stars(sky, canvas, horizon, 0.6)
    sky = shine(clouds(sky, canvas, horizon, 0.7), canvas, x, y, canvas.rng.uniform(34, 60))
    layers: list[Layer] = [
        silhouettes.range_of_hills(canvas, 0.05, 0.555, 0.1, (x, y), sharp=0.7, bottom=horizon),
        silhouettes.range_of_hills(canvas, 0.3, 0.575, 0.075, (x, y), sharp=0.8, bottom=horizon, gaps=True),
    ]
    deep = mix(canvas.palette.middle, canvas.palette.near, 0.6)
    layers.append(Water((canvas.width, canvas.height), horizon, deep, canvas.palette.glow, x, canvas.rng))
    layers.append(silhouettes.fog(canvas, 0.1, 0.575, thin=True))
    layers.append(silhouettes.rocks(canvas, (x, y)))
    return sky, layers


def desert(canvas: Canvas, named: list[str]) -> Land:
    horizon = canvas.height * 0.56
    x, y = _sun(canvas, 0.28, 0.44)
    sky = shine(clouds(gradient(canvas, horizon), canvas, horizon, 0.35), canvas, x, y, canvas.rng.uniform(48, 84))
    layers: list[Layer] = [silhouettes.range_of_hills(canvas, 0.05, 0.53, 0.09, (x, y), sharp=0.5)]
    for number in range(4):
        near = 0.2 + number * 0.26
        layers.append(silhouettes.dunes(canvas, near, 0.56 + 0.1 * number, 0.09 + 0.035 * number, (x, y)))
        if number < 3:
            layers.append(silhouettes.fog(canvas, near * 0.7, 0.62 + 0.1 * number, thin=True))
    size = (canvas.width, canvas.height)
    layers.append(Particles(size, canvas.rng, 50, canvas.palette.glow, 1.3 * canvas.unit, sway=0.05, power=0.55))
    return sky, layers


def forest(canvas: Canvas, named: list[str]) -> Land:
    horizon = canvas.height * 0.72
    x, y = _sun(canvas, 0.2, 0.34)
    sky = shine(gradient(canvas, horizon), canvas, x, y, 34)
    layers: list[Layer] = [silhouettes.range_of_hills(canvas, 0.05, 0.5, 0.16, (x, y), sharp=0.5)]
    for number in range(4):
        near = 0.16 + number * 0.26
        layers.append(silhouettes.conifers(canvas, near, 0.66 + 0.135 * number, 0.15 + 0.09 * number))
        if number < 3:
            layers.append(silhouettes.fog(canvas, near * 0.8, 0.66 + 0.1 * number))
    size = (canvas.width, canvas.height)
    layers.append(AnimatedLight((0, 0, *size), shafts(canvas, x, 0.5), canvas.palette.glow))
    layers.append(
        Particles(size, canvas.rng, 34, (255, 240, 170), 2.1 * canvas.unit, rise=(0, 0, 1), sway=0.02, flicker=2)
    )
    return sky, layers


def city(canvas: Canvas, named: list[str]) -> Land:
    horizon = int(canvas.height * 0.7)
    x, y = _sun(canvas, 0.28, 0.42)
    sky = stars(gradient(canvas, horizon), canvas, horizon, 0.4)
    sky = shine(clouds(sky, canvas, horizon, 0.6), canvas, x, y, 40)
    layers: list[Layer] = [
        silhouettes.skyline(canvas, 0.12 + 0.29 * number, horizon, 0.3 + 0.1 * number) for number in range(3)
    ]
    layers.insert(1, silhouettes.fog(canvas, 0.1, 0.62))
    layers.insert(3, silhouettes.fog(canvas, 0.4, 0.66))
    deep = mix(canvas.palette.zenith, canvas.palette.near, 0.7)
    layers.append(Water((canvas.width, canvas.height), horizon, deep, canvas.palette.glow, x, canvas.rng, calm=0.8))
    return sky, layers


def aurora(canvas: Canvas, named: list[str]) -> Land:
    horizon = int(canvas.height * 0.66)
    sky = stars(gradient(canvas, horizon), canvas, horizon, 1.5)
    light = (canvas.width * 0.5, canvas.height * 0.3)
    size = (canvas.width, canvas.height)
    layers: list[Layer] = [
        AnimatedLight((0, 0, canvas.width, horizon), curtains(canvas, horizon)),
        silhouettes.range_of_hills(canvas, 0.12, 0.56, 0.2, light, sharp=1.0, snow=0.42, bottom=horizon),
        silhouettes.range_of_hills(canvas, 0.5, 0.62, 0.11, light, sharp=0.8, bottom=horizon),
        silhouettes.conifers(canvas, 0.75, 0.655, 0.055, bottom=horizon),
        Water(size, horizon, (6, 22, 34), (170, 255, 214), canvas.width * 0.5, canvas.rng, calm=0.55),
        silhouettes.fog(canvas, 0.2, 0.65, thin=True),
    ]
    return sky, layers


WORLDS = (
    ((206, 120, 72), (250, 208, 150), (255, 190, 140)),
    ((34, 84, 148), (196, 222, 240), (140, 200, 255)),
    ((120, 74, 132), (232, 184, 190), (236, 190, 255)),
    ((70, 120, 116), (214, 226, 190), (190, 255, 226)),
)


def space(canvas: Canvas, named: list[str]) -> Land:
    rng = canvas.rng
    tones = ((60, 96, 216), (216, 72, 160)) if rng.random() < 0.5 else ((24, 150, 168), (226, 120, 60))
    sky = np.zeros((canvas.height, canvas.width, 3), np.float32) + np.asarray((4, 6, 15), np.float32)
    sky = stars(nebula(sky, canvas, tones), canvas, canvas.height, 1.7)
    x, y = rng.uniform(0.56, 0.74) * canvas.width, rng.uniform(0.36, 0.52) * canvas.height
    sky = planet(sky, canvas, x, y, rng.uniform(190, 260), WORLDS[rng.integers(len(WORLDS))], ring=rng.random() < 0.6)
    moon_x, moon_y = rng.uniform(0.14, 0.28) * canvas.width, rng.uniform(0.2, 0.4) * canvas.height
    sky = planet(sky, canvas, moon_x, moon_y, rng.uniform(28, 52), ((70, 70, 78), (180, 176, 170), (120, 130, 150)))
    size = (canvas.width, canvas.height)
    light = (canvas.width * 0.1, 0.0)
    return sky, [
        silhouettes.range_of_hills(canvas, 0.6, 0.86, 0.1, light, sharp=0.6, moonlit=tones[0]),
        silhouettes.range_of_hills(canvas, 1.0, 0.94, 0.09, light, sharp=0.7, moonlit=tones[0]),
        Particles(size, rng, 70, (214, 228, 255), 1.2 * canvas.unit, rise=0, sway=0.004, flicker=2, power=0.9),
    ]


def volcano(canvas: Canvas, named: list[str]) -> Land:
    horizon = canvas.height * 0.66
    x, top = canvas.width * canvas.rng.uniform(0.4, 0.6), canvas.height * 0.36
    sky = stars(gradient(canvas, horizon), canvas, horizon, 0.9)
    if "space" in named:
        side = 0.2 if x > canvas.width / 2 else 0.8
        sky = planet(sky, canvas, canvas.width * side, canvas.height * 0.22, 105, WORLDS[0], ring=True)
    sky = shine(sky, canvas, x, top, 0, disc=False)
    size = (canvas.width, canvas.height)
    layers: list[Layer] = [silhouettes.range_of_hills(canvas, 0.1, 0.62, 0.13, (x, top), sharp=0.9)]
    layers.append(silhouettes.plume(canvas, x, top))
    layers += [silhouettes.cone(canvas, x, top), silhouettes.fog(canvas, 0.2, 0.68)]
    layers += [
        silhouettes.range_of_hills(canvas, 0.65, 0.74, 0.12, (x, top), sharp=0.8),
        silhouettes.fog(canvas, 0.6, 0.8),
    ]
    layers.append(silhouettes.range_of_hills(canvas, 1.0, 0.87, 0.1, (x, top), sharp=0.7))
    middle = x / canvas.width
    layers.append(
        Particles(
            size,
            canvas.rng,
            70,
            (255, 170, 80),
            2.0 * canvas.unit,
            rise=(1, 1, 2),
            sway=0.03,
            area=(middle - 0.3, middle + 0.3),
            flicker=3,
        )
    )
    layers.append(Particles(size, canvas.rng, 40, (255, 120, 50), 1.3 * canvas.unit, rise=(1, 2), sway=0.05, flicker=2))
    return sky, layers


def underwater(canvas: Canvas, named: list[str]) -> Land:
    x = canvas.width * canvas.rng.uniform(0.35, 0.65)
    sky = shine(gradient(canvas, canvas.height * 0.95), canvas, x, -60 * canvas.unit, 0, disc=False)
    size = (canvas.width, canvas.height)
    light = (x, 0.0)
    layers: list[Layer] = []
    for number in range(4):
        near = 0.1 + number * 0.29
        layers.append(silhouettes.range_of_hills(canvas, near, 0.6 + 0.1 * number, 0.17, light, sharp=0.75))
    layers.insert(2, AnimatedLight((0, 0, *size), shafts(canvas, x, 0.8), canvas.palette.glow))
    layers.append(
        Particles(
            size,
            canvas.rng,
            80,
            (190, 244, 250),
            2.0 * canvas.unit,
            rise=(1, 1, 2),
            sway=0.02,
            flicker=1,
            power=0.6,
        )
    )
    return sky, layers
