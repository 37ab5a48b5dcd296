"""The archiver: turns a folder into a tree in the repository.

One thread lists directories and compares them with the parent snapshot; others read, hash, compress
and pack the files that changed. A directory's own listing is stored when its last file is, by
whichever thread stored that file, so nobody waits at the end of a directory.
"""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ocsnap.errors import LocalIOError
from ocsnap.monitor import Problem
from ocsnap.repository import tree
from ocsnap.repository.blob import LONGEST_BLOB_BYTES, BlobKind
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.snapshot.content import ContentStore
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.file import FileReader, NotAFileError
from ocsnap.snapshot.scanner import Found, describe, is_unchanged, scan
from ocsnap.snapshot.statistics import Statistics, Tally
from ocsnap.snapshot.workers import Workers

if TYPE_CHECKING:
    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import StoredContent

READERS: Final = 2
_FILES_PER_BATCH: Final = 32
_BYTES_PER_BATCH: Final = 1024 * 1024


class Source(NamedTuple):
    """A folder to archive.

    Attributes:
        kind: what it holds.
        name: the user of a home, else the kind's name.
        path: its absolute path.
        exclusion: what to leave out.
        etag: a home's root etag, read before the folder.
    """

    kind: RootKind
    name: str
    path: bytes
    exclusion: Exclusion
    etag: str | None = None


class Archived(NamedTuple):
    """What came of a folder.

    Attributes:
        root: its tree.
        statistics: its figures.
    """

    root: Root
    statistics: Statistics


class _Directory:
    """A directory whose listing is not stored yet."""

    __slots__ = ("changed", "entries", "entry", "folder", "open", "parent", "path", "previous")

    def __init__(
        self, entry: Entry, path: bytes, folder: bytes, previous: Entry | None, parent: object
    ) -> None:
        self.entry = entry
        self.path = path
        self.folder = folder
        self.previous = previous
        self.parent: _Directory | None = parent if isinstance(parent, _Directory) else None
        self.entries: list[Entry] = []
        self.open = 1
        self.changed = previous is None


class _FileJob(NamedTuple):
    directory: _Directory
    found: Found
    previous: Entry | None


class Archiver:
    """Archives folders into one repository, one after the other."""

    def __init__(
        self,
        repository: Repository,
        *,
        clock: Clock,
        monitor: Monitor,
        readers: int = READERS,
    ) -> None:
        """Prepare.

        Args:
            repository: where trees and contents go to.
            clock: tells how young a file is.
            monitor: is told of progress and of files that cannot be read.
            readers: threads that read files.
        """
        self._repository = repository
        self._clock = clock
        self._monitor = monitor
        self._readers = readers
        self._store = ContentStore(writer=repository.writer, reader=repository.reader)
        self._files = FileReader(self._store, clock)

    def archive(self, source: Source, previous: Root | None) -> Archived:
        """Archive a folder.

        Args:
            source: the folder.
            previous: the root of the same folder in the parent snapshot.

        Returns:
            Its tree, stored once the repository was flushed.

        Raises:
            LocalIOError: the folder itself cannot be read.
            OcsnapError: something could not be stored.
        """
        run = _Run(self._repository, self._files, self._clock, self._monitor, source, self._readers)
        entry = run.archive(previous.entry if previous else None)
        found = run.tally.statistics
        root = Root(
            kind=source.kind,
            name=source.name,
            path=source.path,
            entry=entry,
            etag=source.etag,
            files=found.source_files,
            size_bytes=found.source_file_bytes,
        )
        return Archived(root, found)


