"""Where the bars of a plot stand: plain numbers for a template that draws them."""

from dataclasses import dataclass
from math import ceil

HEIGHT = 100
STEPS_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a bar; y and height of 100, from the top."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its pieces; `words` say to the mouse what it stands for."""

    x: float
    width: float
    words: str
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side, as wide as there are bars; `ticks` from the top to the bottom, `grid` their heights."""

    bars: list[Bar]
    ticks: list[str]
    grid: list[float]
    labels: list[str]

    @property
    def width(self) -> int:
        return max(1, len(self.bars))


def in_digits(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def scale(most: float, *, whole: bool) -> list[float]:
    """The ticks of an axis from the top down to 0, some round step apart (1, 2 or 5 with zeros); `whole`: no fractions.

    No more than four steps, and as little room as can be above the highest bar.
    """
    if not most:
        return [1, 0]
    unit = 1.0 if whole else 0.001
    while True:
        for step in (unit, 2 * unit, 5 * unit):
            count = max(1, ceil(round(most / step, 6)))
            if count <= STEPS_AT_MOST:
                return [round(step * number, 3) for number in range(count, -1, -1)]
        unit *= 10


def stacked(names: list[str], stacks: list[dict[str, float]], *, whole: bool = True) -> Plot:
    """A bar for each name, of the values of its stack, the first at the bottom."""
    ticks = scale(max((sum(stack.values()) for stack in stacks), default=0), whole=whole)
    top = ticks[0]
    bars = []
    for number, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        pieces, y = [], float(HEIGHT)
        for kind, value in stack.items():
            height = value / top * HEIGHT
            if height:
                y -= height
                pieces.append(Piece(kind, round(y, 3), round(height, 3)))
        bars.append(Bar(number + 0.12, 0.76, f"{name}: {in_digits(sum(stack.values()))}", pieces))
    labels = [names[0], names[len(names) // 2], names[-1]] if len(names) > 2 else names
    grid = [round(HEIGHT * (1 - tick / top), 3) for tick in ticks]
    return Plot(bars, [in_digits(tick) for tick in ticks], grid, labels)
