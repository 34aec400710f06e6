"""Landscapes: every function gives a sky (RGB floats) and the layers before it, far to near."""

import numpy as np

from . import shapes
from .layers import Layer, Light, Motes, Water
from .noise import Array, mix
from .skies import Stage, clouds, curtains, gradient, nebula, planet, shafts, shine, stars

Land = tuple[Array, list[Layer]]


def _sun(stage: Stage, low: float, high: float) -> tuple[float, float]:
    side = stage.rng.choice((0.3, 0.7)) + stage.rng.uniform(-0.09, 0.09)
    return side * stage.width, stage.rng.uniform(low, high) * stage.height


def mountains(stage: Stage, named: list[str]) -> Land:
    horizon = stage.height * 0.62
    x, y = _sun(stage, 0.26, 0.42)
    sky = gradient(stage, horizon)
    if sum(stage.palette.zenith) < 90:
        sky = stars(sky, stage, horizon, 0.6)
    sky = shine(clouds(sky, stage, horizon), stage, x, y, stage.rng.uniform(30, 52))
    layers: list[Layer] = []
    for number in range(5):
        near = number / 4
        layers.append(
            shapes.range_of_hills(
                stage, near, 0.53 + 0.085 * number, 0.2 + 0.02 * number, (x, y), sharp=0.9 - 0.35 * near
            )
        )
        if number < 4:
            layers.append(shapes.fog(stage, near, 0.6 + 0.085 * number))
    layers.append(Motes((stage.width, stage.height), stage.rng, 26, stage.palette.glow, 1.5 * stage.unit, power=0.5))
    return sky, layers


def snow(stage: Stage, named: list[str]) -> Land:
    horizon = stage.height * 0.6
    x, y = _sun(stage, 0.22, 0.36)
    sky = shine(clouds(gradient(stage, horizon), stage, horizon), stage, x, y, 34)
    layers: list[Layer] = []
    for number in range(4):
        near = number / 4
        layers.append(
            shapes.range_of_hills(
                stage, near, 0.46 + 0.1 * number, 0.3 - 0.03 * number, (x, y), sharp=1 - 0.5 * near, snow=0.9
            )
        )
        layers.append(shapes.fog(stage, near, 0.6 + 0.09 * number))
    layers.append(shapes.conifers(stage, 0.8, 0.9, 0.13))
    layers.append(shapes.range_of_hills(stage, 1.0, 0.9, 0.06, (x, y), sharp=0.1, snow=1.9))
    size = (stage.width, stage.height)
    layers.append(
        Motes(
            size,
            stage.rng,
            110,
            (255, 255, 255),
            2.0 * stage.unit,
            rise=(-1, -1, -2),
            sway=0.025,
            flicker=1,
            power=0.8,
        )
    )
    return sky, layers


def sea(stage: Stage, named: list[str]) -> Land:
    horizon = int(stage.height * 0.58)
    x, y = _sun(stage, 0.3, 0.47)
    sky = gradient(stage, horizon)
    if sum(stage.palette.zenith) < 90:
        sky = stars(sky, stage, horizon, 0.6)
    sky = shine(clouds(sky, stage, horizon, 0.7), stage, x, y, stage.rng.uniform(34, 60))
    layers: list[Layer] = [
        shapes.range_of_hills(stage, 0.05, 0.555, 0.1, (x, y), sharp=0.7, bottom=horizon),
        shapes.range_of_hills(stage, 0.3, 0.575, 0.075, (x, y), sharp=0.8, bottom=horizon, gaps=True),
    ]
    deep = mix(stage.palette.middle, stage.palette.near, 0.6)
    layers.append(Water((stage.width, stage.height), horizon, deep, stage.palette.glow, x, stage.rng))
    layers.append(shapes.fog(stage, 0.1, 0.575, thin=True))
    layers.append(shapes.rocks(stage, (x, y)))
    return sky, layers


