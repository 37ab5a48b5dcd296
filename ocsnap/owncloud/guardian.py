"""The guardian: a process of its own that lifts maintenance when the backup dies.

Run as `python -m ocsnap.owncloud.guardian STATE_DIR`. Standard input is a pipe whose other end only
the backup holds, so its end tells of the backup's death, whatever it died of. All that lifting
needs is imported at the start: later the program's files may have been replaced, or be gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.clock import SystemClock
from ocsnap.errors import MaintenanceLeftOnError, OcsnapError
from ocsnap.owncloud.lease import read_lease
from ocsnap.owncloud.lift import lift_lease
from ocsnap.owncloud.lift_lock import lift_lock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocsnap.clock import Clock
    from ocsnap.monitor import Problem
    from ocsnap.owncloud.lease import Lease

LOG_NAME: Final = "guardian.log"
READY: Final = b"ready\n"
HANDED_OVER: Final = b"!"
PYTHON_PATH: Final = "PYTHONPATH"

PATIENCE_SECONDS: Final = 900.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_DYING_SECONDS: Final = 0.02
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SPARE_ME: Final = "-1000"
"""proc(5), /proc/<pid>/oom_score_adj: the out-of-memory killer takes anybody else, also where the
backup's whole control group is to be killed (memory.oom.group)."""


class GuardianLog:
    """Writes each note to guardian.log and to standard error; a `Monitor`."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        """Take the place of the log; nothing is written before there is something to say.

        Args:
            state_dir: ocsnap's folder.
            clock: tells the time.
        """
        self._path = state_dir / LOG_NAME
        self._clock = clock

    def step(self, name: str, *, total_bytes: int | None = None) -> None:
        """Do nothing."""

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Do nothing."""

    def at(self, place: str) -> None:
        """Do nothing."""

    def problem(self, problem: Problem) -> None:
        """Write it down like a note."""
        self.note(f"{problem.subject}: {problem.reason}")

    def note(self, text: str) -> None:
        """Write one line. That it cannot be written, as on a full disk, stops nothing."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock.now()))
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, os.fsencode(f"{moment} {text}\n"))
            finally:
                os.close(descriptor)
        _tell(f"ocsnap guardian: {text}\n")


def _tell(line: str) -> None:
    """Write to standard error, unless its reader is gone or hangs: users wait."""
    writable = select.poll()
    writable.register(2, select.POLLOUT)
    with contextlib.suppress(OSError):
        if any(event & select.POLLOUT for _, event in writable.poll(0)):
            os.write(2, os.fsencode(line)[: select.PIPE_BUF])


def guard(
    state_dir: Path,
    lease: Lease,
    *,
    handed_over: bool,
    clock: Clock,
    environment: Mapping[str, str],
) -> int:
    """Lift what the lease stands for, unless that has been done.

    Args:
        state_dir: ocsnap's folder.
        lease: the lease as it was when the guarding began.
        handed_over: the backup lives, and has given up lifting it.
        clock: measures and waits.
        environment: the environment for occ and PHP.

    Returns:
        The exit status: 0 if maintenance is off.
    """
    log = GuardianLog(state_dir, clock)
    deadline = clock.monotonic() + PATIENCE_SECONDS
    pause_seconds = 1.0
    while _stands(state_dir, lease):
        if not handed_over and lease.is_alive():
            # It is dying: the system closes a process's files before it buries it.
            clock.sleep(_DYING_SECONDS)
            continue
        try:
            with lift_lock(state_dir, log):
                if _stands(state_dir, lease):
                    log.note(f"ocsnap (process {lease.pid}) left {lease.root} in maintenance.")
                    means = lift_lease(state_dir, lease, clock, log, environment)
                    log.note(f"{lease.root} is out of maintenance, by {means.value}.")
            return 0
        except (OcsnapError, OSError, MemoryError) as error:
            log.note(f"Not lifted: {error}")
        if clock.monotonic() + pause_seconds > deadline:
            log.note("Giving up. Run `ocsnap unlock` once the cause is mended.")
            return 1
        clock.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
    return 0


def _stands(state_dir: Path, lease: Lease) -> bool:
    try:
        return read_lease(state_dir) == lease
    except MaintenanceLeftOnError:
        return True  # damaged since: but what stood in it is known here


def main(arguments: Sequence[str]) -> int:
    """Guard until the backup ends.

    Args:
        arguments: ocsnap's folder.

    Returns:
        The exit status: 0 if maintenance is off, or nothing was there to guard.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # only root may
        Path("/proc/self/oom_score_adj").write_text(_SPARE_ME, encoding="ascii")
    environment = {name: value for name, value in os.environ.items() if name != PYTHON_PATH}
    state_dir = Path(arguments[0])
    lease = read_lease(state_dir)
    if lease is None:
        return 1
    with contextlib.suppress(BrokenPipeError):  # it died already: all the more reason to go on
        os.write(1, READY)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    handed_over = os.read(0, 1) == HANDED_OVER
    os.dup2(nothing, 0)
    return guard(
        state_dir, lease, handed_over=handed_over, clock=SystemClock(), environment=environment
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
