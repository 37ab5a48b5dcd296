"""Finds the guardians that watch over a test's ownCloud."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from ocsnap.owncloud.processes import running_processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODULE = "ocsnap.owncloud.guardian"


def guardian_pids(state_dir: Path) -> list[int]:
    return [
        process.pid
        for process in running_processes()
        if MODULE in process.arguments and process.arguments[-1] == str(state_dir)
    ]


def kill_guardians(state_dir: Path) -> None:
    pids = guardian_pids(state_dir)
    assert pids, "there is a guardian to be killed"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.02)
