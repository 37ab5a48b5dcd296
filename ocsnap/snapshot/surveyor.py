"""The surveyor: what an archiver would find in a folder, without reading or storing any content."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ocsnap.monitor import Problem
from ocsnap.snapshot.archiver import unreadable
from ocsnap.snapshot.predecessor import FormerListing
from ocsnap.snapshot.scanner import Scan, is_same, is_unchanged, scan

if TYPE_CHECKING:
    from ocsnap.errors import OcsnapError
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.archiver import Source
    from ocsnap.snapshot.scanner import Found


class Survey(msgspec.Struct, kw_only=True):
    """What was found; a file counts as changed when it must be read to know.

    Attributes:
        source_files: entries of all kinds.
        source_file_bytes: sizes of the regular files.
        new_files: entries whose path was not in the parent.
        new_file_bytes: sizes of the new regular files.
        moved_bytes: of these, what stood under another path before, as inode, size and time tell.
        changed_files: regular files whose times, size or inode are others than before.
        changed_file_bytes: their present sizes.
        deleted_files: entries of the parent that are gone.
        deleted_file_bytes: sizes of the regular files among them.
        errors: what cannot be looked at.
    """

    source_files: int = 0
    source_file_bytes: int = 0
    new_files: int = 0
    new_file_bytes: int = 0
    moved_bytes: int = 0
    changed_files: int = 0
    changed_file_bytes: int = 0
    deleted_files: int = 0
    deleted_file_bytes: int = 0
    errors: int = 0

    @property
    def read_bytes(self) -> int:
        """What must be read."""
        return self.new_file_bytes + self.changed_file_bytes


class _Sign(NamedTuple):
    """By what a file is known again that was moved."""

    inode: int
    size_bytes: int
    mtime_ns: int


class _Step(NamedTuple):
    """A directory that is still to be looked at."""

    path: bytes
    folder: bytes
    before: Entry | None


class _Walking(NamedTuple):
    """A directory of which a part is still to be looked at."""

    step: _Step
    scan: Scan
    former: FormerListing


class Surveyor:
    """Walks folders as an archiver does, one after the other; writes nothing anywhere."""

    def __init__(self, repository: Repository | None, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: where the parent's listings are, synchronised; None: there is none yet.
            monitor: is told of what cannot be looked at.
        """
        self._repository = repository
        self._monitor = monitor
        self._found = Survey()
        self._came: list[_Sign] = []
        self._left: list[Entry] = []

    def walk(self, source: Source, previous: Root | None) -> None:
        """Walk a folder.

        Args:
            source: the folder.
            previous: the root of the same folder in the parent snapshot.

        Raises:
            LocalIOError: the folder itself cannot be read.
        """
        waiting: list[_Step | _Walking] = [
            _Step(source.path, b"", previous.entry if previous else None)
        ]
        while waiting:
            walking = self._open(waiting.pop(), source)
            scanned, last = walking.scan.take()
            if walking.scan.left:
                waiting.append(walking)
            trusted = frozenset() if walking.step.folder else source.trusted
            old = walking.former.take(last)
            waiting += self._compare(walking.step, scanned, old, trusted)

    def _open(self, waiting: _Step | _Walking, source: Source) -> _Walking:
        """List a directory."""
        if isinstance(waiting, _Walking):
            return waiting
        try:
            found = scan(waiting.path, waiting.folder, source.exclusion, self._leave_out)
        except OSError as error:
            if not waiting.folder:
                raise unreadable(waiting.path, error) from error
            if not isinstance(error, FileNotFoundError):
                self._leave_out(waiting.path, error)
            found = Scan(waiting.path, self._leave_out, [])
        return _Walking(waiting, found, self._former(waiting.before))

    def lose(self, entry: Entry) -> None:
        """Count an entry of the parent, with all below it, that is gone."""
        self._found.deleted_files += 1 + entry.entries
        self._found.deleted_file_bytes += entry.size_bytes
        self._left.append(entry)

    def finish(self) -> Survey:
        """Return what was found in all folders together."""
        came = set(self._came)
        waiting = self._left if came else []
        while waiting:
            entry = waiting.pop()
            if entry.is_directory:
                waiting += self._former(entry).take(None).values()
            elif entry.is_file:
                sign = _Sign(entry.inode, entry.size_bytes, entry.mtime_ns)
                if sign in came:
                    came.remove(sign)
                    self._found.moved_bytes += sign.size_bytes
        return self._found

    def _compare(
        self, step: _Step, names: list[Found], old: dict[bytes, Entry], trusted: frozenset[bytes]
    ) -> list[_Step]:
        """Count names of a directory; the folders among them are left to be looked at."""
        found = self._found
        self._monitor.advance(files=len(names))
        folders = []
        for name, status in names:
            previous = old.pop(name, None)
            if previous is not None and stat.S_IFMT(previous.mode) != stat.S_IFMT(status.st_mode):
                self.lose(previous)
                previous = None
            found.source_files += 1
            found.new_files += previous is None
            if stat.S_ISREG(status.st_mode):
                self._count(status, previous)
            elif not stat.S_ISDIR(status.st_mode):
                continue
            elif previous is not None and name in trusted and is_same(previous, status):
                found.source_files += previous.entries
                found.source_file_bytes += previous.size_bytes
            else:
                path, folder = step.path + b"/" + name, step.folder + name + b"/"
                folders.append(_Step(path, folder, previous))
        for gone in old.values():
            self.lose(gone)
        return folders

    def _count(self, status: os.stat_result, previous: Entry | None) -> None:
        found, size_bytes = self._found, status.st_size
        found.source_file_bytes += size_bytes
        if previous is None:
            found.new_file_bytes += size_bytes
            if self._repository is not None:
                self._came.append(_Sign(status.st_ino, size_bytes, status.st_mtime_ns))
        elif not is_unchanged(previous, status):
            found.changed_files += 1
            found.changed_file_bytes += size_bytes

    def _former(self, directory: Entry | None) -> FormerListing:
        """Return what a directory of the parent held; nothing of what is lost."""

        def lost(error: OcsnapError) -> None:
            name = os.fsdecode(directory.name) if directory is not None else ""
            self._monitor.note(f"{name} will be read anew: {error.message}")

        if self._repository is None or directory is None:
            return FormerListing((), bytes, lost)
        return FormerListing(directory.subtree, self._repository.reader.load, lost)

    def _leave_out(self, path: bytes, error: OSError) -> None:
        self._found.errors += 1
        self._monitor.problem(Problem(os.fsdecode(path), error.strerror or str(error)))
