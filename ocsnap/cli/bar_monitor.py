"""Progress as a bar, for a person at a terminal."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ocsnap.cli.options import Verbosity
from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ocsnap.monitor import Problem


class BarMonitor:
    """Shows the present step with its rate and what is left of it; a context manager."""

    def __init__(self, verbosity: Verbosity) -> None:
        """Show on standard error."""
        self._verbosity = verbosity
        self._lock = threading.Lock()
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
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
            self._task = self._progress.add_task(escape(name), total=total_bytes)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Move the bar."""
        del files
        with self._lock:
            self._progress.advance(self._task, size_bytes)

    def note(self, text: str) -> None:
        """Print the note above the bar."""
        if self._verbosity >= Verbosity.NORMAL:
            self._progress.console.print(escape(printable(text)), highlight=False)

    def problem(self, problem: Problem) -> None:
        """Print the problem above the bar."""
        text = f"{printable(problem.subject)}: {printable(problem.reason)}"
        self._progress.console.print(f"[bold red]problem[/] {escape(text)}", highlight=False)
