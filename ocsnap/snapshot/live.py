"""A pass over files that users are working on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocsnap.monitor import Monitor, Problem


class LiveMonitor:
    """Passes on the progress but no problems: the pass inside the window looks again at each."""

    def __init__(self, monitor: Monitor) -> None:
        """Pass on to `monitor`."""
        self._monitor = monitor

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Pass it on."""
        self._monitor.step(name, total_bytes=total_bytes)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Pass it on."""
        self._monitor.advance(files=files, size_bytes=size_bytes)

    def at(self, place: str) -> None:
        """Pass it on."""
        self._monitor.at(place)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._monitor.note(text)

    def problem(self, problem: Problem) -> None:
        """Leave it to the next pass."""
