"""A picture of how figures grow, with both axes in powers of ten.

There a figure that grows just as fast as what there is runs beside the grey line; one that grows
more slowly is flatter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 660
_HEIGHT: Final = 340
_LEFT: Final = 60
_RIGHT: Final = 470
_TOP: Final = 20
_BOTTOM: Final = 290
_LINE_HEIGHT: Final = 16
_GREY: Final = "#777"


class Series(NamedTuple):
    """One figure.

    Attributes:
        name: with its unit.
        colour: of its line.
        values: one for each size, all above zero.
    """

    name: str
    colour: str
    values: Sequence[float]


class _Axes(NamedTuple):
    """Where sizes and values lie in the picture; the values as powers of ten."""

    smallest: float
    largest: float
    lowest: int
    highest: int

    def x(self, size: float) -> float:
        share = math.log(size / self.smallest) / math.log(self.largest / self.smallest)
        return _LEFT + share * (_RIGHT - _LEFT)

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.lowest) / (self.highest - self.lowest)
        return _BOTTOM - share * (_BOTTOM - _TOP)


def drawn(sizes: Sequence[int], series: Sequence[Series], *, unit: str) -> str:
    """Return the picture.

    Args:
        sizes: how much there was: two or more, above zero, the smallest first.
        series: what it took.
        unit: of the sizes.

    Returns:
        An SVG document.
    """
    values = [value for each in series for value in each.values]
    lowest = math.floor(math.log10(min(values)))
    axes = _Axes(sizes[0], sizes[-1], lowest, max(math.ceil(math.log10(max(values))), lowest + 1))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_scales(axes, sizes, unit),
    ]
    as_fast = 10.0 ** min(axes.highest, lowest + math.log10(axes.largest / axes.smallest))
    reached = axes.smallest * as_fast / 10.0**lowest
    parts.append(
        f'<path d="M{_LEFT} {_BOTTOM} L{axes.x(reached):.1f} {axes.y(as_fast):.1f}" fill="none"'
        f' stroke="{_GREY}" stroke-dasharray="4 4"/>'
    )
    names = [(axes.y(as_fast), f"as fast as the {unit}", _GREY)]
    for each in series:
        places = [(axes.x(s), axes.y(v)) for s, v in zip(sizes, each.values, strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline fill="none" stroke="{each.colour}" stroke-width="2" points="{line}"/>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{each.colour}"/>' for x, y in places
        ]
        names.append((places[-1][1], f"{each.name}: {each.values[-1]:,.4g}", each.colour))
    return "\n".join([*parts, *_names(names), "</svg>\n"])


def _scales(axes: _Axes, sizes: Sequence[int], unit: str) -> Iterator[str]:
    for power in range(axes.lowest, axes.highest + 1):
        y = axes.y(10.0**power)
        yield f'<path d="M{_LEFT} {y:.1f} H{_RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>'
    for size in sizes:
        x = axes.x(size)
        yield f'<path d="M{x:.1f} {_BOTTOM} v5" stroke="#333"/>'
        yield f'<text x="{x:.1f}" y="{_BOTTOM + 20}" text-anchor="middle">{size:,}</text>'
    middle = (_LEFT + _RIGHT) // 2
    yield f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{unit}</text>'
    yield f'<path d="M{_LEFT} {_TOP} V{_BOTTOM} H{_RIGHT}" fill="none" stroke="#333"/>'


def _names(names: list[tuple[float, str, str]]) -> Iterator[str]:
    """Yield what stands at the ends of the lines, one below the other where they are close."""
    free = 0.0
    for y, name, colour in sorted(names):
        free = max(free + _LINE_HEIGHT, y + 4)
        yield f'<text x="{_RIGHT + 10}" y="{free:.1f}" fill="{colour}">{name}</text>'