def desert(stage: Stage, named: list[str]) -> Land:
    horizon = stage.height * 0.56
    x, y = _sun(stage, 0.28, 0.44)
    sky = shine(clouds(gradient(stage, horizon), stage, horizon, 0.35), stage, x, y, stage.rng.uniform(48, 84))
    layers: list[Layer] = [shapes.range_of_hills(stage, 0.05, 0.53, 0.09, (x, y), sharp=0.5)]
    for number in range(4):
        near = 0.2 + number * 0.26
        layers.append(shapes.dunes(stage, near, 0.56 + 0.1 * number, 0.09 + 0.035 * number, (x, y)))
        if number < 3:
            layers.append(shapes.fog(stage, near * 0.7, 0.62 + 0.1 * number, thin=True))
    size = (stage.width, stage.height)
    layers.append(Motes(size, stage.rng, 50, stage.palette.glow, 1.3 * stage.unit, sway=0.05, power=0.55))
    return sky, layers


def forest(stage: Stage, named: list[str]) -> Land:
    horizon = stage.height * 0.72
    x, y = _sun(stage, 0.2, 0.34)
    sky = shine(gradient(stage, horizon), stage, x, y, 34)
    layers: list[Layer] = [shapes.range_of_hills(stage, 0.05, 0.5, 0.16, (x, y), sharp=0.5)]
    for number in range(4):
        near = 0.16 + number * 0.26
        layers.append(shapes.conifers(stage, near, 0.66 + 0.135 * number, 0.15 + 0.09 * number))
        if number < 3:
            layers.append(shapes.fog(stage, near * 0.8, 0.66 + 0.1 * number))
    size = (stage.width, stage.height)
    layers.append(Light((0, 0, *size), shafts(stage, x, 0.5), stage.palette.glow))
    layers.append(Motes(size, stage.rng, 34, (255, 240, 170), 2.1 * stage.unit, rise=(0, 0, 1), sway=0.02, flicker=2))
    return sky, layers


def city(stage: Stage, named: list[str]) -> Land:
    horizon = int(stage.height * 0.7)
    x, y = _sun(stage, 0.28, 0.42)
    sky = stars(gradient(stage, horizon), stage, horizon, 0.4)
    sky = shine(clouds(sky, stage, horizon, 0.6), stage, x, y, 40)
    layers: list[Layer] = [
        shapes.skyline(stage, 0.12 + 0.29 * number, horizon, 0.3 + 0.1 * number) for number in range(3)
    ]
    layers.insert(1, shapes.fog(stage, 0.1, 0.62))
    layers.insert(3, shapes.fog(stage, 0.4, 0.66))
    deep = mix(stage.palette.zenith, stage.palette.near, 0.7)
    layers.append(Water((stage.width, stage.height), horizon, deep, stage.palette.glow, x, stage.rng, calm=0.8))
    return sky, layers


def aurora(stage: Stage, named: list[str]) -> Land:
    horizon = int(stage.height * 0.66)
    sky = stars(gradient(stage, horizon), stage, horizon, 1.5)
    light = (stage.width * 0.5, stage.height * 0.3)
    size = (stage.width, stage.height)
    layers: list[Layer] = [
        Light((0, 0, stage.width, horizon), curtains(stage, horizon)),
        shapes.range_of_hills(stage, 0.12, 0.56, 0.2, light, sharp=1.0, snow=0.42, bottom=horizon),
        shapes.range_of_hills(stage, 0.5, 0.62, 0.11, light, sharp=0.8, bottom=horizon),
        shapes.conifers(stage, 0.75, 0.655, 0.055, bottom=horizon),
        Water(size, horizon, (6, 22, 34), (170, 255, 214), stage.width * 0.5, stage.rng, calm=0.55),
        shapes.fog(stage, 0.2, 0.65, thin=True),
    ]
    return sky, layers


WORLDS = (
    ((206, 120, 72), (250, 208, 150), (255, 190, 140)),
    ((34, 84, 148), (196, 222, 240), (140, 200, 255)),
    ((120, 74, 132), (232, 184, 190), (236, 190, 255)),
    ((70, 120, 116), (214, 226, 190), (190, 255, 226)),
)


