"""A snapshot of the file system (LVM, btrfs, ZFS), made and removed by the admin's own commands."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ocsnap.errors import LocalIOError
from ocsnap.owncloud.command import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ocsnap.monitor import Monitor

TIME_OUT_SECONDS: Final = 300.0
_QUOTED_CHARACTERS: Final = 300


class FileSystemSnapshot:
    """Makes a snapshot once and removes it at the end."""

    def __init__(
        self,
        command: tuple[str, ...],
        cleanup_command: tuple[str, ...],
        path: Path,
        *,
        environment: Mapping[str, str],
        monitor: Monitor,
    ) -> None:
        """Take the commands; nothing is run yet.

        Args:
            command: makes the snapshot and lets it appear at `path`.
            cleanup_command: removes it; also run when the first one failed half-way.
            path: where the data directory is found in the snapshot.
            environment: the environment's variables, of which the commands see a few.
            monitor: is told when the snapshot could not be removed.
        """
        self.path = path
        self._command = command
        self._cleanup_command = cleanup_command
        self._environment = child_environment(environment)
        self._monitor = monitor

    @contextmanager
    def removed_afterwards(self) -> Iterator[None]:
        """Run the clean-up command when the context ends, however it ends."""
        try:
            yield
        finally:
            try:
                self._run(self._cleanup_command, "backup.snapshot_cleanup_command")
            except LocalIOError as error:
                self._monitor.note(f"{error} The snapshot may still be there.")

    def make(self) -> None:
        """Run the command.

        Raises:
            LocalIOError: it failed, or there is no data directory at the path.
        """
        self._run(self._command, "backup.snapshot_command")
        if not (self.path / ".ocdata").exists():
            raise LocalIOError(
                f"backup.snapshot_path: {self.path} holds no data directory of ownCloud.",
                hint="The snapshot command must make it appear there.",
            )

    def _run(self, command: tuple[str, ...], key: str) -> None:
        try:
            subprocess.run(  # noqa: S603 - the admin's own command
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIME_OUT_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip()[:_QUOTED_CHARACTERS]
            raise LocalIOError(
                f"{key}: ended with status {error.returncode}: {said or 'it said nothing'}."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise LocalIOError(f"{key}: took more than {TIME_OUT_SECONDS:.0f} s.") from error
        except OSError as error:
            raise LocalIOError(f"{key}: cannot be run: {error.strerror}.") from error
