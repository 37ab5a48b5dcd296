"""The calls of the kernel, answered from snapshots; knows nothing of how they get here."""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from ocsnap.commands.mount.contents import Contents, OpenFile
from ocsnap.errors import OcsnapError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.commands.mount.tree import SnapshotTree
    from ocsnap.monitor import Monitor
    from ocsnap.repository.tree import Entry

Result = TypeVar("Result")

_BLOCK_BYTES: Final = 512
"""Of `st_blocks` (stat(2))."""


class FileSystem:
    """A read-only file system; every failure is an OSError, as the kernel wants it."""

    def __init__(self, tree: SnapshotTree, contents: Contents, monitor: Monitor) -> None:
        """Compose the parts.

        Args:
            tree: finds entries.
            contents: reads files.
            monitor: is told what cannot be read.
        """
        self._tree = tree
        self._contents = contents
        self._monitor = monitor
        self._lock = threading.Lock()
        self._open: dict[int, OpenFile] = {}
        self._next = 1

    def status(self, path: str) -> dict[str, int]:
        """Return what stat(2) tells; times in nanoseconds."""
        entry = self._entry(path)
        size = len(entry.target) if stat.S_ISLNK(entry.mode) else entry.size_bytes
        if entry.is_directory:
            size = 0
        return {
            # Nobody can write here, whoever the file belongs to.
            "st_mode": entry.mode & ~0o222 if not stat.S_ISLNK(entry.mode) else entry.mode,
            "st_nlink": max(1, entry.links),
            "st_uid": entry.uid,
            "st_gid": entry.gid,
            "st_size": size,
            "st_blocks": -(-size // _BLOCK_BYTES),
            "st_mtime": entry.mtime_ns,
            "st_ctime": entry.mtime_ns,
            "st_atime": entry.mtime_ns,
        }

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        found = self._tried(path, lambda: self._tree.names(path))
        if found is None:
            self._entry(path)
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return found

    def target(self, path: str) -> str:
        """Return where a symbolic link points."""
        entry = self._entry(path)
        if not stat.S_ISLNK(entry.mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        return os.fsdecode(entry.target)

    def attributes(self, path: str) -> dict[str, bytes]:
        """Return the extended attributes."""
        return {os.fsdecode(name): value for name, value in self._entry(path).xattrs}

    def open(self, path: str) -> int:
        """Open a regular file for reading; return its handle."""
        entry = self._entry(path)
        if not entry.is_file:
            code = errno.EISDIR if entry.is_directory else errno.EINVAL
            raise OSError(code, os.strerror(code), path)
        with self._lock:
            handle, self._next = self._next, self._next + 1
            self._open[handle] = OpenFile(entry)
        return handle

    def read(self, path: str, handle: int, offset: int, length: int) -> bytes:
        """Return a part of an open file."""
        with self._lock:
            file = self._open.get(handle)
        if file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), path)
        found = self._tried(path, lambda: self._contents.read(file, offset, length))
        return b"" if found is None else found

    def close(self, handle: int) -> None:
        """Let go of an open file."""
        with self._lock:
            self._open.pop(handle, None)

    def _entry(self, path: str) -> Entry:
        entry = self._tried(path, lambda: self._tree.find(path))
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return entry

    def _tried(self, path: str, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except OcsnapError as error:
            self._monitor.problem(Problem(path, error.message))
            raise OSError(errno.EIO, error.message, path) from error
