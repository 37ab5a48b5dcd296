"""Calls of `occ maintenance:mode --on` that outlive the ocsnap that made them."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.processes import running_processes

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.owncloud.processes import Process

_ENDING: Final = ("--no-ansi", "maintenance:mode", "--on")
"""How `Occ` calls it. runuser, sudo and the clients of containers end with the same words."""

_PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


def unfinished_toggles(root: Path) -> list[Process]:
    """List the calls that may still turn maintenance on.

    Args:
        root: ownCloud's folder.

    Returns:
        All calls for this ownCloud, and those of which we may not see for which one they are.
    """
    return [
        process
        for process in running_processes()
        if process.arguments[-3:] == _ENDING and process.works_in(root) is not False
    ]


def await_toggles(root: Path, clock: Clock) -> None:
    """Wait until none is left, and kill what hangs, as the ocsnap that called it would have done.

    Args:
        root: ownCloud's folder.
        clock: measures and waits.
    """
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while (unfinished := unfinished_toggles(root)) and clock.monotonic() < deadline:
        clock.sleep(_POLL_SECONDS)
    for process in unfinished:
        if process.works_in(root):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
