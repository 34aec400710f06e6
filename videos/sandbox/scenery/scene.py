"""The kinds of scene, each put together from a sky and layers, seeded by the prompt."""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from . import landscapes
from .layers import Layer
from .noise import to_image
from .palettes import KINDS, PALETTES, UNNAMED, moods, subjects
from .sky import Canvas, vignette

BUILDERS: dict[str, Callable] = {
    "mountains": landscapes.mountains,
    "snow": landscapes.snow,
    "sea": landscapes.sea,
    "desert": landscapes.desert,
    "forest": landscapes.forest,
    "city": landscapes.city,
    "aurora": landscapes.aurora,
    "space": landscapes.space,
    "volcano": landscapes.volcano,
    "underwater": landscapes.underwater,
}


class Scene:
    """A moving picture without an end: frame(camera, moment) paints any moment of it, 0 to 1."""

    def __init__(self, prompt: str, seed: str, size: tuple[int, int]):
        by_prompt = random.Random(prompt)
        named = subjects(prompt)
        kind = named[0] if named else by_prompt.choice(UNNAMED)
        fitting = [mood for mood in moods(prompt) if mood in KINDS[kind]] or KINDS[kind]
        palette = PALETTES[by_prompt.choice(fitting)]
        chance = np.random.default_rng([*prompt.encode("utf-8", "replace")[:400], *seed.encode()])  # … and still differ
        canvas = Canvas(*size, chance, palette)
        sky, self.layers = BUILDERS[kind](canvas, named)
        self.kind = kind
        self.way = by_prompt.choice((-1, 1))
        self.sky: Image.Image = to_image(vignette(sky, canvas), chance)

    layers: list[Layer]

    def frame(self, camera: float, moment: float) -> Image.Image:
        picture = self.sky.copy()
        for layer in self.layers:
            layer.paint(picture, camera * self.way, moment)
        return picture
