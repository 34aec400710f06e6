"""Where the bars of a plot stand: plain numbers for a template that draws them."""

from dataclasses import dataclass

HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a bar; y and height of 100, from the top."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    name: str
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side, as wide as there are bars; `ticks` from the top to the bottom."""

    bars: list[Bar]
    ticks: list[float]
    labels: list[str]

    @property
    def width(self) -> int:
        return max(1, len(self.bars))


def ceiling(most: float) -> float:
    """The next round number: 1, 2 or 5 with zeros."""
    if most <= 0:
        return 1
    unit = 1.0
    while unit * 10 <= most:
        unit *= 10
    while unit > most:
        unit /= 10
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= most)


def stacked(names: list[str], stacks: list[dict[str, float]]) -> Plot:
    """A bar for each name, of the values of its stack, the first at the bottom."""
    top = ceiling(max((sum(stack.values()) for stack in stacks), default=0))
    bars = []
    for number, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        pieces, y = [], float(HEIGHT)
        for kind, value in stack.items():
            height = value / top * HEIGHT
            if height:
                y -= height
                pieces.append(Piece(kind, round(y, 3), round(height, 3)))
        bars.append(Bar(number + 0.12, 0.76, name, pieces))
    labels = [names[0], names[len(names) // 2], names[-1]] if len(names) > 2 else names
    return Plot(bars, [top, top / 2, 0], labels)
