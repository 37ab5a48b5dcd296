"""One lifts at a time: the guardian, `ocsnap unlock` and the next backup may all come at once."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.monitor import Monitor

LOCK_NAME = "maintenance.lock"


@contextmanager
def lift_lock(state_dir: Path, monitor: Monitor) -> Iterator[None]:
    """Hold the lock; whoever holds it already is waited for. Its death frees it.

    Args:
        state_dir: ocsnap's folder.
        monitor: is told if there is somebody to wait for.

    Yields:
        Nothing.

    Raises:
        LocalIOError: the lock's file cannot be made.
    """
    path = state_dir / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            monitor.note("Another process is lifting maintenance mode: waiting for its end.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
