"""Random shapes: clouds of noise, ridge lines, and pixels without banding."""

import numpy as np
from PIL import Image

Array = np.ndarray


def cloud(rng: np.random.Generator, size: tuple[int, int], cells: tuple[float, float], octaves: int = 4) -> Array:
    """Fractal noise, float32 of (height, width), 0-1; cells are the largest blobs across and down."""
    width, height = size
    total, weight = np.zeros((height, width), np.float32), 0.0
    for octave in range(octaves):
        across, down = (min(int(c * 2**octave) + 3, side + 3) for c, side in zip(cells, size, strict=True))
        grid = Image.fromarray(rng.random((down, across), np.float32))
        inner = (1, 1, across - 1, down - 1)  # bicubic needs a neighbour beyond the edge
        total += np.asarray(grid.resize(size, Image.Resampling.BICUBIC, box=inner)) * 0.5**octave
        weight += 0.5**octave
    return np.clip((total / weight - 0.5) * 1.5 + 0.5, 0, 1)


def ridge(rng: np.random.Generator, length: int, cells: float, octaves: int = 6, sharp: float = 1.0) -> Array:
    """A skyline: float32 of length, 0-1; sharp 0 rolls like dunes, 1 has peaks like mountains."""
    line, weight, gain = np.zeros(length, np.float32), 0.0, 1.0
    for octave in range(octaves):
        knots = rng.random(int(cells * 2**octave) + 4)
        at = np.linspace(1, len(knots) - 2.001, length)
        whole = at.astype(int)
        part = at - whole
        part = part * part * (3 - 2 * part)
        wave = knots[whole] * (1 - part) + knots[whole + 1] * part
        peaks = 1 - np.abs(2 * wave - 1)
        line += gain * (sharp * peaks + (1 - sharp) * wave)
        weight += gain
        gain *= 0.42 + 0.08 * sharp
    line /= weight
    return (line - line.min()) / max(1e-6, float(line.max() - line.min()))


def smoothstep(low: float, high: float, value):
    part = np.clip((value - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)


def mix(one, other, part):
    """Blend two colours, or arrays of them; part may be an array without the colour axis."""
    part = np.asarray(part, np.float32)[..., None]
    return np.asarray(one, np.float32) * (1 - part) + np.asarray(other, np.float32) * part


def to_image(colours: Array, rng: np.random.Generator | None = None) -> Image.Image:
    """Round 0-255 floats to an image, with a grain that hides the steps of dark gradients."""
    if rng is not None:
        height, width = colours.shape[:2]
        grain = rng.random((2, height, width), np.float32).sum(axis=0) * 1.5 - 1.5
        colours = colours + (grain[..., None] if colours.ndim == 3 else grain)
    return Image.fromarray(np.clip(colours + 0.5, 0, 255).astype(np.uint8))
