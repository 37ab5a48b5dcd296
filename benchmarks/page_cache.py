"""The page cache, dropped: what comes next reads from the disk."""

from __future__ import annotations

import os
from pathlib import Path

_DROP = Path("/proc/sys/vm/drop_caches")
_PAGES_AND_NAMES = "3"


def drop(*folders: Path) -> str:
    """Write all to the disk and forget what was read.

    Args:
        folders: whose files are forgotten where this user may not forget everything.

    Returns:
        How it was done, in words.
    """
    os.sync()
    try:
        _DROP.write_text(_PAGES_AND_NAMES)
    except OSError:
        for folder in folders:
            _forget(folder)
        return "the pages of all files dropped, but not the names of files, which takes root"
    return "all of the page cache dropped, names of files too"


def _forget(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                descriptor = os.open(Path(path, name), os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                continue  # a link, or another user's
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
