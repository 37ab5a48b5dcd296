"""A folder for temporary files that outlives no process for long: the next one removes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder, and remove it at the end; first remove those of processes that were killed.

    Args:
        parent: an existing folder of ocsnap's own.
        prefix: what its name begins with; nothing else in `parent` does.

    Yields:
        The folder.

    Raises:
        LocalIOError: it cannot be made.
    """
    try:
        folder, descriptor = _made(parent, prefix)
    except OSError as error:
        raise LocalIOError(
            f"{parent} cannot be written: {error.strerror}.", hint="Make room there."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """Clear up, make a folder, and hold it: the system lets go of it however this process dies."""
    around = os.open(parent, _FLAGS & ~os.O_NOFOLLOW)  # the admin may have put a link there
    try:
        # Or somebody else would clear up the new folder before it is held.
        fcntl.flock(around, fcntl.LOCK_EX)
        for other in parent.glob(f"{prefix}*"):
            dead = _locked(other)
            if dead is not None:
                shutil.rmtree(other, ignore_errors=True)
                os.close(dead)
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        descriptor = os.open(folder, _FLAGS)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return folder, descriptor
    finally:
        os.close(around)


def _locked(folder: Path) -> int | None:
    """Lock a folder; None if somebody else holds it, or it is none."""
    try:
        descriptor = os.open(folder, _FLAGS)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
