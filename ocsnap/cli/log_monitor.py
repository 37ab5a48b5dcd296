"""Progress as plain lines with the time, for cron and log files."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from ocsnap import units
from ocsnap.cli.options import Verbosity
from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from ocsnap.clock import Clock
    from ocsnap.monitor import Problem

_SECONDS_BETWEEN_LINES = 60.0


class LogMonitor:
    """Writes a line for each step and problem, and on long work one a minute."""

    def __init__(self, verbosity: Verbosity, clock: Clock, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard error by default."""
        self._verbosity = verbosity
        self._clock = clock
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._step = ""
        self._total_bytes: int | None = None
        self._files = 0
        self._bytes = 0
        self._last_line = clock.monotonic()

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Write the step's name."""
        with self._lock:
            self._step, self._total_bytes = name, total_bytes
            self._files = self._bytes = 0
            self._say(f"{name} ...")

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Write where the work stands, now and then."""
        with self._lock:
            self._files += files
            self._bytes += size_bytes
            if self._clock.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
                self._say(f"{self._step}: {self._progress()}")

    def note(self, text: str) -> None:
        """Write the note."""
        with self._lock:
            self._say(text)

    def problem(self, problem: Problem) -> None:
        """Write the problem, whatever the verbosity."""
        with self._lock:
            self._say(f"PROBLEM {problem.subject}: {problem.reason}", Verbosity.QUIET)

    def _progress(self) -> str:
        done = f"{self._files} files, {units.size(self._bytes)}"
        return done if self._total_bytes is None else f"{done} of {units.size(self._total_bytes)}"

    def _say(self, text: str, needed: Verbosity = Verbosity.NORMAL) -> None:
        self._last_line = self._clock.monotonic()
        if self._verbosity >= needed:
            moment = datetime.fromtimestamp(self._clock.now(), UTC).astimezone()
            print(f"{moment:%Y-%m-%d %H:%M:%S} {printable(text)}", file=self._stream, flush=True)