class _Run:
    """The archiving of one folder."""

    def __init__(  # noqa: PLR0913 - the parts of one run, given by one caller
        self,
        repository: Repository,
        files: FileReader,
        clock: Clock,
        monitor: Monitor,
        source: Source,
        readers: int,
    ) -> None:
        self.tally = Tally()
        self._repository = repository
        self._files = files
        self._clock = clock
        self._monitor = monitor
        self._source = source
        self._lock = threading.Lock()
        self._root_entry: Entry | None = None
        self._readers = readers

    def archive(self, previous: Entry | None) -> Entry:
        path = self._source.path
        try:
            entry = self._describe_directory(path, b"", os.lstat(path), previous)
        except OSError as error:
            raise _unreadable(path, error) from error
        workers = Workers(self._archive_file, threads=self._readers, name="ocsnap-read")
        try:
            self._walk(_Directory(entry, path, b"", previous, None), workers)
            workers.wait()
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()
        if self._root_entry is None:
            raise AssertionError("the root directory was never finished")
        return self._root_entry

    # -- the walk ----------------------------------------------------------------------------

    def _walk(self, root: _Directory, workers: Workers[_FileJob]) -> None:
        waiting = [root]
        while waiting:
            workers.check()
            directory = waiting.pop()
            subdirectories, jobs = self._list(directory)
            waiting.extend(reversed(subdirectories))
            for batch in _batches(jobs):
                workers.submit(batch)
            self._finished(directory)

    def _list(self, directory: _Directory) -> tuple[list[_Directory], list[_FileJob]]:
        """Compare a directory with its previous listing; what is left to do is returned."""
        subdirectories: list[_Directory] = []
        jobs: list[_FileJob] = []
        kept: list[Entry] = []
        old = self._previous_listing(directory)
        figures = Statistics(directories_read=1)
        for found in self._scan(directory):
            entry = old.pop(found.name, None)
            mode = found.status.st_mode
            figures.source_files += 1
            if entry is not None and stat.S_IFMT(entry.mode) != stat.S_IFMT(mode):
                self._count_deleted(entry, figures)
                entry = None
            if entry is None:
                figures.new_files += 1
            if stat.S_ISREG(mode):
                if entry is not None and is_unchanged(entry, found.status):
                    kept.append(entry)
                    figures.source_file_bytes += entry.size_bytes
                else:
                    jobs.append(_FileJob(directory, found, entry))
            elif stat.S_ISDIR(mode):
                self._open_subdirectory(directory, found, entry, subdirectories, figures)
            else:
                self._take_other(directory, found, entry, kept, figures)
        for gone in old.values():
            directory.changed = True
            self._count_deleted(gone, figures)
        with self._lock:
            directory.entries += kept
            directory.open += len(subdirectories) + len(jobs)
        self._count(figures)
        return subdirectories, jobs

    def _scan(self, directory: _Directory) -> list[Found]:
        try:
            return scan(directory.path, directory.folder, self._source.exclusion, self._problem)
        except OSError as error:
            if directory.parent is None:
                raise _unreadable(directory.path, error) from error
            if not isinstance(error, FileNotFoundError):
                self._problem(directory.path, error)
            return []

    def _previous_listing(self, directory: _Directory) -> dict[bytes, Entry]:
        if directory.previous is None:
            return {}
        return {entry.name: entry for entry in self._listing(directory.previous)}

    def _listing(self, entry: Entry) -> list[Entry]:
        return tree.decode(self._repository.reader.load_all(entry.subtree))

    def _open_subdirectory(  # noqa: PLR0913 - one step of the loop in _list
        self,
        directory: _Directory,
        found: Found,
        previous: Entry | None,
        subdirectories: list[_Directory],
        figures: Statistics,
    ) -> None:
        path = directory.path + b"/" + found.name
        try:
            entry = self._describe_directory(path, found.name, found.status, previous)
        except OSError as error:
            figures.source_files -= 1
            directory.changed = True
            self._problem(path, error)
            return
        folder = directory.folder + found.name + b"/"
        subdirectories.append(_Directory(entry, path, folder, previous, directory))

    def _take_other(  # noqa: PLR0913 - one step of the loop in _list
        self,
        directory: _Directory,
        found: Found,
        previous: Entry | None,
        kept: list[Entry],
        figures: Statistics,
    ) -> None:
        """Take a symbolic link, a pipe, a socket or a device: all there is to them is metadata."""
        if previous is not None and _same_status(previous, found.status):
            kept.append(previous)
            return
        path = directory.path + b"/" + found.name
        directory.changed = True
        try:
            entry = describe(found.name, found.status, at=path, read_ns=self._now_ns())
            if stat.S_ISLNK(found.status.st_mode):
                entry = msgspec.structs.replace(entry, target=os.readlink(path))
        except OSError as error:
            figures.source_files -= 1
            if not isinstance(error, FileNotFoundError):
                self._problem(path, error)
            return
        kept.append(entry)

    def _describe_directory(
        self, path: bytes, name: bytes, status: os.stat_result, previous: Entry | None
    ) -> Entry:
        if previous is not None and _same_status(previous, status):
            return previous
        return describe(name, status, at=path, read_ns=self._now_ns())

    # -- files -------------------------------------------------------------------------------

    def _archive_file(self, job: _FileJob) -> None:
        path = job.directory.path + b"/" + job.found.name
        entry: Entry | None = None
        try:
            entry, stored = self._files.archive(path, job.found.name, _Previous(self, job).find)
            self._count_file(entry, stored, job.previous)
        except FileNotFoundError:
            self._count(Statistics(source_files=-1, new_files=-1 if job.previous is None else 0))
        except (NotAFileError, OSError) as error:
            self._count(Statistics(source_files=-1, new_files=-1 if job.previous is None else 0))
            self._problem(path, error)
        self._finished(job.directory, entry, changed=True)

    def _count_file(self, entry: Entry, stored: StoredContent, previous: Entry | None) -> None:
        size_bytes = stored.size_bytes
        figures = Statistics(
            source_file_bytes=size_bytes,
            files_read=1,
            read_bytes=size_bytes,
            raw_delta_bytes=stored.new_bytes,
            deduplicated_bytes=size_bytes - stored.new_bytes,
        )
        if previous is None:
            figures.new_file_bytes = size_bytes
        elif previous.content != stored.content:
            figures.changed_files = 1
            figures.changed_file_bytes = size_bytes
            figures.changed_delta_bytes = stored.new_bytes
        self._count(figures)
        self._monitor.advance(files=1, size_bytes=size_bytes)
        if entry.extents:
            self._repository.cache.add_kin(entry)
        if entry.unsteady:
            path = self._source.path + b"/.../" + entry.name
            self._problem(path, OSError("it changed while it was read"))

    # -- finishing directories ---------------------------------------------------------------

    def _finished(
        self, directory: _Directory, entry: Entry | None = None, *, changed: bool = False
    ) -> None:
        """Note that one more part of a directory is done, and store what is complete."""
        present: _Directory | None = directory
        while present is not None:
            with self._lock:
                if entry is not None:
                    present.entries.append(entry)
                present.changed = present.changed or changed
                present.open -= 1
                if present.open:
                    return
            entry = self._store_directory(present)
            changed = entry is not present.previous
            if present.parent is None:
                self._root_entry = entry
            present = present.parent

    def _store_directory(self, directory: _Directory) -> Entry:
        previous = directory.previous
        if previous is not None and not directory.changed:
            subtree = previous.subtree
        else:
            entries = sorted(directory.entries, key=_name_of)
            save = self._repository.writer.save
            subtree = tuple(save(BlobKind.META, part)[0] for part in tree.encode(entries))
        if previous is directory.entry and previous.subtree == subtree:
            return previous
        return msgspec.structs.replace(directory.entry, subtree=subtree)

    # -- figures -----------------------------------------------------------------------------

    def _count_deleted(self, entry: Entry, figures: Statistics) -> None:
        waiting = [entry]
        while waiting:
            gone = waiting.pop()
            figures.deleted_files += 1
            if gone.is_directory:
                waiting += self._listing(gone)

    def _count(self, figures: Statistics) -> None:
        self.tally.add(figures)

    def _problem(self, path: bytes, error: OSError) -> None:
        self._count(Statistics(errors=1))
        reason = error.strerror or str(error)
        self._monitor.problem(Problem(os.fsdecode(path), reason))

    def _now_ns(self) -> int:
        return int(self._clock.now() * 1e9)

    def kin(self, status: os.stat_result) -> Entry | None:
        """Return the entry of a large file that stood under another name."""
        if status.st_size <= LONGEST_BLOB_BYTES:
            return None
        return self._repository.cache.kin(status.st_size, status.st_mtime_ns)


