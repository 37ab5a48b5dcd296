"""The lease: who has put which ownCloud into maintenance, written down before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ocsnap.disk import sync_folder
from ocsnap.errors import LocalIOError, MaintenanceLeftOnError
from ocsnap.owncloud.durable_file import write_durably
from ocsnap.process import process_start

if TYPE_CHECKING:
    from pathlib import Path

LEASE_NAME = "maintenance.lease"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to lift maintenance when the process that set it is dead.

    Attributes:
        pid: the process that holds maintenance.
        process_start: what tells it from a later process of the same number.
        started_at: when it began; seconds since the epoch.
        root: ownCloud's folder.
        config_path: config.php, links resolved.
        copy: config.php as it was before.
        spare: a second copy beside config.php, or an empty string.
        uid: owner of config.php.
        gid: group of config.php.
        mode: permissions of config.php.
        occ: the command that runs occ.
        php: the PHP interpreter.
        guarded: whether maintenance is lifted when the process dies; False: what it left may not
            be shown to users before somebody has looked at it.
    """

    pid: int
    process_start: str
    started_at: float
    root: str
    config_path: str
    copy: str
    spare: str
    uid: int
    gid: int
    mode: int
    occ: tuple[str, ...]
    php: str
    guarded: bool = True

    def is_alive(self) -> bool:
        """Return whether the process that wrote the lease still runs."""
        return process_start(self.pid) == self.process_start


def write_lease(state_dir: Path, lease: Lease) -> None:
    """Write the lease and wait until the disk has it.

    Args:
        state_dir: ocsnap's folder.
        lease: what to write.

    Raises:
        LocalIOError: it cannot be written.
    """
    path = state_dir / LEASE_NAME
    try:
        write_durably(path, msgspec.json.encode(lease), mode=0o600)
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error


def read_lease(state_dir: Path) -> Lease | None:
    """Read the lease.

    Args:
        state_dir: ocsnap's folder.

    Returns:
        The lease, or None where nobody holds maintenance.

    Raises:
        LocalIOError: it cannot be read.
        MaintenanceLeftOnError: it is damaged, so what to lift is not known.
    """
    path = state_dir / LEASE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lease)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise MaintenanceLeftOnError(
            f"{path}: is damaged, so ownCloud may still be in maintenance.",
            hint="Lift it with occ maintenance:mode --off, then delete this file.",
        ) from error


def remove_lease(state_dir: Path) -> None:
    """Remove the lease, since maintenance is lifted.

    Args:
        state_dir: ocsnap's folder.
    """
    (state_dir / LEASE_NAME).unlink(missing_ok=True)
    sync_folder(state_dir)
