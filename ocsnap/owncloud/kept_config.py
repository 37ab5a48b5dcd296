"""config.php as it was before maintenance: kept twice, and put back when it has been spoilt."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.disk import sync_folder
from ocsnap.errors import LocalIOError, OwncloudError
from ocsnap.owncloud.durable_file import write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.monitor import Monitor

COPY_NAME = "config.php.kept"
# Beside config.php, so that putting it back is a rename, which a full disk does not prevent. It
# ends in .php, so that a web server runs it rather than show it, and it is no overlay.
SPARE_NAME = ".ocsnap-spare.php"


@dataclass(frozen=True)
class KeptConfig:
    """A copy of config.php, and where it goes.

    Attributes:
        config_path: config.php, links resolved.
        copy: the copy in ocsnap's own folder, readable by its owner alone.
        spare: the copy beside config.php; None: that folder is closed to us.
        uid: owner of config.php.
        gid: group of config.php.
        mode: permissions of config.php.
    """

    config_path: Path
    copy: Path
    spare: Path | None
    uid: int
    gid: int
    mode: int

    @classmethod
    def keep(cls, config_path: Path, state_dir: Path, monitor: Monitor) -> KeptConfig:
        """Copy config.php before it is changed.

        Args:
            config_path: config.php.
            state_dir: ocsnap's folder; made where it is missing.
            monitor: is told when there can be no copy beside config.php.

        Returns:
            The copies.

        Raises:
            LocalIOError: config.php cannot be read, or the copy not be written.
            OwncloudError: the disk is full; ownCloud would cut its config.php in toggling.
        """
        copy = state_dir / COPY_NAME
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with config_path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                data = file.read()
                found = os.fstat(file.fileno())
            write_durably(copy, data, mode=0o600)
        except OSError as error:
            raise LocalIOError(
                f"{config_path}: cannot be copied to {copy}: {error.strerror}."
            ) from error
        mode = stat.S_IMODE(found.st_mode)
        kept = cls(config_path, copy, None, found.st_uid, found.st_gid, mode)
        spare = config_path.with_name(SPARE_NAME)
        try:
            write_durably(spare, data, mode=mode, owner=kept._owner())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                copy.unlink()
                raise OwncloudError(
                    f"{config_path.parent}: the disk is full, so ownCloud would destroy its"
                    " config.php when maintenance is turned on.",
                    hint="Make room first.",
                ) from error
            monitor.note(f"{spare}: no spare copy of config.php: {error.strerror}.")
            return kept
        return cls(config_path, copy, spare, found.st_uid, found.st_gid, mode)

    def replace(self, data: bytes) -> None:
        """Give config.php other content, in one step, with its old owner and permissions.

        Args:
            data: the content.

        Raises:
            OSError: config.php cannot be written.
        """
        try:
            write_durably(self.config_path, data, mode=self.mode, owner=self._owner())
        except OSError:
            # No room or no right for a second file, or config.php is a mount of its own.
            self._overwrite(data)

    def put_back(self) -> None:
        """Make config.php again what it was.

        Raises:
            OSError: the copy is gone, or config.php cannot be written.
        """
        data = self.copy.read_bytes()
        if self.spare is not None and self._spare_is_good(self.spare, data):
            try:
                self.spare.replace(self.config_path)
            except OSError:
                self.replace(data)
            else:
                # PHP's opcode cache takes a file of the same second for the same file.
                os.utime(self.config_path)
                sync_folder(self.config_path.parent)
        else:
            self.replace(data)

    def discard(self) -> None:
        """Delete the copies."""
        self.copy.unlink(missing_ok=True)
        if self.spare is not None:
            self.spare.unlink(missing_ok=True)

    def _spare_is_good(self, spare: Path, data: bytes) -> bool:
        """Return whether the spare is still ours: the web server's user could change it."""
        try:
            descriptor = os.open(spare, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            return file.read() == data

    def _overwrite(self, data: bytes) -> None:
        descriptor = os.open(self.config_path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            # A lock that somebody never gives back must not keep users locked out.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def _owner(self) -> tuple[int, int] | None:
        """Only root can give files away, and only root needs to."""
        return (self.uid, self.gid) if os.geteuid() == 0 else None
