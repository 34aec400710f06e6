"""A scene: a sky and layers chosen by the prompt, painted at any moment of a video."""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from . import landscapes
from .canvas import Canvas, vignette
from .noise import to_image
from .palettes import DEFAULT_KINDS, KIND_PALETTES, PALETTES, find_moods, find_subjects

BUILDERS: dict[str, Callable[[Canvas], landscapes.Landscape]] = {
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
SEED_BYTES = 400  # of the prompt


class Scene:
    """The kind of scene and its palette depend on the prompt only, its shapes on the seed too."""

    def __init__(self, prompt: str, seed: str, size: tuple[int, int]) -> None:
        by_prompt = random.Random(prompt)
        subjects = find_subjects(prompt)
        kind = subjects[0] if subjects else by_prompt.choice(DEFAULT_KINDS)
        moods = [mood for mood in find_moods(prompt) if mood in KIND_PALETTES[kind]]
        palette = PALETTES[by_prompt.choice(moods or KIND_PALETTES[kind])]
        rng = np.random.default_rng([*prompt.encode("utf-8", "replace")[:SEED_BYTES], *seed.encode()])
        canvas = Canvas(*size, rng, palette, subjects)
        sky, self.layers = BUILDERS[kind](canvas)
        self.direction = by_prompt.choice((-1, 1))
        self.sky = to_image(vignette(sky, canvas), rng)

    def frame(self, camera: float, progress: float) -> Image.Image:
        """Paint one frame for a camera position (-1 to 1) and a moment of the video (0 to 1)."""
        picture = self.sky.copy()
        for layer in self.layers:
            layer.paint(picture, camera * self.direction, progress)
        return picture
