"""A log for programs: one JSON object a line, for each step, problem and end of a run."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ocsnap.commands.document import document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.monitor import Problem

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
_MODE: Final = 0o600
"""Users' file names are in it."""

SECONDS_BETWEEN_LINES: Final = 60.0


class JsonLog:
    """Appends to a file, which is opened anew each time: logrotate may move it away at any moment.

    A log that cannot be written is told of once on standard error and stops nothing.
    """

    def __init__(self, path: Path, clock: Clock, run: str) -> None:
        """Write to a file.

        Args:
            path: the file; it is made where it is not there.
            clock: tells the time.
            run: the same in all lines of this run.
        """
        self._path = path
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._broken = False
        self._step = self._place = ""
        self._files = 0
        self._bytes = 0
        self._last_line = clock.monotonic()

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Write the step's name."""
        with self._lock:
            self._step, self._place, self._files, self._bytes = name, "", 0, 0
            self._write("step", {"step": name, "total_bytes": total_bytes})

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Write where the work stands, once a minute."""
        with self._lock:
            self._files += files
            self._bytes += size_bytes
            if self._clock.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
                done = {"files": self._files, "size_bytes": self._bytes}
                self._write("progress", {"step": self._step, "at": self._place, **done})

    def at(self, place: str) -> None:
        """Keep it for the next line."""
        with self._lock:
            self._place = place

    def note(self, text: str) -> None:
        """Write the note."""
        with self._lock:
            self._write("note", {"text": text})

    def problem(self, problem: Problem) -> None:
        """Write the problem."""
        with self._lock:
            self._write("problem", {"subject": problem.subject, "reason": problem.reason})

    def record(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write the begin or the end of a run."""
        with self._lock:
            self._write(event, fields)

    def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        now = self._clock.now()
        self._last_line = self._clock.monotonic()
        head = {"time": datetime.fromtimestamp(now, UTC).isoformat(), "event": event}
        line = msgspec.json.encode(document({**head, "run": self._run, **fields})) + b"\n"
        try:
            descriptor = os.open(self._path, _FLAGS, _MODE)
            try:
                # One call a line, so that lines of several runs do not mix.
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._broken:
                self._broken = True
                why = f"{self._path} cannot be written: {error.strerror}"
                sys.stderr.write(f"ocsnap: log.json_file: {why}.\n")
