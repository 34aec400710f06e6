"""Make ICC profiles for pictures that state their colours by numbers instead.

Sources: ICC.1:2001-04 (version 2), ITU-T H.273 (code points), SMPTE ST 2084 and ARIB STD-B67 (curves).
"""

import struct
from collections.abc import Callable, Sequence

# x and y of white, red, green and blue, by the code point of H.273; 1 is sRGB.
D65 = (0.3127, 0.3290)
PRIMARIES = {
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
SRGB = (*D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
D50 = (0.96420, 1.0, 0.82491)
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
# Curves of H.273. The others are close to sRGB's, and browsers take them for it.
GAMMA_22, GAMMA_28, LINEAR, PQ, HLG = 4, 5, 8, 16, 18
STEPS = 4096  # of a curve
WHITE_NITS, PQ_NITS = 203.0, 10_000.0  # of a page, and at the end of the PQ curve
HLG_WHITE = 0.2650  # the linear value of a page's white, of 1.0

Matrix = tuple[tuple[float, ...], ...]


def grey(gamma: float) -> bytes:
    """Return a profile for greys with this exponent."""
    return _profile(b"GRAY", {b"wtpt": _xyz(D50), b"kTRC": _gamma_curve(gamma)})


def from_primaries(chromaticities: Sequence[float], gamma: float) -> bytes:
    """Return a profile for RGB, from x and y of white, red, green, blue, and one exponent.

    b"" if these make no colour space.
    """
    return _rgb(chromaticities, _gamma_curve(gamma))


def from_code_points(primaries: int, transfer: int) -> bytes:
    """Return a profile for code points of H.273; b"" if they mean sRGB or are not known."""
    curves: dict[int, Callable[[], bytes]] = {
        GAMMA_22: lambda: _gamma_curve(2.2),
        GAMMA_28: lambda: _gamma_curve(2.8),
        LINEAR: lambda: _gamma_curve(1.0),
        PQ: lambda: _curve(_pq),
        HLG: lambda: _curve(_hlg),
    }
    if primaries not in PRIMARIES and transfer not in curves:
        return b""
    return _rgb(PRIMARIES.get(primaries, SRGB), curves.get(transfer, lambda: _curve(_srgb))())


def _rgb(chromaticities: Sequence[float], curve: bytes) -> bytes:
    try:
        columns = _columns(chromaticities)
    except ZeroDivisionError:
        return b""
    if any(abs(value) > 2 for column in columns for value in column):
        return b""
    tags = {b"wtpt": _xyz(D50)}
    for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    return _profile(b"RGB ", tags)


# ── Curves ────────────────────────────────────────────────────────────────────────────────────────────────────


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _pq(value: float) -> float:
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    power = value ** (1 / m2)
    nits: float = PQ_NITS * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return _compressed(nits / WHITE_NITS)


def _hlg(value: float) -> float:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    linear = value * value / 3 if value <= 0.5 else (2 ** ((value - c) / a * 1.4426950408889634) + b) / 12
    return _compressed(linear**1.2 / HLG_WHITE**1.2)


def _compressed(light: float) -> float:
    """Compress light that is brighter than white into the range; light below half of white keeps its value."""
    knee = 0.5
    return light if light <= knee else 1 - (1 - knee) ** 2 / (light - knee + 1 - knee)


def _gamma_curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, max(1, min(0xFFFF, round(gamma * 256))))


def _curve(function: Callable[[float], float]) -> bytes:
    values = [round(65_535 * min(1.0, max(0.0, function(step / (STEPS - 1))))) for step in range(STEPS)]
    return b"curv" + struct.pack(f">II{STEPS}H", 0, STEPS, *values)


# ── Matrices ──────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(chromaticities: Sequence[float]) -> Matrix:
    """Return X, Y, Z of red, green and blue, adapted to D50. Raises ZeroDivisionError."""
    white, *colours = [_xyz_of(*chromaticities[at : at + 2]) for at in range(0, 8, 2)]
    scales = _times(_inverse(_transposed(colours)), white)
    adapted = _adaptation(white)
    return tuple(
        _times(adapted, tuple(value * scale for value in colour)) for colour, scale in zip(colours, scales, strict=True)
    )


def _xyz_of(x: float, y: float) -> tuple[float, ...]:
    return x / y, 1.0, (1 - x - y) / y


def _adaptation(white: Sequence[float]) -> Matrix:
    seen, wanted = _times(BRADFORD, white), _times(BRADFORD, D50)
    scaled = tuple(
        tuple(value * after / before for value in row)
        for row, before, after in zip(BRADFORD, seen, wanted, strict=True)
    )
    inverse = _inverse(BRADFORD)
    return _transposed([_times(inverse, column) for column in _transposed(scaled)])


def _times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def _transposed(matrix: Sequence[Sequence[float]]) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _inverse(matrix: Sequence[Sequence[float]]) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return tuple(tuple(value / determinant for value in row) for row in adjugate)


# ── The file ──────────────────────────────────────────────────────────────────────────────────────────────────


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(round(value * 65_536) for value in values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile of version 2 for displays."""
    table, bodies, at = [], [], 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table.append(struct.pack(">4sII", name, at, len(body)))
        padded = body + bytes(-len(body) % 4)
        bodies.append(padded)
        at += len(padded)
    head = struct.pack(">I4sI4s4s4s12s4s", at, b"", 0x0240_0000, b"mntr", space, b"XYZ ", b"", b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(value * 65_536) for value in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + b"".join(table + bodies)
