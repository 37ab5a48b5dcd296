"""Files that stand on the disk already as a snapshot has them: taken over instead of fetched.

They are shared with the old file where the file system can (reflink: each of the two is copied when
it is written to), and copied elsewhere. Never hard-linked: ownCloud restores an old version of a
file by writing into its inode, and changes of mode or owner show in all names of an inode, so the
old tree, which is kept for the way back, would change with the new one.
"""

from __future__ import annotations

import fcntl
import os
import stat
from enum import Enum
from typing import TYPE_CHECKING, Final

from ocsnap.snapshot.placement import create_file, has_content, remove, write_at
from ocsnap.snapshot.reach import Reach
from ocsnap.units import MIB

if TYPE_CHECKING:
    from ocsnap.repository.tree import Entry

_FICLONE: Final = 0x40049409
"""linux/fs.h: _IOW(0x94, 9, int); btrfs, XFS, bcachefs, overlays on them, OCFS2, ZFS 2.2."""

_CHUNK_BYTES: Final = MIB


class Likeness(Enum):
    """How sure it is that a file is what an entry says."""

    NONE = "none"
    DOUBTFUL = "doubtful"
    """Size and time are right, but an overwrite can keep both: its content decides."""
    KNOWN = "known"
    """It is the very inode that was read for the snapshot, unchanged since."""


def likeness(entry: Entry, path: bytes | None, *, checksum: bool) -> Likeness:
    """Compare a file with an entry without reading it.

    Args:
        entry: a regular file of a snapshot.
        path: the file; None: there is none.
        checksum: let the content decide for every file of the right size.

    Returns:
        Whether it is the file of the entry.
    """
    if path is None or not entry.size_bytes:
        return Likeness.NONE
    try:
        with Reach(path) as near:
            found = os.lstat(near)
    except OSError:
        return Likeness.NONE
    if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size_bytes:
        return Likeness.NONE
    if checksum:
        return Likeness.DOUBTFUL
    if found.st_mtime_ns != entry.mtime_ns:
        return Likeness.NONE
    unchanged = (found.st_ino, found.st_ctime_ns) == (entry.inode, entry.ctime_ns)
    return Likeness.KNOWN if unchanged and not entry.unsteady else Likeness.DOUBTFUL


def take_over(entry: Entry, old: bytes | None, new: bytes, *, checksum: bool) -> bool:
    """Make a new file out of one that stands there already, if it is the right one.

    Args:
        entry: the file as the snapshot has it.
        old: a file that may be the same; users may be writing to it.
        new: where nothing stands yet.
        checksum: as for `likeness`.

    Returns:
        Whether the new file is there, with the content of the entry.

    Raises:
        OSError: the new file cannot be written.
    """
    like = likeness(entry, old, checksum=checksum)
    if old is None or like is Likeness.NONE:
        return False
    try:
        with Reach(old) as near:
            source = os.open(near, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        before = os.fstat(source)
        target = create_file(new)
        try:
            whole = _share(source, target) or _copy(source, target, entry)
        finally:
            os.close(target)
        steady = like is Likeness.KNOWN and _look(before) == _look(os.fstat(source))
        same_inode = (before.st_ino, before.st_ctime_ns) == (entry.inode, entry.ctime_ns)
    finally:
        os.close(source)
    if whole and ((steady and same_inode) or has_content(new, entry.content)):
        return True
    remove(new)
    return False


def can_share(folder: bytes) -> bool:
    """Return whether files of a folder can be shared with new ones beside it.

    Args:
        folder: a folder that may be written to.
    """
    first, second = (folder + b"/.ocsnap-probe-%d-%d" % (os.getpid(), n) for n in (1, 2))
    try:
        source = create_file(first)
        try:
            os.write(source, b"probe")
            target = create_file(second)
            try:
                return _share(source, target)
            finally:
                os.close(target)
                os.unlink(second)
        finally:
            os.close(source)
            os.unlink(first)
    except OSError:
        return False


def _share(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy(source: int, target: int, entry: Entry) -> bool:
    if entry.sparse:
        os.ftruncate(target, entry.size_bytes)
    done = 0
    while done < entry.size_bytes:
        data = os.pread(source, min(_CHUNK_BYTES, entry.size_bytes - done), done)
        if not data:
            return False
        write_at(target, memoryview(data), done, sparse=entry.sparse)
        done += len(data)
    return True


def _look(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
