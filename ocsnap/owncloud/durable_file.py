"""Files that are either the old one or the new one, whole, after a power cut too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocsnap.disk import sync_folder

if TYPE_CHECKING:
    from pathlib import Path


def write_durably(
    path: Path, data: bytes, *, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Replace a file in one step and wait until the disk has it.

    Args:
        path: the file; its folder may belong to a user who is not trusted.
        data: all of its new content.
        mode: its permissions.
        owner: its user and group; None: whoever runs this.

    Raises:
        OSError: the old file is still there, untouched.
    """
    # A name that nobody can guess, opened only if it is new: in the folder of the web server's
    # user, a link laid there before would make root write elsewhere.
    part = path.with_name(f".{path.name}.{os.urandom(8).hex()}.ocsnap")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
