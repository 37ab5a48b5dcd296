"""A monitor that passes everything on, and keeps a record of the run for `ocsnap status`."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.document import document
from ocsnap.commands.runs import history
from ocsnap.commands.runs.record import KEPT, RunRecord, RunState, read_record, write_record
from ocsnap.errors import ExitStatus, LocalIOError, OcsnapError
from ocsnap.process import process_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.monitor import Problem

SECONDS_BETWEEN_WRITES: Final = 1.0
RATE_SECONDS: Final = 30
"""The rate is that of the last so many writes, so it follows the line without jumping about."""


class Recorder:
    """A `Monitor` over another one; may be called from any thread."""

    def __init__(self, context: Context, state_dir: Path, command: str) -> None:
        """Begin the record.

        Args:
            context: the outside world, with the monitor to pass on to.
            state_dir: `backup.state_dir`.
            command: the command's name.
        """
        self.context = replace(context, monitor=self)
        self._monitor = context.monitor
        self._clock = context.clock
        self._state_dir = state_dir
        self._lock = threading.Lock()
        self._failed = False
        self._url = context.config.repository.url
        self._samples: deque[tuple[float, int]] = deque(maxlen=RATE_SECONDS)
        self._files = self._bytes = self._problems = 0
        before = _last(state_dir, command)
        if before is not None and before.state is RunState.DIED:
            self._keep(before)  # it could not do so itself
        same = before is not None and before.repository == self._url
        now = self._clock.now()
        self._record = RunRecord(
            command=command,
            repository=self._url,
            pid=os.getpid(),
            process_start=process_start(os.getpid()) or "",
            started=now,
            updated=now,
            last_good=before.last_good if before is not None and same else None,
        )
        self._outcome = ExitStatus.OK
        self._snapshot = ""
        self._next_write = 0.0
        self._write()

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Pass on that a step begins."""
        with self._lock:
            self._files = self._bytes = 0
            self._samples.clear()
            self._record = msgspec.structs.replace(
                self._record,
                step=name,
                place="",
                step_number=self._record.step_number + 1,
                step_started=self._clock.now(),
                total_bytes=total_bytes,
            )
            self._write()
        self._monitor.step(name, total_bytes=total_bytes)

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Pass on what is done."""
        self._monitor.advance(files=files, size_bytes=size_bytes)
        with self._lock:
            self._files += files
            self._bytes += size_bytes
            if self._clock.monotonic() >= self._next_write:
                self._write()

    def at(self, place: str) -> None:
        """Pass on where the step is."""
        self._monitor.at(place)
        with self._lock:
            self._record = msgspec.structs.replace(self._record, place=str(document(place)))

    def note(self, text: str) -> None:
        """Pass on a note."""
        self._monitor.note(text)

    def problem(self, problem: Problem) -> None:
        """Pass on a problem."""
        self._monitor.problem(problem)
        with self._lock:
            self._problems += 1

    def conclude(self, status: ExitStatus, *, snapshot: str = "") -> None:
        """Say how the run ends, when it ends without an error.

        Args:
            status: what the command line will exit with.
            snapshot: id of the snapshot that was made.
        """
        self._outcome, self._snapshot = status, snapshot

    def end(self, error: BaseException | None) -> None:
        """Write how the run ended.

        Args:
            error: what ended it; None: it came to its end.
        """
        status, message = (self._outcome, "") if error is None else _of(error)
        # What fails after a snapshot, such as pruning, does not take it away.
        made = bool(self._snapshot) or status in KEPT
        good = self._record.started if made else self._record.last_good
        with self._lock:
            self._record = msgspec.structs.replace(
                self._record,
                finished=self._clock.now(),
                exit_status=int(status),
                message=message,
                snapshot=self._snapshot,
                last_good=good,
            )
            self._write()
            self._keep(self._record)

    def _keep(self, record: RunRecord) -> None:
        try:
            history.keep(self._state_dir, record)
        except OSError as error:
            self._tell_once(error)

    def _tell_once(self, error: OSError) -> None:
        # A full disk must not end the backup; that nobody can follow it is worth one line.
        if not self._failed:
            self._failed = True
            self._monitor.note(f"`ocsnap status` cannot tell of this run: {error.strerror}.")

    def _write(self) -> None:
        moment = self._clock.monotonic()
        self._samples.append((moment, self._bytes))
        began, before = self._samples[0]
        rate = (self._bytes - before) / (moment - began) if moment > began else 0.0
        self._record = msgspec.structs.replace(
            self._record,
            updated=self._clock.now(),
            done_bytes=self._bytes,
            done_files=self._files,
            bytes_per_second=rate,
            problems=self._problems,
        )
        self._next_write = moment + SECONDS_BETWEEN_WRITES
        try:
            write_record(self._state_dir, self._record)
        except OSError as error:
            self._tell_once(error)


@contextmanager
def recorded(context: Context, state_dir: Path, command: str) -> Iterator[Recorder]:
    """Keep a record of the run that goes on in the block, and of how it ended.

    Args:
        context: the outside world.
        state_dir: `backup.state_dir`.
        command: the command's name.

    Yields:
        The recorder; its `context` is what the run must use.
    """
    recorder = Recorder(context, state_dir, command)
    try:
        yield recorder
    except BaseException as error:
        recorder.end(error)
        raise
    recorder.end(None)


def _last(state_dir: Path, command: str) -> RunRecord | None:
    try:
        return read_record(state_dir, command)
    except LocalIOError:
        return None  # a record is no reason not to run; that it cannot be written is told soon


def _of(error: BaseException) -> tuple[ExitStatus, str]:
    if isinstance(error, OcsnapError):
        return error.exit_status, str(error)
    if isinstance(error, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED, "Interrupted."
    return ExitStatus.INTERNAL, repr(error)