def space(stage: Stage, named: list[str]) -> Land:
    rng = stage.rng
    tones = ((60, 96, 216), (216, 72, 160)) if rng.random() < 0.5 else ((24, 150, 168), (226, 120, 60))
    sky = np.zeros((stage.height, stage.width, 3), np.float32) + np.asarray((4, 6, 15), np.float32)
    sky = stars(nebula(sky, stage, tones), stage, stage.height, 1.7)
    x, y = rng.uniform(0.56, 0.74) * stage.width, rng.uniform(0.36, 0.52) * stage.height
    sky = planet(sky, stage, x, y, rng.uniform(190, 260), WORLDS[rng.integers(len(WORLDS))], ring=rng.random() < 0.6)
    moon_x, moon_y = rng.uniform(0.14, 0.28) * stage.width, rng.uniform(0.2, 0.4) * stage.height
    sky = planet(sky, stage, moon_x, moon_y, rng.uniform(28, 52), ((70, 70, 78), (180, 176, 170), (120, 130, 150)))
    size = (stage.width, stage.height)
    light = (stage.width * 0.1, 0.0)
    return sky, [
        shapes.range_of_hills(stage, 0.6, 0.86, 0.1, light, sharp=0.6, moonlit=tones[0]),
        shapes.range_of_hills(stage, 1.0, 0.94, 0.09, light, sharp=0.7, moonlit=tones[0]),
        Motes(size, rng, 70, (214, 228, 255), 1.2 * stage.unit, rise=0, sway=0.004, flicker=2, power=0.9),
    ]


def volcano(stage: Stage, named: list[str]) -> Land:
    horizon = stage.height * 0.66
    x, top = stage.width * stage.rng.uniform(0.4, 0.6), stage.height * 0.36
    sky = stars(gradient(stage, horizon), stage, horizon, 0.9)
    if "space" in named:
        side = 0.2 if x > stage.width / 2 else 0.8
        sky = planet(sky, stage, stage.width * side, stage.height * 0.22, 105, WORLDS[0], ring=True)
    sky = shine(sky, stage, x, top, 0, disc=False)
    size = (stage.width, stage.height)
    layers: list[Layer] = [shapes.range_of_hills(stage, 0.1, 0.62, 0.13, (x, top), sharp=0.9)]
    layers.append(shapes.plume(stage, x, top))
    layers += [shapes.cone(stage, x, top), shapes.fog(stage, 0.2, 0.68)]
    layers += [
        shapes.range_of_hills(stage, 0.65, 0.74, 0.12, (x, top), sharp=0.8),
        shapes.fog(stage, 0.6, 0.8),
    ]
    layers.append(shapes.range_of_hills(stage, 1.0, 0.87, 0.1, (x, top), sharp=0.7))
    middle = x / stage.width
    layers.append(
        Motes(
            size,
            stage.rng,
            70,
            (255, 170, 80),
            2.0 * stage.unit,
            rise=(1, 1, 2),
            sway=0.03,
            area=(middle - 0.3, middle + 0.3),
            flicker=3,
        )
    )
    layers.append(Motes(size, stage.rng, 40, (255, 120, 50), 1.3 * stage.unit, rise=(1, 2), sway=0.05, flicker=2))
    return sky, layers


def underwater(stage: Stage, named: list[str]) -> Land:
    x = stage.width * stage.rng.uniform(0.35, 0.65)
    sky = shine(gradient(stage, stage.height * 0.95), stage, x, -60 * stage.unit, 0, disc=False)
    size = (stage.width, stage.height)
    light = (x, 0.0)
    layers: list[Layer] = []
    for number in range(4):
        near = 0.1 + number * 0.29
        layers.append(shapes.range_of_hills(stage, near, 0.6 + 0.1 * number, 0.17, light, sharp=0.75))
    layers.insert(2, Light((0, 0, *size), shafts(stage, x, 0.8), stage.palette.glow))
    layers.append(
        Motes(
            size,
            stage.rng,
            80,
            (190, 244, 250),
            2.0 * stage.unit,
            rise=(1, 1, 2),
            sway=0.02,
            flicker=1,
            power=0.6,
        )
    )
    return sky, layers
