"""Random shapes: fractal noise, ridge lines, and images without banding."""

from typing import overload

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.floating]


def fractal_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: tuple[float, float], octaves: int = 4
) -> FloatArray:
    """Return fractal noise of shape (height, width) from 0 to 1; cells counts the largest blobs across and down."""
    width, height = size
    total, weight = np.zeros((height, width), np.float32), 0.0
    for octave in range(octaves):
        across, down = (min(int(c * 2**octave) + 3, side + 3) for c, side in zip(cells, size, strict=True))
        grid = Image.fromarray(rng.random((down, across), np.float32))
        inner = (1, 1, across - 1, down - 1)  # bicubic needs a neighbour beyond the edge
        total += np.asarray(grid.resize(size, Image.Resampling.BICUBIC, box=inner)) * 0.5**octave
        weight += 0.5**octave
    return np.clip((total / weight - 0.5) * 1.5 + 0.5, 0, 1)


def ridge_line(
    rng: np.random.Generator, length: int, cells: float, octaves: int = 6, sharpness: float = 1.0
) -> FloatArray:
    """Return a skyline of heights from 0 to 1; sharpness 0 rolls like dunes, 1 has peaks like mountains."""
    line, weight, gain = np.zeros(length, np.float32), 0.0, 1.0
    for octave in range(octaves):
        knots = rng.random(int(cells * 2**octave) + 4)
        positions = np.linspace(1, len(knots) - 2.001, length)
        index = positions.astype(int)
        fraction = positions - index
        fraction = fraction * fraction * (3 - 2 * fraction)
        wave = knots[index] * (1 - fraction) + knots[index + 1] * fraction
        peaks = 1 - np.abs(2 * wave - 1)
        line += gain * (sharpness * peaks + (1 - sharpness) * wave)
        weight += gain
        gain *= 0.42 + 0.08 * sharpness
    line /= weight
    return (line - line.min()) / max(1e-6, float(line.max() - line.min()))


@overload
def smoothstep(low: float, high: float, value: float) -> float: ...
@overload
def smoothstep(low: float, high: float, value: FloatArray) -> FloatArray: ...
def smoothstep(low: float, high: float, value: float | FloatArray) -> float | FloatArray:
    """Ease from 0 at low to 1 at high."""
    fraction = np.clip((value - low) / (high - low), 0, 1)
    return fraction * fraction * (3 - 2 * fraction)


def blend(one: npt.ArrayLike, other: npt.ArrayLike, weight: npt.ArrayLike) -> FloatArray:
    """Blend colours, or arrays of them; weight is the other's part and has no colour axis."""
    part = np.asarray(weight, np.float32)[..., None]
    return np.asarray(one, np.float32) * (1 - part) + np.asarray(other, np.float32) * part


def to_image(values: FloatArray, rng: np.random.Generator | None = None) -> Image.Image:
    """Round floats from 0 to 255 to an image; with rng, add grain that hides banding in dark gradients."""
    if rng is not None:
        height, width = values.shape[:2]
        grain = rng.random((2, height, width), np.float32).sum(axis=0) * 1.5 - 1.5
        values = values + (grain[..., None] if values.ndim == 3 else grain)
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))
