"""Folders that a restore fills, makes and takes away."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import TYPE_CHECKING

from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def refuse_unless_empty(target: Path) -> None:
    """See that a restore elsewhere can mix with nothing.

    Args:
        target: a folder, which need not be there yet.

    Raises:
        RefusedError: something stands there.
        LocalIOError: it cannot be read.
    """
    try:
        occupied = any(target.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise RefusedError(f"{target} is not a folder.", hint="Name another --target.") from None
    except OSError as error:
        raise LocalIOError(f"{target} cannot be read: {error.strerror}.") from error
    if occupied:
        raise RefusedError(f"{target} is not empty.", hint="Name another --target.")


def make_folder(folder: Path, *, mode: int) -> None:
    """Make a folder and those above it, whatever the umask says.

    Args:
        folder: what is to be there; left as it is if it is.
        mode: permissions of all that are made.

    Raises:
        OSError: one cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        path.chmod(mode)


def make_closed(folder: Path) -> None:
    """Make a folder that nobody else can enter, beside what is restored.

    One that is there already, from a run that was cut off, must be such a folder: the place may
    belong to the web server's user, who could have put a link there for root to write through.

    Args:
        folder: its parent is there.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "somebody else has made it", str(folder))


def remove(folders: Iterable[Path]) -> None:
    """Take away folders with all that is in them, as far as possible."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
