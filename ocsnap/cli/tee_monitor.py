"""Two monitors as one: what a person sees, and what is logged."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ocsnap.cli.question import Pausable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.cli.json_log import JsonLog
    from ocsnap.monitor import Monitor, Problem


class TeeMonitor:
    """Passes everything on to a monitor and to a log."""

    def __init__(self, shown: Monitor, log: JsonLog) -> None:
        """Pass on to both."""
        self._shown = shown
        self._log = log

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Pass it on."""
        self._shown.step(name, total_bytes=total_bytes)
        self._log.step(name, total_bytes=total_bytes)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Pass it on."""
        self._shown.advance(files=files, size_bytes=size_bytes)
        self._log.advance(files=files, size_bytes=size_bytes)

    def at(self, place: str) -> None:
        """Pass it on."""
        self._shown.at(place)
        self._log.at(place)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._shown.note(text)
        self._log.note(text)

    def problem(self, problem: Problem) -> None:
        """Pass it on."""
        self._shown.problem(problem)
        self._log.problem(problem)

    def record(self, event: str, fields: Mapping[str, Any]) -> None:
        """Log it; a person sees the result itself."""
        self._log.record(event, fields)

    def paused(self) -> AbstractContextManager[None]:
        """Draw nothing for the length of a block."""
        return self._shown.paused() if isinstance(self._shown, Pausable) else nullcontext()
