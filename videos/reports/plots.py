"""The geometry of bar plots, as plain numbers for a template to draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

HEIGHT = 100
MAX_STEPS = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar; `y` is its distance from the top, of HEIGHT."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar made of segments, with its tooltip."""

    x: float
    width: float
    tooltip: str
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side; `ticks` are the labels of the axis from top to bottom, `grid` their distances from the top."""

    bars: list[Bar]
    ticks: list[str]
    grid: list[float]
    labels: list[str]

    @property
    def width(self) -> int:
        return max(1, len(self.bars))


def format_number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def axis_ticks(maximum: float, *, integer: bool) -> list[float]:
    """Return the ticks of an axis from the top down to 0, a round step (1, 2 or 5 times a power of ten) apart.

    There are at most MAX_STEPS steps, and as little room as possible above `maximum`. `integer`: no fractions.
    """
    if not maximum:
        return [1, 0]
    unit = 1.0 if integer else 0.001
    while True:
        for step in (unit, 2 * unit, 5 * unit):
            count = max(1, ceil(round(maximum / step, 6)))
            if count <= MAX_STEPS:
                return [round(step * number, 3) for number in range(count, -1, -1)]
        unit *= 10


def stacked_bars(names: Sequence[str], stacks: Sequence[Mapping[str, float]], *, integer: bool = True) -> Plot:
    """Return a plot with one bar for each name, its first value at the bottom."""
    ticks = axis_ticks(max((sum(stack.values()) for stack in stacks), default=0), integer=integer)
    top = ticks[0]
    bars = []
    for number, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        segments, y = [], float(HEIGHT)
        for kind, value in stack.items():
            height = value / top * HEIGHT
            if height:
                y -= height
                segments.append(Segment(kind, round(y, 3), round(height, 3)))
        bars.append(Bar(number + 0.12, 0.76, f"{name}: {format_number(sum(stack.values()))}", segments))
    labels = [names[0], names[len(names) // 2], names[-1]] if len(names) > 2 else list(names)
    grid = [round(HEIGHT * (1 - tick / top), 3) for tick in ticks]
    return Plot(bars, [format_number(tick) for tick in ticks], grid, labels)
