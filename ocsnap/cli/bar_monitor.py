"""Progress as a bar, for a person at a terminal."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console, Group
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ocsnap.cli.options import Verbosity
from ocsnap.cli.progress_text import progress_text
from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from rich.console import RenderableType
    from rich.progress import Task

    from ocsnap.monitor import Problem

_FIGURES_COLUMNS: Final = 60
"""What spinner, clock and figures take; only what is left of a line is for the bar."""

_LEAST_BAR_COLUMNS: Final = 8
_MOST_BAR_COLUMNS: Final = 40


class _Amount(ProgressColumn):
    """What is done, how fast, and what is left."""

    def render(self, task: Task) -> Text:
        """Return the figures of a step."""
        told = progress_text(task.completed, task.total, task.speed, task.time_remaining)
        return Text(told, no_wrap=True, overflow="ellipsis")


class _TwoLines(Progress):
    """What is being done, and below it how far it is: one line has no room for both."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the present step."""
        for task in self.tasks:
            place = str(task.fields.get("place", ""))
            where = Text(f": {place}" if place else "", style="cyan")
            where.truncate(self.console.width // 2, overflow="ellipsis")
            name = Text(task.description, style="bold")
            name.truncate(self.console.width - where.cell_len - 1, overflow="ellipsis")
            yield Group(name + where, self.make_tasks_table([task]))


class BarMonitor:
    """Shows the present step with its rate and what is left of it; a context manager."""

    def __init__(self, verbosity: Verbosity) -> None:
        """Show on standard error."""
        self._verbosity = verbosity
        self._lock = threading.Lock()
        self._console = Console(stderr=True)
        room = min(self._console.width - _FIGURES_COLUMNS, _MOST_BAR_COLUMNS)
        self._progress = _TwoLines(
            SpinnerColumn(),
            *([BarColumn(room)] if room >= _LEAST_BAR_COLUMNS else []),
            *([TimeElapsedColumn()] if room >= 0 else []),
            _Amount(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("Starting", total=None)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._progress.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away for the length of a block, so that it is not drawn over a question."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Begin the bar anew."""
        with self._lock:
            self._progress.remove_task(self._task)
            self._task = self._progress.add_task(printable(name), total=total_bytes)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Move the bar."""
        del files
        with self._lock:
            self._progress.advance(self._task, size_bytes)

    def at(self, place: str) -> None:
        """Name it behind the step."""
        with self._lock:
            self._progress.update(self._task, place=printable(place))

    def note(self, text: str) -> None:
        """Print the note above the bar."""
        if self._verbosity >= Verbosity.NORMAL:
            self._progress.console.print(escape(printable(text)), highlight=False)

    def problem(self, problem: Problem) -> None:
        """Print the problem above the bar."""
        text = f"{printable(problem.subject)}: {printable(problem.reason)}"
        self._progress.console.print(f"[bold red]problem[/] {escape(text)}", highlight=False)