class _Previous:
    """Finds the entry to build a delta on: of the same path, else of the same file elsewhere."""

    def __init__(self, run: _Run, job: _FileJob) -> None:
        self._run = run
        self._job = job

    def find(self, status: os.stat_result) -> Entry | None:
        return self._job.previous or self._run.kin(status)


def _batches(jobs: list[_FileJob]) -> list[list[_FileJob]]:
    """Group small files, so that handing over costs little; large ones go by themselves."""
    batches: list[list[_FileJob]] = []
    gathered_bytes = _BYTES_PER_BATCH
    for job in jobs:
        if gathered_bytes >= _BYTES_PER_BATCH or len(batches[-1]) >= _FILES_PER_BATCH:
            batches.append([])
            gathered_bytes = 0
        batches[-1].append(job)
        gathered_bytes += job.found.status.st_size
    return batches


def _same_status(entry: Entry, status: os.stat_result) -> bool:
    return (
        entry.ctime_ns == status.st_ctime_ns
        and entry.inode == status.st_ino
        and entry.mtime_ns == status.st_mtime_ns
        and entry.mode == status.st_mode
    )


def _name_of(entry: Entry) -> bytes:
    return entry.name


def _unreadable(path: bytes, error: OSError) -> LocalIOError:
    return LocalIOError(
        f"{os.fsdecode(path)} cannot be read: {error.strerror}.",
        hint="ocsnap must run as root, or as the user that owns the files.",
    )
