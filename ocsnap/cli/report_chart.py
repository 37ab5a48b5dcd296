"""Charts of the report: drawings of SVG that a browser shows without any script."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 720
_HEIGHT: Final = 150

Words = Callable[[float], str]
"""Puts a value into words."""


class Point(NamedTuple):
    """One value.

    Attributes:
        moment: when; seconds since the epoch.
        value: how much, 0 or more.
        told: what the mouse shows of it.
        is_bad: whether something was wrong with it.
    """

    moment: float
    value: float
    told: str
    is_bad: bool = False


def chart(title: str, points: Sequence[Point], words: Words, *, curve: bool = False) -> str:
    """Return a figure of values over time.

    Args:
        title: what is shown.
        points: the values, the oldest first; at least one.
        words: puts the highest into words.
        curve: whether it is a state, which goes on between two points, rather than an event.
    """
    first, last = points[0].moment, points[-1].moment
    highest = max(point.value for point in points) or 1.0
    drawn = _curve(points, highest) if curve else _bars(points, highest)
    return "\n".join(
        [
            f"<figure><figcaption>{html.escape(title)}</figcaption>",
            (
                f'<svg viewBox="-10 -18 {_WIDTH + 20} {_HEIGHT + 40}" role="img"'
                f' aria-label="{html.escape(title)}">'
            ),
            f'<path class="grid" d="M0 0H{_WIDTH}M0 {_HEIGHT}H{_WIDTH}"/>',
            f'<text x="0" y="-5">{html.escape(words(highest))}</text>',
            *drawn,
            f'<text x="0" y="{_HEIGHT + 16}">{_moment(first)}</text>',
            f'<text x="{_WIDTH}" y="{_HEIGHT + 16}" text-anchor="end">{_moment(last)}</text>',
            "</svg></figure>",
        ]
    )


def _curve(points: Sequence[Point], highest: float) -> Iterator[str]:
    places = [
        (x, _HEIGHT * (1 - point.value / highest))
        for x, point in zip(_places(points), points, strict=True)
    ]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    start, end = places[0][0], places[-1][0]
    yield f'<path class="area" d="M{start:.1f} {_HEIGHT}L{line}L{end:.1f} {_HEIGHT}Z"/>'
    yield f'<path class="curve" d="M{line}"/>'
    for point, (x, y) in zip(points, places, strict=True):
        told = f"<title>{html.escape(point.told)}</title>"
        yield f'<circle class="{_kind(point)}" cx="{x:.1f}" cy="{y:.1f}" r="3">{told}</circle>'


def _bars(points: Sequence[Point], highest: float) -> Iterator[str]:
    width = max(min(_WIDTH / len(points) * 0.6, 24), 1.5)
    for x, point in zip(_places(points), points, strict=True):
        # What took no time is still there, most of all when it failed at once.
        height = max(_HEIGHT * point.value / highest, 1.5 if point.is_bad else 0)
        left = min(max(x - width / 2, 0), _WIDTH - width)
        yield (
            f'<rect class="{_kind(point)}" x="{left:.1f}" y="{_HEIGHT - height:.1f}"'
            f' width="{width:.1f}" height="{height:.1f}">'
            f"<title>{html.escape(point.told)}</title></rect>"
        )


def _places(points: Sequence[Point]) -> list[float]:
    first, last = points[0].moment, points[-1].moment
    if last <= first:
        return [_WIDTH / 2] * len(points)
    return [(point.moment - first) / (last - first) * _WIDTH for point in points]


def _kind(point: Point) -> str:
    return "bar wrong" if point.is_bad else "bar"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M}"
