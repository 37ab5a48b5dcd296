"""Compares two folders in every respect that a backup has to bring back."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HOLE_BYTES = 64 * 1024
"""Holes are brought back in steps of this size."""


class Likeness(NamedTuple):
    """All that is known of one name.

    Attributes:
        kind: regular file, directory, ...
        mode: permissions, with setuid, setgid and sticky.
        owner: numeric user and group.
        mtime_ns: time of the last change of content.
        size_bytes: size; 0 for a directory, whose size says nothing.
        content: SHA-256 of a regular file.
        target: of a symbolic link.
        xattrs: extended attributes.
        twins: all names of the same file.
        device: of a device.
    """

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size_bytes: int
    content: str
    target: bytes
    xattrs: tuple[tuple[bytes, bytes], ...]
    twins: frozenset[bytes]
    device: int


def portrait(folder: Path | bytes) -> dict[bytes, Likeness]:
    """Look at everything in a folder, itself included, by relative path, however deep it lies."""
    root = os.fsencode(folder)
    found = {b"": _likeness(root, os.lstat(root))}
    twins: defaultdict[tuple[int, int], set[bytes]] = defaultdict(set)
    for parent, folders, files, descriptor in os.fwalk(root):
        for name in (*folders, *files):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            path = (parent + b"/" + name)[len(root) + 1 :]
            found[path] = _likeness(b"/proc/self/fd/%d/%b" % (descriptor, name), status)
            if stat.S_ISREG(status.st_mode):
                twins[status.st_dev, status.st_ino].add(path)
    for names in twins.values():
        for path in names:
            found[path] = found[path]._replace(twins=frozenset(names))
    return found


def _likeness(path: bytes, status: os.stat_result) -> Likeness:
    mode = status.st_mode
    return Likeness(
        kind=stat.S_IFMT(mode),
        mode=stat.S_IMODE(mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size_bytes=0 if stat.S_ISDIR(mode) else status.st_size,
        content=_digest(path) if stat.S_ISREG(mode) else "",
        target=os.readlink(path) if stat.S_ISLNK(mode) else b"",
        xattrs=_xattrs(path),
        twins=frozenset(),
        device=status.st_rdev,
    )


def _digest(path: bytes) -> str:
    with Path(os.fsdecode(path)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _xattrs(path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    names = sorted(os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False))
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)


def differences(expected: dict[bytes, Likeness], actual: dict[bytes, Likeness]) -> list[str]:
    """Say in words what is not alike; nothing, if all is."""
    found = [f"{name!r} is missing" for name in sorted(expected.keys() - actual.keys())]
    found += [f"{name!r} should not be there" for name in sorted(actual.keys() - expected.keys())]
    for name in sorted(expected.keys() & actual.keys()):
        for field, wanted, got in zip(Likeness._fields, expected[name], actual[name], strict=True):
            if wanted != got:
                found.append(f"{name!r}: {field} is {got!r} instead of {wanted!r}")
    return found


def allocated_bytes(path: Path | bytes) -> int:
    """Return what a file takes on disk."""
    return os.lstat(path).st_blocks * 512
