"""The picture a scene is drawn on: its size, colours and random source."""

from dataclasses import dataclass

import numpy as np

from .noise import FloatArray
from .palettes import Palette


@dataclass(frozen=True, slots=True)
class Canvas:
    """Size in pixels, seeded random source, palette, and the subjects that the prompt names."""

    width: int
    height: int
    rng: np.random.Generator
    palette: Palette
    subjects: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def unit(self) -> float:
        """Return the pixels in one unit: a thousandth of the geometric mean of both sides."""
        return (self.width * self.height) ** 0.5 / 1000

    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Return pixel positions: x of shape (1, width) and y of shape (height, 1)."""
        return (
            np.arange(self.width, dtype=np.float32)[None, :],
            np.arange(self.height, dtype=np.float32)[:, None],
        )

    def distance(self, x: float, y: float) -> FloatArray:
        """Return every pixel's distance from a point, in units."""
        across, down = self.grid()
        return np.sqrt((across - x) ** 2 + (down - y) ** 2) / self.unit


def vignette(colours: FloatArray, canvas: Canvas, top: int = 0, overhang: int = 0) -> FloatArray:
    """Darken the corners of a band that starts at row top and extends overhang pixels past each side."""
    across = (np.arange(colours.shape[1], dtype=np.float32) - overhang) / canvas.width * 2 - 1
    down = (np.arange(colours.shape[0], dtype=np.float32) + top) / canvas.height * 2 - 1
    edge = np.clip(across[None, :] ** 2 * 0.55 + down[:, None] ** 2 * 0.45, 0, 1.2)
    return colours * (1 - 0.36 * edge**1.6)[..., None]
