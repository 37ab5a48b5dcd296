"""Progress as plain lines with the time, for cron and log files."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from ocsnap.cli.journal import Priority
from ocsnap.cli.options import Verbosity
from ocsnap.cli.progress_text import progress_text
from ocsnap.cli.text import printable

if TYPE_CHECKING:
    from ocsnap.clock import Clock
    from ocsnap.monitor import Problem

_SECONDS_BETWEEN_LINES = 60.0


class LogMonitor:
    """Writes a line for each step and problem, and on long work one a minute."""

    def __init__(
        self,
        verbosity: Verbosity,
        clock: Clock,
        stream: TextIO | None = None,
        *,
        journal: bool = False,
    ) -> None:
        """Write to a stream.

        Args:
            verbosity: how much is said.
            clock: tells the time.
            stream: where to; None: standard error.
            journal: whether that is systemd's journal.
        """
        self._verbosity = verbosity
        self._clock = clock
        self._stream = stream or sys.stderr
        self._journal = journal
        self._lock = threading.Lock()
        self._step = self._place = ""
        self._total_bytes: int | None = None
        self._files = 0
        self._bytes = 0
        self._last_line = self._began = clock.monotonic()

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Write the step's name."""
        with self._lock:
            self._step, self._place, self._total_bytes = name, "", total_bytes
            self._files = self._bytes = 0
            self._began = self._clock.monotonic()
            self._say(f"{name} ...")

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Write where the work stands, now and then."""
        with self._lock:
            self._files += files
            self._bytes += size_bytes
            if self._clock.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
                place = f", {self._place}" if self._place else ""
                self._say(f"{self._step}{place}: {self._progress()}")

    def at(self, place: str) -> None:
        """Name it in the next line."""
        with self._lock:
            self._place = place

    def note(self, text: str) -> None:
        """Write the note."""
        with self._lock:
            self._say(text, priority=Priority.NOTICE)

    def problem(self, problem: Problem) -> None:
        """Write the problem, whatever the verbosity."""
        with self._lock:
            text = f"PROBLEM {problem.subject}: {problem.reason}"
            self._say(text, Verbosity.QUIET, Priority.ERROR)

    def _progress(self) -> str:
        rate = self._bytes / max(self._clock.monotonic() - self._began, 1.0)
        left = None
        if self._total_bytes is not None and rate > 0:
            left = max(self._total_bytes - self._bytes, 0) / rate
        told = progress_text(self._bytes, self._total_bytes, rate, left)
        return f"{self._files} files, {told}" if told else f"{self._files} files"

    def _say(
        self,
        text: str,
        needed: Verbosity = Verbosity.NORMAL,
        priority: Priority = Priority.INFO,
    ) -> None:
        self._last_line = self._clock.monotonic()
        if self._verbosity >= needed:
            head = f"<{priority}>" if self._journal else self._time()
            print(f"{head}{printable(text)}", file=self._stream, flush=True)

    def _time(self) -> str:
        moment = datetime.fromtimestamp(self._clock.now(), UTC).astimezone()
        return f"{moment:%Y-%m-%d %H:%M:%S} "
