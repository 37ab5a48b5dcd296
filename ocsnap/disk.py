"""What is on the disk, and not only on its way there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's names.

    Args:
        folder: the folder.

    Raises:
        OSError: it is no folder, or the disk cannot take it.
    """
    _sync(folder, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Wait until the disk has a file's content.

    Args:
        path: the file, which nobody else may put anything in place of.

    Raises:
        OSError: it is not there, or the disk says only now that it cannot take it.
    """
    _sync(path, 0)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
