"""The scanner: what lies in a directory, and what of it is as it was."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.repository.tree import Entry, ends_part
from ocsnap.snapshot.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.snapshot.exclusion import Exclusion

RACY_NS: Final = 20_000_000
"""A file that changed this short a time before it was read may change again within the same tick
of the file system's clock (4 to 10 ms on Linux, `CONFIG_HZ`) and look the same."""

_XATTRS_LEFT_OUT: Final = (b"security.selinux",)
_NO_XATTRS: Final = (errno.ENOTSUP, errno.ENOSYS)


MOST_FOUND: Final = 8192
"""So many names are looked at in one go; in longer directories memory would grow with them, as the
answer to one lstat takes 800 bytes."""

SEGMENT_NAMES: Final = 4096
"""A segment of a longer directory has at least so many names, but for the last."""

_LONGEST_SEGMENT: Final = 4 * SEGMENT_NAMES
"""Chance ends segments long before."""


_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_EXCHANGED: Final = "it was exchanged for another while it was looked at"


class Identity(NamedTuple):
    """What tells one file from another, whatever leads to it.

    Attributes:
        device: of the file system.
        inode: in it.
    """

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return that of a file of which stat says so."""
        return cls(status.st_dev, status.st_ino)


class Sight(NamedTuple):
    """Which file was seen, and where.

    Attributes:
        file: which file it was when its directory was listed.
        folder: which directory that was.
    """

    file: Identity
    folder: Identity


class Found(NamedTuple):
    """A name in a directory.

    Attributes:
        name: the name.
        status: what lstat says of it.
    """

    name: bytes
    status: os.stat_result


Failed = Callable[[bytes, OSError], None]


class Scan:
    """What lies in a directory, sorted by name: all at once, or segment by segment.

    Attributes:
        names: how many names there are.
        left: how many segments were not taken yet.
    """

    def __init__(self, path: bytes, failed: Failed, found: list[Found]) -> None:
        """Begin with a directory of one segment.

        Args:
            path: its absolute path.
            failed: as for `scan`.
            found: what is there, sorted by name.
        """
        self._path = path
        self._failed = failed
        self._found = found
        self._identity: Identity | None = None
        self._more: list[bytes] = []
        self._ends: list[int] = []
        self._start = 0
        self.names = len(found)
        self.left = 1

    @classmethod
    def of_many(
        cls, path: bytes, failed: Failed, names: list[bytes], identity: Identity | None
    ) -> Scan:
        """Return one of many names, of which each is looked at when its segment is taken.

        Args:
            path: as for the constructor.
            failed: as for the constructor.
            names: all names, sorted.
            identity: as for `scan`.
        """
        scan = cls(path, failed, [])
        scan._identity = identity
        scan._more = names
        scan._ends = _ends(names)
        scan.names = len(names)
        scan.left = len(scan._ends)
        return scan

    def take(self) -> tuple[list[Found], bytes | None]:
        """Return the next segment.

        Returns:
            What is there now, sorted by name; and the last name that belongs to it, None: it is the
            last segment.
        """
        self.left -= 1
        if not self._more:
            found, self._found = self._found, []
            return found, None
        start, end = self._start, self._ends[-1 - self.left]
        self._start = end
        found = _look(self._path, self._more[start:end], self._failed, self._identity)
        return found, self._more[end - 1] if self.left else None


def scan(
    path: bytes,
    folder: bytes,
    exclusion: Exclusion,
    failed: Failed,
    identity: Identity | None = None,
) -> Scan:
    """List a directory.

    Whoever may write above it could lay a link in its place when it has been seen and is about to
    be opened, and so lead a backup by root to what only root may read.

    Args:
        path: its absolute path.
        folder: its path below the root, empty or with a slash at its end.
        exclusion: what to leave out.
        failed: told of names that cannot be looked at; those that vanished are left out.
        identity: which directory it must be.

    Returns:
        What is there.

    Raises:
        OSError: the directory itself cannot be read, or is another.
    """
    found: list[Found] = []
    leaves_out = exclusion.within(folder)
    with opened(path, identity) as descriptor, os.scandir(descriptor) as listing:
        for item in listing:
            name = os.fsencode(item.name)
            if leaves_out(name):
                continue
            try:
                found.append(Found(name, item.stat(follow_symlinks=False)))
            except FileNotFoundError:
                continue
            except OSError as error:
                failed(path + b"/" + name, error)
            if len(found) > MOST_FOUND:
                names = [each.name for each in found]
                del found
                others = (os.fsencode(item.name) for item in listing)
                names += [name for name in others if not leaves_out(name)]
                names.sort()
                return Scan.of_many(path, failed, names, identity)
    found.sort(key=_NAME_OF)
    return Scan(path, failed, found)


_NAME_OF: Final = itemgetter(0)


def _ends(names: list[bytes]) -> list[int]:
    """Return where segments end: where listings are cut anyway, so that the parts are the same."""
    ends, start = [], 0
    while len(names) - start > SEGMENT_NAMES:
        places = range(start + SEGMENT_NAMES, min(start + _LONGEST_SEGMENT, len(names)))
        cuts = (place for place in places if ends_part(names[place - 1], among=len(names)))
        start = next(cuts, places.stop)
        ends.append(start)
    if start < len(names):
        ends.append(len(names))
    return ends


def _look(
    path: bytes, names: list[bytes], failed: Failed, identity: Identity | None
) -> list[Found]:
    try:
        with opened(path, identity) as above:
            return look_at(above, path, names, failed)
    except FileNotFoundError:
        return []
    except OSError as error:
        failed(path, error)
        return []


def look_at(descriptor: int, path: bytes, names: Iterable[bytes], failed: Failed) -> list[Found]:
    """Look at names of a directory that is open.

    Args:
        descriptor: the directory.
        path: its absolute path.
        names: the names.
        failed: as for `scan`.

    Returns:
        What is there, in the order of the names.
    """
    found: list[Found] = []
    for name in names:
        try:
            found.append(Found(name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)))
        except FileNotFoundError:
            continue
        except OSError as error:
            failed(path + b"/" + name, error)
    return found


@contextmanager
def opened(path: bytes, identity: Identity | None) -> Iterator[int]:
    """Open a directory.

    Args:
        path: its absolute path.
        identity: which directory it must be.

    Yields:
        A descriptor.

    Raises:
        OSError: it cannot be opened, or is another.
    """
    with Reach(path) as near:
        descriptor = os.open(near, _FOLDER)
        try:
            if identity is not None and Identity.of(os.fstat(descriptor)) != identity:
                raise OSError(errno.ESTALE, _EXCHANGED, path)
            yield descriptor
        finally:
            os.close(descriptor)


def is_unchanged(entry: Entry, status: os.stat_result) -> bool:
    """Return whether a regular file is the one that was stored.

    Size and mtime are not enough: ownCloud keeps both when a file is overwritten by one of the same
    size whose client sends the same mtime; inode and ctime tell.

    Args:
        entry: the entry of the parent snapshot.
        status: what lstat says now.
    """
    # Asked of every file in every run, so one call, not two.
    return (
        entry.ctime_ns == status.st_ctime_ns
        and entry.inode == status.st_ino
        and entry.mtime_ns == status.st_mtime_ns
        and entry.mode == status.st_mode
        and entry.size_bytes == status.st_size
        and not entry.unsteady
    )


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
