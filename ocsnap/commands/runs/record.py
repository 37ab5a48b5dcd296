"""The record of the last run of each kind: one small JSON file in `backup.state_dir`."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import ExitStatus, LocalIOError
from ocsnap.process import process_start

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "runs"
KEPT: Final = frozenset({ExitStatus.OK, ExitStatus.INCOMPLETE, ExitStatus.ALARM})
"""What a backup ends with that has made a snapshot."""

_UNKNOWN: Final = "unknown"


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DIED = "died"


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it last told of itself.

    Attributes:
        command: what runs, as it is called on the command line.
        repository: `repository.url`.
        pid: its process.
        process_start: what tells that process from a later one of the same number.
        started: when it began; seconds since the epoch.
        updated: when it last wrote this; seconds since the epoch.
        step: what it is doing.
        place: what of it the step has come to: a user's home, a table; empty where nobody said.
        step_number: 1 for its first step, 0 before.
        step_started: when the step began; seconds since the epoch.
        total_bytes: how much work the step is; None where nobody knows.
        done_bytes: how much of it is done.
        done_files: files done in this step.
        bytes_per_second: how fast it has been of late.
        problems: how many single things have failed.
        finished: when it ended; seconds since the epoch; None: it has not told.
        exit_status: what it exits with.
        message: why it failed, in one sentence.
        snapshot: id of the snapshot that it made.
        last_good: when the last run began that did what it was for; seconds since the epoch.
    """

    command: str
    repository: str
    pid: int
    process_start: str
    started: float
    updated: float
    step: str = ""
    place: str = ""
    step_number: int = 0
    step_started: float = 0.0
    total_bytes: int | None = None
    done_bytes: int = 0
    done_files: int = 0
    bytes_per_second: float = 0.0
    problems: int = 0
    finished: float | None = None
    exit_status: int | None = None
    message: str = ""
    snapshot: str = ""
    last_good: float | None = None

    @property
    def state(self) -> RunState:
        """Where the run stands; a process that was killed tells nothing itself."""
        if self.finished is not None:
            return RunState.DONE if self.exit_status in KEPT else RunState.FAILED
        if self.process_start == (process_start(self.pid) or _UNKNOWN):
            return RunState.RUNNING
        return RunState.DIED

    @property
    def remaining_seconds(self) -> float | None:
        """How long the step goes on at the present rate; None where nobody knows."""
        if self.total_bytes is None or self.bytes_per_second <= 0:
            return None
        return max(self.total_bytes - self.done_bytes, 0) / self.bytes_per_second


def read_record(state_dir: Path, command: str) -> RunRecord | None:
    """Return what the last run of a command wrote down.

    Args:
        state_dir: `backup.state_dir`.
        command: the command's name.

    Returns:
        The record; None where it never ran, or its record is damaged, which harms nothing.

    Raises:
        LocalIOError: it cannot be read.
    """
    path = _path(state_dir, command)
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be read: {error.strerror}.") from error


def read_records(state_dir: Path) -> list[RunRecord]:
    """Return the last run of every command that ever ran here, the latest first.

    Args:
        state_dir: `backup.state_dir`.

    Raises:
        LocalIOError: they cannot be read.
    """
    names = (path.stem for path in (state_dir / FOLDER).glob("*.json"))
    found = [record for name in names if (record := read_record(state_dir, name)) is not None]
    return sorted(found, key=lambda record: record.started, reverse=True)


def write_record(state_dir: Path, record: RunRecord) -> None:
    """Write a record, whole: who reads it sees this one or the one before.

    Args:
        state_dir: `backup.state_dir`.
        record: the record.

    Raises:
        OSError: the one before is still there.
    """
    path = _path(state_dir, record.command)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    # Nothing waits for the disk: after a power cut the run is over anyway.
    part.write_bytes(msgspec.json.encode(record))
    part.replace(path)


def _path(state_dir: Path, command: str) -> Path:
    return state_dir / FOLDER / f"{command}.json"
