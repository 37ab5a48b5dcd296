"""The scanner: what lies in a directory, and what of it is as it was."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.repository.tree import Entry
from ocsnap.snapshot.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.snapshot.exclusion import Exclusion

RACY_NS: Final = 20_000_000
"""A file that changed this short a time before it was read may change again within the same tick
of the file system's clock (4 to 10 ms on Linux, `CONFIG_HZ`) and look the same."""

_XATTRS_LEFT_OUT: Final = (b"security.selinux",)
_NO_XATTRS: Final = (errno.ENOTSUP, errno.ENOSYS)


class Found(NamedTuple):
    """A name in a directory.

    Attributes:
        name: the name.
        status: what lstat says of it.
    """

    name: bytes
    status: os.stat_result


def scan(
    path: bytes,
    folder: bytes,
    exclusion: Exclusion,
    failed: Callable[[bytes, OSError], None],
) -> list[Found]:
    """List a directory.

    Args:
        path: its absolute path.
        folder: its path below the root, empty or with a slash at its end.
        exclusion: what to leave out.
        failed: told of names that cannot be looked at; those that vanished are left out.

    Returns:
        What is there, sorted by name.

    Raises:
        OSError: the directory itself cannot be read.
    """
    found = []
    with Reach(path) as near, os.scandir(near) as listing:
        for item in listing:
            if exclusion.matches(folder, item.name):
                continue
            try:
                found.append(Found(item.name, item.stat(follow_symlinks=False)))
            except FileNotFoundError:
                continue
            except OSError as error:
                failed(path + b"/" + item.name, error)
    found.sort(key=_name_of)
    return found


def _name_of(found: Found) -> bytes:
    return found.name


def is_unchanged(entry: Entry, status: os.stat_result) -> bool:
    """Return whether a regular file is the one that was stored.

    Size and mtime are not enough: ownCloud keeps both when a file is overwritten by one of the same
    size whose client sends the same mtime; inode and ctime tell.

    Args:
        entry: the entry of the parent snapshot.
        status: what lstat says now.
    """
    return is_same(entry, status) and entry.size_bytes == status.st_size and not entry.unsteady


def is_same(entry: Entry, status: os.stat_result) -> bool:
    """Return whether a name of any kind still is what it was, its content left aside.

    Args:
        entry: the entry of the parent snapshot.
        status: what lstat says now.
    """
    return (
        entry.ctime_ns == status.st_ctime_ns
        and entry.inode == status.st_ino
        and entry.mtime_ns == status.st_mtime_ns
        and entry.mode == status.st_mode
    )


def describe(name: bytes, status: os.stat_result, *, at: int | bytes, read_ns: int) -> Entry:
    """Return the entry of a name, without what a directory or a file contains.

    Args:
        name: the name.
        status: what stat says.
        at: an open file, or a path that is not followed, to read extended attributes from.
        read_ns: when it was looked at; nanoseconds since the epoch.

    Returns:
        An entry with no content, no subtree and no target.

    Raises:
        OSError: the extended attributes cannot be read.
    """
    if isinstance(at, int):
        xattrs = _xattrs(at)
    else:
        with Reach(at) as near:
            xattrs = _xattrs(near)
    racy = read_ns - status.st_ctime_ns < RACY_NS
    return Entry(
        name,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        0 if racy else status.st_ctime_ns,
        status.st_ino,
        links=1 if stat.S_ISDIR(status.st_mode) else status.st_nlink,
        xattrs=xattrs,
        device=status.st_rdev,
        sparse=stat.S_ISREG(status.st_mode) and status.st_blocks * 512 < status.st_size,
    )


def _xattrs(at: int | bytes) -> tuple[tuple[bytes, bytes], ...]:
    follow = isinstance(at, int)
    try:
        names = sorted(os.fsencode(name) for name in os.listxattr(at, follow_symlinks=follow))
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return ()
        raise
    return tuple(
        (name, os.getxattr(at, name, follow_symlinks=follow))
        for name in names
        if name not in _XATTRS_LEFT_OUT
    )
