"""A report as one page of HTML: nothing is loaded from anywhere, and nothing in it runs."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap import __version__, units
from ocsnap.cli.report_chart import Point, chart
from ocsnap.commands.document import document
from ocsnap.commands.runs.record import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocsnap.cli.report_chart import Words
    from ocsnap.commands.report import History
    from ocsnap.commands.runs.record import RunRecord
    from ocsnap.commands.stats import SnapshotFigures

_MOST_ROWS: Final = 200
_MOST_WRONG_ROWS: Final = 20
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --ink: #2563a8; --bad: #b3261e; --good: #2b7a3d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; } .quiet { opacity: .7; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th, td { white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: 1rem; }
.tiles { margin: 1.5rem 0; padding: 0; list-style: none; }
.tiles li { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem; }
.tiles b { display: block; font-size: 1.4rem; }
.wide { overflow-x: auto; }
.bad { color: var(--bad); font-weight: bold; } .good { color: var(--good); }
figure { margin: 1rem 0; } figcaption { font-weight: bold; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg .grid { stroke: var(--line); } svg .bar { fill: var(--ink); } svg .wrong { fill: var(--bad); }
svg .curve { fill: none; stroke: var(--ink); stroke-width: 2; }
svg .area { fill: var(--ink); opacity: .15; }
"""


class _Run(NamedTuple):
    record: RunRecord
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.record.started

    @property
    def is_good(self) -> bool:
        good = self.record.state in {RunState.DONE, RunState.RUNNING}
        return good and not self.record.exit_status


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
        *_wrong(history),
        *_charts(history.stats.snapshots),
        *_runs(history),
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


def _wrong(history: History) -> Iterator[str]:
    yield "<h2>What went wrong</h2>"
    bad = [run for run in _told(history) if not run.is_good]
    if not bad:
        yield '<p class="good">Nothing, in all runs that are remembered on this machine.</p>'
        return
    shown = bad[:_MOST_WRONG_ROWS]
    rows = []
    for run in shown:
        command, began, _, state, status, problems, *_, why = _run_row(run, None)
        rows.append([command, began, state, status, problems, why])
    yield from _table(["command", "began", "ended", "exit status", "problems", "why"], rows, text=5)
    yield from _rest(len(shown), len(bad))


def _runs(history: History) -> Iterator[str]:
    yield "<h2>Runs on this machine</h2>"
    told = _told(history)
    if not told:
        yield "<p>Nothing has run here yet.</p>"
        return
    for command in sorted({run.record.command for run in told}):
        mine = [run for run in reversed(told) if run.record.command == command]
        if len(mine) > 1:
            title = f"How long ocsnap {command} took; red where it did not end well"
            yield chart(title, [_run_point(run) for run in mine], _span)
    shown = told[:_MOST_ROWS]
    snapshots = {each.id: each for each in history.stats.snapshots}
    rows = [_run_row(run, snapshots.get(run.record.snapshot)) for run in shown]
    heads = ["command", "began", "took", "ended", "exit status", "problems", "snapshot", "locked"]
    yield from _table([*heads, "why"], rows, text=8)
    yield from _rest(len(shown), len(told))


def _run_row(run: _Run, made: SnapshotFigures | None) -> list[str]:
    record = run.record
    state = f'<span class="{"good" if run.is_good else "bad"}">{record.state}</span>'
    locked = None if made is None else made.maintenance_seconds
    return [
        _text(record.command),
        _moment(record.started),
        _span(run.seconds),
        state,
        "" if record.exit_status is None else str(record.exit_status),
        _count(record.problems),
        _text(record.snapshot[:8]),
        "" if locked is None else _span(locked),
        _text(record.message or (record.step if record.state is not RunState.DONE else "")),
    ]


def _run_point(run: _Run) -> Point:
    told = f"{_moment(run.record.started)}: {_span(run.seconds)}, {run.record.state}"
    return Point(run.record.started, run.seconds, told, is_bad=not run.is_good)


def _told(history: History) -> list[_Run]:
    return [_Run(run, _ended(run, history.made)) for run in history.runs]


def _ended(run: RunRecord, now: float) -> float:
    return run.finished or (now if run.state is RunState.RUNNING else run.updated)


def _charts(snapshots: Sequence[SnapshotFigures]) -> Iterator[str]:
    if not snapshots:
        return
    yield "<h2>Growth and time of the snapshots</h2>"

    def points(value: Callable[[SnapshotFigures], float], words: Words) -> list[Point]:
        return [
            Point(
                each.started,
                value(each),
                f"{_moment(each.started)}: {words(value(each))}",
                is_bad=bool(each.errors or each.alarms),
            )
            for each in snapshots
        ]

    sizes = points(lambda each: each.size_bytes, _size)
    yield chart("Size of all files", sizes, _size, curve=True)
    new = points(lambda each: each.new_bytes, _size)
    yield chart("Newly stored, before compression", new, _size)
    yield chart("How long backups took", points(lambda each: each.seconds, _span), _span)
    if any(each.maintenance_seconds is not None for each in snapshots):
        locked = points(lambda each: each.maintenance_seconds or 0.0, _span)
        yield chart("How long users were locked out", locked, _span)
    if any(each.errors for each in snapshots):
        yield chart("Files left out", points(lambda each: each.errors, _number), _number)


def _snapshots(snapshots: Sequence[SnapshotFigures]) -> Iterator[str]:
    yield "<h2>Snapshots</h2>"
    if not snapshots:
        yield "<p>There is no snapshot yet.</p>"
        return
    shown = [*reversed(snapshots)][:_MOST_ROWS]
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
    yield from _rest(len(shown), len(snapshots))


def _rest(shown: int, there: int) -> Iterator[str]:
    if shown < there:
        yield f"<p>The latest {shown} of {there}.</p>"


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
    yield f'<div class="wide"><table><thead><tr>{"".join(cells)}</tr></thead><tbody>'
    for row in rows:
        cells = [
            f"<td{' class=text' if number == text else ''}>{cell}</td>"
            for number, cell in enumerate(row)
        ]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _text(value: str) -> str:
    """Return text as HTML shows it; names may hold anything, also what no UTF-8 can carry."""
    return html.escape(str(document(value)))


def _count(number: int) -> str:
    return f'<span class="bad">{number}</span>' if number else "0"


def _number(value: float) -> str:
    return str(round(value))


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
    if hours < 10:
        return f"{hours} h {minutes:02} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
