"""A report as one page of HTML: nothing is loaded from anywhere, and nothing in it runs."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap import __version__, units
from ocsnap.commands.document import document
from ocsnap.commands.runs.record import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocsnap.commands.report import History
    from ocsnap.commands.runs.record import RunRecord
    from ocsnap.commands.stats import SnapshotFigures

_WIDTH: Final = 720
_HEIGHT: Final = 150
_MOST_SNAPSHOT_ROWS: Final = 200
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --ink: #2563a8; --bad: #b3261e; --good: #2b7a3d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .quiet { opacity: .7; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th, td { white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0; padding: 0; }
.tiles { list-style: none; }
.tiles li { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem; }
.tiles li { flex: 1 1 9rem; }
.tiles b { display: block; font-size: 1.4rem; }
.bad { color: var(--bad); font-weight: bold; } .good { color: var(--good); }
figure { margin: 1rem 0; } figcaption { font-weight: bold; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg .grid { stroke: var(--line); } svg .bar { fill: var(--ink); }
svg .curve { fill: none; stroke: var(--ink); stroke-width: 2; }
svg .area { fill: var(--ink); opacity: .15; }
"""


class _Point(NamedTuple):
    x: float
    value: float
    told: str


def report_page(history: History) -> str:
    """Return the page.

    Args:
        history: what it tells of.
    """
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        (
            '<meta http-equiv="Content-Security-Policy"'
            " content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        ),
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Backups of {_text(history.host)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Backups of {_text(history.host)}</h1>",
        (
            f'<p class="quiet">{_text(history.repository)} · ocsnap {__version__} · '
            f"{_moment(history.made)}</p>"
        ),
        *_tiles(history),
        *_runs(history.runs, history.made),
        *_charts(history.stats.snapshots),
        *_snapshots(history.stats.snapshots),
        *_users(history),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def _tiles(history: History) -> Iterator[str]:
    found = history.stats
    tiles = [("snapshots", str(len(found.snapshots)))]
    if found.snapshots:
        latest = found.snapshots[-1]
        errors = sum(each.errors for each in found.snapshots)
        tiles += [
            ("since the latest", _span(history.made - latest.started)),
            ("a restore brings", units.size(latest.size_bytes)),
            ("the repository takes", units.size(found.stored_bytes)),
            ("files left out, in all", str(errors)),
            ("alarms", str(sum(each.alarms for each in found.snapshots))),
        ]
    yield '<ul class="tiles">'
    for name, value in tiles:
        yield f"<li><b>{_text(value)}</b>{_text(name)}</li>"
    yield "</ul>"


def _runs(runs: Sequence[RunRecord], now: float) -> Iterator[str]:
    yield "<h2>The last runs on this machine</h2>"
    if not runs:
        yield "<p>Nothing has run here yet.</p>"
        return
    rows = []
    for run in runs:
        ended = run.finished or (now if run.state is RunState.RUNNING else run.updated)
        good = run.state in {RunState.DONE, RunState.RUNNING} and not run.exit_status
        state = f'<span class="{"good" if good else "bad"}">{run.state}</span>'
        status = "" if run.exit_status is None else str(run.exit_status)
        told = run.message or (run.step if run.state is not RunState.DONE else "")
        rows.append(
            [
                _text(run.command),
                _moment(run.started),
                _span(ended - run.started),
                state,
                status,
                str(run.problems),
                _text(told),
            ]
        )
    heads = ["command", "began", "took", "", "exit status", "problems", "why"]
    yield from _table(heads, rows, text=6)


def _charts(snapshots: Sequence[SnapshotFigures]) -> Iterator[str]:
    if not snapshots:
        return
    yield "<h2>Growth and time</h2>"
    yield _chart("Size of all files", snapshots, lambda each: each.size_bytes, _size, curve=True)
    yield _chart("Newly stored, before compression", snapshots, lambda each: each.new_bytes, _size)
    yield _chart("How long backups took", snapshots, lambda each: each.seconds, _span)
    telling = [each for each in snapshots if each.maintenance_seconds is not None]
    if telling:
        yield _chart(
            "How long users were locked out",
            telling,
            lambda each: each.maintenance_seconds or 0.0,
            _span,
        )


def _chart(
    title: str,
    snapshots: Sequence[SnapshotFigures],
    value: Callable[[SnapshotFigures], float],
    words: Callable[[float], str],
    *,
    curve: bool = False,
) -> str:
    """Draw a figure of all snapshots over time."""
    first, last = snapshots[0].started, snapshots[-1].started
    span = max(last - first, 1.0)
    points = [
        _Point(
            x=(each.started - first) / span * _WIDTH if len(snapshots) > 1 else _WIDTH / 2,
            value=value(each),
            told=f"{_moment(each.started)}: {words(value(each))}",
        )
        for each in snapshots
    ]
    highest = max(point.value for point in points) or 1.0
    drawn = _curve(points, highest) if curve else _bars(points, highest)
    return "\n".join(
        [
            f"<figure><figcaption>{_text(title)}</figcaption>",
            (
                f'<svg viewBox="-10 -18 {_WIDTH + 20} {_HEIGHT + 40}" role="img"'
                f' aria-label="{_text(title)}">'
            ),
            f'<path class="grid" d="M0 0H{_WIDTH}M0 {_HEIGHT}H{_WIDTH}"/>',
            f'<text x="0" y="-5">{_text(words(highest))}</text>',
            *drawn,
            f'<text x="0" y="{_HEIGHT + 16}">{_moment(first)}</text>',
            f'<text x="{_WIDTH}" y="{_HEIGHT + 16}" text-anchor="end">{_moment(last)}</text>',
            "</svg></figure>",
        ]
    )


def _curve(points: Sequence[_Point], highest: float) -> Iterator[str]:
    places = [(point.x, _HEIGHT * (1 - point.value / highest)) for point in points]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    start, end = places[0][0], places[-1][0]
    yield f'<path class="area" d="M{start:.1f} {_HEIGHT}L{line}L{end:.1f} {_HEIGHT}Z"/>'
    yield f'<path class="curve" d="M{line}"/>'
    for point, (x, y) in zip(points, places, strict=True):
        told = f"<title>{_text(point.told)}</title>"
        yield f'<circle class="bar" cx="{x:.1f}" cy="{y:.1f}" r="3">{told}</circle>'


def _bars(points: Sequence[_Point], highest: float) -> Iterator[str]:
    width = max(min(_WIDTH / len(points) * 0.6, 24), 1.5)
    for point in points:
        height = max(_HEIGHT * point.value / highest, 0)
        left = min(max(point.x - width / 2, 0), _WIDTH - width)
        yield (
            f'<rect class="bar" x="{left:.1f}" y="{_HEIGHT - height:.1f}" width="{width:.1f}"'
            f' height="{height:.1f}"><title>{_text(point.told)}</title></rect>'
        )


def _snapshots(snapshots: Sequence[SnapshotFigures]) -> Iterator[str]:
    yield "<h2>Snapshots</h2>"
    if not snapshots:
        yield "<p>There is no snapshot yet.</p>"
        return
    shown = [*reversed(snapshots)][:_MOST_SNAPSHOT_ROWS]
    rows = [
        [
            _text(each.id[:8]),
            _moment(each.started),
            _span(each.seconds),
            "?" if each.maintenance_seconds is None else _span(each.maintenance_seconds),
            str(each.files),
            _size(each.size_bytes),
            _size(each.grown_bytes),
            _size(each.new_bytes),
            _size(each.deduplicated_bytes + each.delta_saved_bytes),
            _count(each.errors),
            _count(each.alarms),
        ]
        for each in shown
    ]
    heads = ["id", "began", "took", "locked", "files", "size", "grown", "new", "saved"]
    yield from _table([*heads, "left out", "alarms"], rows)
    if len(shown) < len(snapshots):
        yield f"<p>The latest {len(shown)} of {len(snapshots)}.</p>"


def _users(history: History) -> Iterator[str]:
    if not history.stats.users:
        return
    yield "<h2>Users</h2>"
    rows = [
        [
            _text(user.user),
            str(user.files),
            _size(user.size_bytes),
            "?" if user.shown_bytes is None else _size(user.shown_bytes),
            _size(user.grown_bytes),
        ]
        for user in history.stats.users
    ]
    yield from _table(["user", "files", "size", "shown", "grown"], rows)


def _table(heads: Iterable[str], rows: Iterable[list[str]], *, text: int = 0) -> Iterator[str]:
    """Yield a table of cells that are HTML already; one column besides the first holds text."""
    cells = [
        f"<th{' class=text' if number == text else ''}>{head}</th>"
        for number, head in enumerate(heads)
    ]
    yield f"<table><thead><tr>{''.join(cells)}</tr></thead><tbody>"
    for row in rows:
        cells = [
            f"<td{' class=text' if number == text else ''}>{cell}</td>"
            for number, cell in enumerate(row)
        ]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _text(value: str) -> str:
    """Return text as HTML shows it; names may hold anything, also what no UTF-8 can carry."""
    return html.escape(str(document(value)))


def _count(number: int) -> str:
    return f'<span class="bad">{number}</span>' if number else "0"


def _size(count_bytes: float) -> str:
    return units.size(round(count_bytes))


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M}"


def _span(seconds: float) -> str:
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} days"
