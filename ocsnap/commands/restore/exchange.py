"""Two names change places in one step (renameat2(2)), so that neither is missing for a moment."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
"""linux/fs.h; Linux 3.15, and the C library since glibc 2.28 and musl 1.2."""

_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})


def exchange(first: Path, second: Path) -> bool:
    """Let two names change places.

    Args:
        first: one.
        second: the other, on the same file system.

    Returns:
        Whether they did; False where the kernel or the file system does not know how.

    Raises:
        OSError: they cannot, as renaming them could not either.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    failed = rename(
        *(_AT_FDCWD, os.fsencode(first)),
        *(_AT_FDCWD, os.fsencode(second)),
        ctypes.c_uint(_RENAME_EXCHANGE),
    )
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(first), None, str(second))
