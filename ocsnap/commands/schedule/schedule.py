"""Installs, shows and removes a schedule."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.schedule.crontab import NAME, crontab
from ocsnap.commands.schedule.plan import MARK
from ocsnap.commands.schedule.units import PREFIX, starters, units
from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.schedule.plan import Plan

_UNITS: Final = Path("etc/systemd/system")
_CRON: Final = Path("etc/cron.d")
_RUNNING: Final = Path("run/systemd/system")
"""There as long as systemd is what started the machine (sd_booted(3))."""

_MODE: Final = 0o644
_PATIENCE_SECONDS: Final = 60.0


class Backend(StrEnum):
    """What starts the jobs."""

    SYSTEMD = "systemd"
    CRON = "cron"


@dataclass(frozen=True)
class Installed:
    """A schedule that is there.

    Attributes:
        backend: what starts it.
        files: its files.
        lines: what they say of when.
        active: whether it is known to be waiting for its time; None: nobody can tell.
    """

    backend: Backend
    files: tuple[Path, ...]
    lines: tuple[str, ...]
    active: bool | None = None


@dataclass(frozen=True)
class Machine:
    """Where a schedule is installed.

    Attributes:
        root: the folder that all paths begin at: `/`, or an image that is being made.
    """

    root: Path = Path("/")

    def usual_backend(self) -> Backend:
        """Return what this machine starts jobs with.

        Raises:
            RefusedError: neither of the two is there.
        """
        if self._systemd_runs:
            return Backend.SYSTEMD
        if (self.root / _CRON).is_dir():
            return Backend.CRON
        raise RefusedError(
            "This machine has neither systemd nor cron.", hint="Install cron, or name one of them."
        )

    def install(self, plan: Plan, backend: Backend) -> Installed:
        """Install a schedule; what ocsnap had installed before goes.

        Args:
            plan: what is to run.
            backend: what is to start it.

        Returns:
            What is there now.

        Raises:
            RefusedError: a file of that name is not ocsnap's.
            LocalIOError: a file cannot be written, or systemd refuses.
        """
        wanted = self.wanted(plan, backend)
        self.remove()
        for path, text in wanted.items():
            _write(path, text)
        if backend is Backend.SYSTEMD:
            if self._systemd_runs:
                self._systemctl("daemon-reload")
            self._systemctl("enable", *starters(plan))
            if self._systemd_runs:
                self._systemctl("start", *(name for name in starters(plan) if "timer" in name))
        found = self.installed()
        if found is None:
            raise LocalIOError("The schedule that was written cannot be read.")
        return found

    def wanted(self, plan: Plan, backend: Backend) -> dict[Path, str]:
        """Return the files that a schedule consists of, and what stands in them.

        Args:
            plan: what is to run.
            backend: what is to start it.

        Raises:
            RefusedError: a file of that name is not ocsnap's.
        """
        if backend is Backend.SYSTEMD:
            wanted = {self.root / _UNITS / name: text for name, text in units(plan).items()}
        else:
            wanted = {self.root / _CRON / NAME: crontab(plan)}
        for path in wanted:
            if path.exists() and not _is_ours(path):
                raise RefusedError(
                    f"{path} is there already, and ocsnap did not write it.",
                    hint="Move it away first.",
                )
        return wanted

    def files(self) -> list[Path]:
        """Return the files that ocsnap has installed."""
        cron = self.root / _CRON / NAME
        return self._units() + ([cron] if cron.exists() and _is_ours(cron) else [])

    def installed(self) -> Installed | None:
        """Return the schedule that is there; None: there is none."""
        timers = sorted(path for path in self._units() if path.suffix == ".timer")
        if timers:
            lines = (line for path in timers for line in path.read_text().splitlines())
            when = tuple(line.partition("=")[2] for line in lines if line.startswith("Description"))
            return Installed(Backend.SYSTEMD, tuple(self._units()), when, self._is_active(timers))
        cron = self.root / _CRON / NAME
        if cron.exists() and _is_ours(cron):
            lines = (line for line in cron.read_text().splitlines() if " root " in line)
            return Installed(Backend.CRON, (cron,), tuple(lines))
        return None

    def remove(self) -> list[Path]:
        """Take away what ocsnap installed.

        Returns:
            The files that were there.

        Raises:
            LocalIOError: one cannot be removed, or systemd refuses.
        """
        ours = self.files()
        starting = [path.name for path in self._units() if "[Install]" in path.read_text()]
        if starting:
            self._systemctl("disable", *(("--now",) if self._systemd_runs else ()), *starting)
        for path in ours:
            try:
                path.unlink()
            except OSError as error:
                raise _cannot(path, "removed", error) from error
        if starting and self._systemd_runs:
            self._systemctl("daemon-reload")
        return ours

    @property
    def _systemd_runs(self) -> bool:
        return (self.root / _RUNNING).is_dir()

    def _units(self) -> list[Path]:
        return sorted(path for path in (self.root / _UNITS).glob(f"{PREFIX}*") if _is_ours(path))

    def _is_active(self, timers: Sequence[Path]) -> bool | None:
        if not self._systemd_runs:
            return None
        names = [path.name for path in timers]
        return _run(["systemctl", "is-active", "--quiet", *names]).returncode == 0

    def _systemctl(self, *arguments: str) -> None:
        where = [] if self.root == Path("/") else [f"--root={self.root}"]
        done = _run(["systemctl", *where, *arguments])
        if done.returncode:
            said = done.stderr.strip() or f"status {done.returncode}"
            raise LocalIOError(f"systemctl {arguments[0]} failed: {said.rstrip('.')}.")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - no shell; names of our own
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except OSError as error:
        raise LocalIOError(f"{command[0]} cannot be run: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise LocalIOError(f"{command[0]} took more than {_PATIENCE_SECONDS:.0f} s.") from error


def _is_ours(path: Path) -> bool:
    try:
        return path.read_text("utf-8", "replace").startswith(MARK)
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        # systemd and cron read these files whatever our umask is, and there is no secret in them.
        path.chmod(_MODE)
    except OSError as error:
        raise _cannot(path, "written", error) from error


def _cannot(path: Path, what: str, error: OSError) -> LocalIOError:
    return LocalIOError(f"{path}: cannot be {what}: {error.strerror}.", hint="Run ocsnap as root.")
