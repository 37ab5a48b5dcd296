"""What stands in a home, compared with what a snapshot has: what is to be put back, and where.

What is right already is found out without the repository: by inode and time of change where the
snapshot knows them, else by the content's hash.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ocsnap.snapshot.reach import READING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.restore_user.folder import Folder
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.listings import Listings

_MADE_AGAIN: Final = frozenset({b"cache", b"uploads", b"thumbnails"})
"""Thumbnails lie under numbers that ownCloud may have given to other files since."""


class Act(StrEnum):
    """What is done with one path."""

    PUT = "put"
    EXCHANGE = "exchange"
    LEAVE = "leave"


@dataclass(frozen=True)
class Action:
    """One path that is not as the snapshot has it.

    Attributes:
        act: PUT where nothing stands; EXCHANGE where something else does; LEAVE where that is
            older versions or trash, of which the present ones stay.
        parts: the path in the home.
        entry: what the snapshot has; a folder stands for all that is in it.
        present: what stands there; None: nothing.
    """

    act: Act
    parts: tuple[bytes, ...]
    entry: Entry
    present: os.stat_result | None

    @property
    def shown(self) -> str:
        """The path in the home, as text."""
        return os.fsdecode(b"/".join(self.parts))


class FilePlan:
    """Compares one path of a snapshot, with all below it, with a home.

    Attributes:
        same: number of files that are right already.
        same_bytes: their sizes.
        present_parts: how many folders on the way to the path are there.
    """

    def __init__(self, listings: Listings, home: Folder | None) -> None:
        """Prepare.

        Args:
            listings: reads the snapshot.
            home: the home as it stands; None: there is none.
        """
        self._listings = listings
        self._home = home
        self.same = 0
        self.same_bytes = 0
        self.present_parts = 0

    def run(self, parts: tuple[bytes, ...], entry: Entry) -> Iterator[Action]:
        """Yield what is to be done, folders before what is in them.

        Args:
            parts: the path in the home; none: the home itself, without what ownCloud makes again.
            entry: what the snapshot has there.

        Raises:
            DamagedError: a listing is lost.
            RefusedError: a folder on the way to the path is a link or no folder.
            LocalIOError: what stands there cannot be read.
        """
        if parts:
            yield from self._one(parts, entry)
            return
        for child in self._listings.of(entry):
            if child.name not in _MADE_AGAIN:
                yield from self._one((child.name,), child)

    def _one(self, parts: tuple[bytes, ...], entry: Entry) -> Iterator[Action]:
        folder = self._folder(parts[:-1])
        if folder is None:
            yield Action(Act.PUT, parts, entry, None)
            return
        with folder:
            yield from self._in(folder, parts, entry)

    def _in(self, folder: Folder, parts: tuple[bytes, ...], entry: Entry) -> Iterator[Action]:
        """Compare one name of a folder, then what is below it; folders are open only on the way."""
        present = folder.look(parts[-1])
        if present is None:
            yield Action(Act.PUT, parts, entry, None)
        elif entry.is_directory and stat.S_ISDIR(present.st_mode):
            with folder.enter(parts[-1]) as inner:
                for child in self._listings.of(entry):
                    yield from self._in(inner, (*parts, child.name), child)
        elif _is_same(folder, parts[-1], entry, present):
            self.same += 1
            self.same_bytes += entry.size_bytes
        else:
            act = Act.EXCHANGE if parts[0] == b"files" else Act.LEAVE
            yield Action(act, parts, entry, present)

    def _folder(self, parts: tuple[bytes, ...]) -> Folder | None:
        """Open the folder that a path lies in, as far as it is there."""
        if self._home is None:
            return None
        folder = self._home.descend(())
        self.present_parts = 0
        for name in parts:
            with folder:
                if folder.look(name) is None:
                    return None
                inner = folder.enter(name)
            folder = inner
            self.present_parts += 1
        return folder


def _is_same(folder: Folder, name: bytes, entry: Entry, present: os.stat_result) -> bool:
    if stat.S_IFMT(present.st_mode) != stat.S_IFMT(entry.mode):
        return False
    if stat.S_ISLNK(present.st_mode):
        return os.readlink(name, dir_fd=folder.descriptor) == entry.target
    if not entry.is_file:
        return True  # a pipe is like any other
    if present.st_size != entry.size_bytes:
        return False
    known = (entry.inode, entry.ctime_ns, entry.mtime_ns)
    if entry.ctime_ns and known == (present.st_ino, present.st_ctime_ns, present.st_mtime_ns):
        return True
    return _digest(folder, name) == (entry.content or hashlib.sha256(b"").digest())


def _digest(folder: Folder, name: bytes) -> bytes | None:
    """Return the SHA-256 of a regular file; None where it cannot be read or is none any more."""
    try:
        descriptor = os.open(name, READING, dir_fd=folder.descriptor)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
