"""One backup or restore at a time on this host."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.clock import SystemClock
from ocsnap.errors import BusyError, LocalIOError
from ocsnap.process import process_start

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_NAME: Final = "lock"
_LOCKS: Final = Path("/proc/locks")
_LONGEST_BYTES: Final = 200
_TRIES_AFTER_DEATH: Final = 100
_PAUSE_SECONDS: Final = 0.05


@contextmanager
def run_lock(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock while the context lasts; the system frees it when the process dies.

    Args:
        folder: `backup.state_dir`.
        what: what the others shall be told, for example "a restore".

    Raises:
        BusyError: another ocsnap holds it.
        LocalIOError: it cannot be written.
    """
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error
    try:
        if not _taken(descriptor):
            holder = os.pread(descriptor, _LONGEST_BYTES, 0).decode("utf-8", "replace").strip()
            doing = f": {holder}" if holder else ", it has just begun"
            raise BusyError(
                f"Another ocsnap is at work on this host{doing}.",
                hint="Wait until it ends.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{what}, process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_holder(folder: Path) -> str | None:
    """Return who holds the lock, as he says; None: nobody does.

    The lock is not tried: whoever starts at this very moment would find it taken.

    Args:
        folder: `backup.state_dir`.
    """
    path = folder / LOCK_NAME
    try:
        inode = path.stat().st_ino
        # proc(5): each lock's line ends with major:minor:inode, first and last byte.
        places = (line.split()[-3] for line in _LOCKS.read_text().splitlines() if "FLOCK" in line)
        if not any(place.rpartition(":")[2] == str(inode) for place in places):
            return None
        return path.read_text("utf-8", "replace").strip() or "it has just begun"
    except OSError:
        return None


def _taken(descriptor: int) -> bool:
    """Take the lock; return whether that went well.

    A process that was killed while it started a program leaves a copy of itself behind, which holds
    the lock until it has become that program: milliseconds later, more on a busy machine.
    """
    clock = SystemClock()
    for _ in range(_TRIES_AFTER_DEATH):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _holder_lives(descriptor):
                return False
            clock.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _holder_lives(descriptor: int) -> bool:
    pid = os.pread(descriptor, _LONGEST_BYTES, 0).rpartition(b" ")[2]
    return not pid.isdigit() or process_start(int(pid)) is not None
