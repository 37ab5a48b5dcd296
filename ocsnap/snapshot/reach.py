"""Paths of any length: Linux takes none of 4096 bytes or more, though folders may lie that deep.

A folder on the way is opened, and what lies below it is named through it: /proc/self/fd/N/rest.
That works for every call, also for those on extended attributes, which know no `dir_fd`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

PATH_BYTES: Final = 4096
"""Linux takes paths of so many bytes, the NUL at their end included (limits.h, PATH_MAX)."""

LONGEST_BYTES: Final = 64 * 1024
"""No deeper: of a path each folder's is in memory, and nobody shall fill it with folders."""

NAME_BYTES: Final = 255
"""Nearly all file systems take names of so many bytes (limits.h, NAME_MAX)."""

_NEAR_BYTES: Final = PATH_BYTES - 1024
"""So much of a path is gone down at once: /proc/self/fd/N comes before it, a name may follow."""

READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How to open a file that others may exchange meanwhile for a link, or for a pipe nobody fills."""

_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Reach:
    """A path in a form that the system takes; a context manager that gives it.

    For all but very long paths that is the path itself, at no cost.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: bytes) -> None:
        """Prepare.

        Args:
            path: an absolute path of any length.
        """
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> bytes:
        """Open what lies on the way, if that is needed.

        Returns:
            A path of the same file, good as long as this is open.

        Raises:
            OSError: a folder on the way cannot be opened.
        """
        if len(self._path) < _NEAR_BYTES:
            return self._path
        try:
            return self._shortened()
        except OSError as error:
            self._close()
            raise self._named(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; an error names the path as it was given."""
        if self._descriptor >= 0:
            self._close()
            if isinstance(error, OSError) and error.filename is not None:
                self._named(error)

    def _shortened(self) -> bytes:
        rest = self._path
        if len(rest) > LONGEST_BYTES:
            raise _too_long()
        while len(rest) >= _NEAR_BYTES:
            end = rest.rfind(b"/", 1, _NEAR_BYTES)
            if end < 0:
                raise _too_long()
            above = None if self._descriptor < 0 else self._descriptor
            below = os.open(rest[:end], _FLAGS, dir_fd=above)
            self._close()
            self._descriptor = below
            rest = rest[end:].lstrip(b"/")
        return b"/proc/self/fd/%d/%b" % (self._descriptor, rest)

    def _named(self, error: OSError) -> OSError:
        error.filename = self._path
        return error

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_long(path: bytes, name: bytes) -> bool:
    """Return whether a path is so long that it may be too long.

    Args:
        path: the path.
        name: what it ends in.
    """
    return len(name) > NAME_BYTES or len(path) > LONGEST_BYTES


def takes(path: bytes) -> bool:
    """Return whether something may have this path, there or not.

    Args:
        path: an absolute path; the folder that it lies in is there.
    """
    try:
        with Reach(path) as near:
            os.lstat(near)
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def _too_long() -> OSError:
    return OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
