"""Putting names, owners, modes and times on disk as an entry tells them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ocsnap.snapshot.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.repository.tree import Entry

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a file system says that takes nothing more."""

_HOLE_BYTES: Final = 64 * 1024
_REFUSED: Final = (
    *(errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL),
    *(errno.E2BIG, errno.ERANGE, errno.ENOSPC),
)
"""What file systems say to owners and attributes that they cannot keep: chown(2), setxattr(2). Of
those that have room for all files but not for a large attribute, too."""


def create_file(path: bytes) -> int:
    """Make a new file for writing; an existing one, or a link, is never written to.

    Returns:
        A file descriptor.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with Reach(path) as near:
        return os.open(near, flags, 0o600)


def open_again(path: bytes) -> int:
    """Open a file that was made before, for writing.

    Returns:
        A file descriptor.
    """
    with Reach(path) as near:
        return os.open(near, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)


def make_directory(path: bytes) -> None:
    """Make a directory that only its owner may look into, until it gets its rights."""
    with Reach(path) as near:
        os.mkdir(near, 0o700)


def make_link(path: bytes, first: bytes) -> bool:
    """Make a further name of a file.

    Args:
        path: where nothing stands yet.
        first: the file; a symbolic link is not followed.

    Returns:
        Whether there is such a file.
    """
    with Reach(first) as near_first, Reach(path) as near:
        try:
            os.link(near_first, near, follow_symlinks=False)
        except FileNotFoundError:
            return False
    return True


def remove(path: bytes) -> None:
    """Remove a file, if it is there."""
    with Reach(path) as near, suppress(FileNotFoundError):
        os.unlink(near)


def write_at(descriptor: int, data: memoryview, offset: int, *, sparse: bool) -> None:
    """Write all of `data` at `offset`; leave holes where it is zero if `sparse`."""
    if not sparse:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data = data[written:]
            offset += written
        return
    for start in range(0, len(data), _HOLE_BYTES):
        part = data[start : start + _HOLE_BYTES]
        if any(part):
            write_at(descriptor, part, offset + start, sparse=False)


def make_special(path: bytes, entry: Entry, *, devices: bool) -> bool:
    """Make a symbolic link, a named pipe or a device.

    Args:
        path: where nothing stands yet.
        entry: what to make.
        devices: whether devices are made, which only root may: whoever can open one reaches past
            all files' rights, and no ownCloud needs any.

    Returns:
        Whether it was made: sockets belong to running programs.

    Raises:
        OSError: the file system refuses it.
    """
    with Reach(path) as near:
        if stat.S_ISLNK(entry.mode):
            os.symlink(entry.target, near)
        elif stat.S_ISFIFO(entry.mode):
            os.mkfifo(near, 0o600)
        elif devices and (stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode)):
            os.mknod(near, stat.S_IFMT(entry.mode) | 0o600, entry.device)
        else:
            return False
    return True


def dress(at: int | bytes, entry: Entry, *, owners: bool) -> list[str]:
    """Give owner, mode, extended attributes and times to what stands there.

    Args:
        at: an open file, or a path, which is not followed if it is a symbolic link.
        entry: what it shall look like.
        owners: whether to set owner and group, which only root may.

    Returns:
        What this file system would not take of it, in words; that is no reason to give up a file.

    Raises:
        OSError: the file system fails.
    """
    if isinstance(at, int):
        return _dress(at, entry, owners=owners)
    with Reach(at) as near:
        return _dress(near, entry, owners=owners)


def _dress(at: int | bytes, entry: Entry, *, owners: bool) -> list[str]:
    path = isinstance(at, bytes)
    link = stat.S_ISLNK(entry.mode)
    refused = []
    if owners and not _accepted(os.chown, at, entry.uid, entry.gid, follow_symlinks=not path):
        refused.append("owner")
    for name, value in entry.xattrs:
        if not _accepted(os.setxattr, at, name, value, follow_symlinks=not path):
            refused.append(f"attribute {os.fsdecode(name)}")
    if not link:
        # After the owner: changing the owner clears setuid and setgid (chown(2)). And after the
        # attributes: nobody but root could set them on what is read-only.
        os.chmod(at, stat.S_IMODE(entry.mode))
    os.utime(at, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=not path)
    return refused


def has_content(path: bytes, content: bytes | None) -> bool:
    """Return whether a file has the content of this SHA-256."""
    with Reach(path) as near, open(near, "rb", buffering=0) as file:  # noqa: PTH123 - it is bytes
        return hashlib.file_digest(file, "sha256").digest() == content


def _accepted(change: Callable[..., None], *arguments: object, follow_symlinks: bool) -> bool:
    try:
        change(*arguments, follow_symlinks=follow_symlinks)
    except ValueError:
        return False  # a name with a NUL in it, which no file system ever gave
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return False
    return True
