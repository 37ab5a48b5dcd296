"""How runs have ended on this machine, one line of JSON for each, the oldest first."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.runs.record import FOLDER, RunRecord, read_records
from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "history.jsonl"
MOST_BYTES: Final = 4 * 1024 * 1024
"""About ten thousand runs; then the older half of them goes."""

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def keep(state_dir: Path, record: RunRecord, *, most_bytes: int = MOST_BYTES) -> None:
    """Add a run that is over.

    Args:
        state_dir: `backup.state_dir`.
        record: what it wrote down last; of one that was killed the next run adds it.
        most_bytes: the file is not to grow beyond this.

    Raises:
        OSError: it was not added.
    """
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / FILE, _FLAGS, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        # A check and a backup may end at the same moment. Closing ends the lock.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        line = msgspec.json.encode(record) + b"\n"
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            # A full disk may have cut the last line short: this one is not to be lost with it.
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        if file.tell() > most_bytes:
            file.seek(-most_bytes // 2, os.SEEK_END)
            _, _, younger = file.read().partition(b"\n")
            file.truncate(0)
            file.write(younger)


def read_history(state_dir: Path) -> list[RunRecord]:
    """Return every run that is known, those that go on or were killed among them; latest first.

    Args:
        state_dir: `backup.state_dir`.

    Raises:
        LocalIOError: they cannot be read.
    """
    path = state_dir / FOLDER / FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be read: {error.strerror}.") from error
    found = {_key(record): record for line in lines if (record := _decoded(line)) is not None}
    for record in read_records(state_dir):
        found.setdefault(_key(record), record)
    return sorted(found.values(), key=lambda record: record.started, reverse=True)


def _key(record: RunRecord) -> tuple[str, float, int]:
    return record.command, record.started, record.pid


def _decoded(line: bytes) -> RunRecord | None:
    """Return a line's record; None where a full disk or an older version left something else."""
    try:
        return msgspec.json.decode(line, type=RunRecord)
    except msgspec.MsgspecError:
        return None
