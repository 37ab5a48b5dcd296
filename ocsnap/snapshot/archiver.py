"""The archiver: turns a folder into a tree in the repository.

One thread lists directories and compares them with the parent snapshot; others read, hash, compress
and pack the files that changed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ocsnap.errors import LocalIOError
from ocsnap.monitor import Problem
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.snapshot.content import ContentStore
from ocsnap.snapshot.directory import Assembly, Directory
from ocsnap.snapshot.file import FileReader
from ocsnap.snapshot.listed import ListingStore
from ocsnap.snapshot.postponed import FileJob, Postponed, batches
from ocsnap.snapshot.predecessor import Predecessor
from ocsnap.snapshot.readahead import announce
from ocsnap.snapshot.recognition import Recognition, Sighting
from ocsnap.snapshot.scanner import Identity, Scan, Sight, describe, is_same, opened
from ocsnap.snapshot.signs import Signs, new_suffixes
from ocsnap.snapshot.statistics import Statistics, Tally
from ocsnap.snapshot.summary import Summaries
from ocsnap.snapshot.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.clock import Clock
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import StoredContent
    from ocsnap.snapshot.directory import Segment
    from ocsnap.snapshot.exclusion import Exclusion
    from ocsnap.snapshot.scanner import Found

READERS: Final = 2
"""Four read a cold disk a little faster, but take 50 MiB more, and memory is promised; see
docs/benchmarks.md."""


class Source(NamedTuple):
    """A folder to archive.

    Attributes:
        kind: what it holds.
        name: the user of a home, else the kind's name.
        path: its absolute path.
        exclusion: what to leave out.
        etag: a home's root etag, read before the folder.
        origin: the path to record, where the folder is read at another one; empty: the same.
        trusted: names in the folder that are taken over from the previous tree without a look.
        watched: the name in the folder in which signs of an attack are looked for; empty: all.
    """

    kind: RootKind
    name: str
    path: bytes
    exclusion: Exclusion
    etag: str | None = None
    origin: bytes = b""
    trusted: frozenset[bytes] = frozenset()
    watched: bytes = b""


class Archived(NamedTuple):
    """What came of a folder.

    Attributes:
        root: its tree.
        statistics: its figures.
        scan_seconds: how long listing the directories took.
        read_seconds: how long reading went on after that.
        signs: what happened to the watched files.
    """

    root: Root
    statistics: Statistics
    scan_seconds: float
    read_seconds: float
    signs: Signs


class Archiver:
    """Archives folders into one repository, one after the other."""

    def __init__(
        self,
        repository: Repository,
        *,
        clock: Clock,
        monitor: Monitor,
        readers: int = READERS,
        tries_again: bool = True,
    ) -> None:
        """Prepare.

        Args:
            repository: where trees and contents go to.
            clock: tells how young a file is.
            monitor: is told of progress and of files that cannot be read.
            readers: threads that read files.
            tries_again: whether what cannot be read, or changes while it is read, is tried once
                more at the end; False where another pass follows anyway.
        """
        self._repository = repository
        self._clock = clock
        self._monitor = monitor
        self._readers = readers
        self._tries_again = tries_again
        self._contents = ContentStore(writer=repository.writer, reader=repository.reader)
        self._files = FileReader(self._contents, clock)

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
        began = self._clock.now()
        summaries = Summaries(self._repository.cache)
        listings = ListingStore(self._repository.writer, self._repository.reader.load, summaries)
        run = _Run(
            repository=self._repository,
            predecessor=Predecessor(
                self._repository,
                self._contents,
                self._monitor,
                source.trusted,
                self._repository.doubtful,
                summaries,
            ),
            files=self._files,
            clock=self._clock,
            monitor=self._monitor,
            source=source,
            assembly=Assembly(listings, source.watched),
            postponed=Postponed(accepts=self._tries_again),
        )
        entry = run.archive(previous.entry if previous else None, self._readers)
        watched = run.assembly.watched if source.watched else entry
        figures = run.tally.statistics
        root = Root(
            kind=source.kind,
            name=source.name,
            path=source.origin or source.path,
            entry=entry,
            etag=source.etag,
            rules=source.exclusion.digest,
            walked=previous.walked if previous and source.trusted else began,
            files=entry.entries,
            size_bytes=entry.size_bytes,
            watched_files=watched.entries + bool(source.watched) if watched else 0,
            watched_bytes=watched.size_bytes if watched else 0,
        )
        return Archived(root, figures, run.scan_seconds, run.read_seconds, run.signs)


class _Walking(NamedTuple):
    """A directory of which a part is still to be looked at.

    Attributes:
        sighting: gives what is there, and what was there.
        segments: those that are left, the next one last.
    """

    sighting: Sighting
    segments: list[Segment]


@dataclass
class _Run:
    """The archiving of one folder."""

    repository: Repository
    predecessor: Predecessor
    files: FileReader
    clock: Clock
    monitor: Monitor
    source: Source
    assembly: Assembly
    postponed: Postponed
    tally: Tally = field(default_factory=Tally)
    scan_seconds: float = 0.0
    read_seconds: float = 0.0
    signs: Signs = field(default_factory=Signs)
    recognition: Recognition = field(init=False)

    def __post_init__(self) -> None:
        self.recognition = Recognition(self.predecessor, self.source.exclusion, self._problem)

    def archive(self, previous: Entry | None, readers: int) -> Entry:
        path = self.source.path
        try:
            # The folder itself may be reached through a link, as a data directory that was moved.
            status = os.stat(path)
            entry = self._describe_directory(path + b"/.", b"", status, previous)
        except OSError as error:
            raise unreadable(path, error) from error
        workers = Workers(self._archive_file, threads=readers, name="ocsnap-read")
        try:
            began = self.clock.monotonic()
            root = Directory(entry, path, Identity.of(status), previous=previous)
            self._walk([root], workers)
            walked = self.clock.monotonic()
            workers.wait()
            self._try_again(workers)
            self.scan_seconds = walked - began
            self.read_seconds = self.clock.monotonic() - walked
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()
        if self.assembly.root is None:
            raise AssertionError("the root directory was never finished")
        return self.assembly.root

    # -- the walk ----------------------------------------------------------------------------

    def _try_again(self, workers: Workers[FileJob]) -> None:
        files, directories = self.postponed.begin()
        for batch in batches(files):
            workers.submit(batch)
        self._walk(directories, workers)
        workers.wait()

    def _walk(self, directories: Sequence[Directory], workers: Workers[FileJob]) -> None:
        """Walk directories; what is in one segment of a long one comes before the next segment."""
        waiting: list[Directory | _Walking] = [*directories]
        while waiting:
            workers.check()
            walking = self._open(waiting.pop())
            if walking is None:
                continue
            segment = walking.segments.pop()
            sighting = walking.sighting
            scanned, last = sighting.scan.take()
            if walking.segments:
                waiting.append(walking)
            old = sighting.former.take(last)
            subdirectories, jobs = self._compare(segment, scanned, old, sighting.same)
            waiting.extend(reversed(subdirectories))
            # As they were made, so about as they lie on the disk.
            jobs.sort(key=_inode_of)
            for batch in batches(jobs):
                announce(batch)
                workers.submit(batch)
            self.assembly.finish(segment)

    def _open(self, waiting: Directory | _Walking) -> _Walking | None:
        """List a directory; None: it cannot be listed now, and is tried again later."""
        if isinstance(waiting, _Walking):
            return waiting
        sighting = self._look(waiting)
        if sighting is None:
            return None
        self.tally.add(Statistics(directories_read=1))
        segments = waiting.segments(sighting.scan.left, sighting.scan.names)
        return _Walking(sighting, segments[::-1])

    def _compare(
        self,
        segment: Segment,
        scanned: list[Found],
        old: dict[bytes, Entry],
        same: Sequence[Entry],
    ) -> tuple[list[Directory], list[FileJob]]:
        """Compare a segment with what was there before; what is left to do is returned."""
        directory = segment.directory
        subdirectories: list[Directory] = []
        jobs: list[FileJob] = []
        kept = [*same]
        figures = Statistics(
            source_files=len(scanned) + len(same) + directory.kept.entries,
            source_file_bytes=sum(entry.size_bytes for entry in same) + directory.kept.size_bytes,
        )
        new: list[bytes] = []
        for found in scanned:
            previous = old.pop(found.name, None)
            mode = found.status.st_mode
            if (
                previous is not None
                and stat.S_ISREG(mode)
                and self.predecessor.has(found, previous)
            ):
                kept.append(previous)
                figures.source_file_bytes += previous.size_bytes
                continue
            if previous is not None and stat.S_IFMT(previous.mode) != stat.S_IFMT(mode):
                figures.deleted_files += 1 + previous.entries
                previous = None
            if previous is None:
                figures.new_files += 1
                new.append(found.name)
            if previous is not None and self.predecessor.trusts(directory, found, previous):
                kept.append(previous)
                figures.source_files += previous.entries
                figures.source_file_bytes += previous.size_bytes
            elif stat.S_ISREG(mode):
                jobs.append(FileJob(segment, found, previous))
            elif stat.S_ISDIR(mode):
                subdirectories += self._open_subdirectory(segment, found, previous)
            else:
                kept += self._take_other(directory, found, previous)
        for gone in old.values():
            directory.changed = True
            figures.deleted_files += 1 + gone.entries
        if self._watches(directory):
            self.signs.lost(old.values())
            suffixes = new_suffixes(old, new) if old else {}
            jobs = [job._replace(suffix=suffixes.get(job.found.name, b"")) for job in jobs]
        self.assembly.expect(segment, kept, len(subdirectories) + len(jobs))
        self.tally.add(figures)
        return subdirectories, jobs

    def _watches(self, directory: Directory) -> bool:
        watched = self.source.watched
        return not watched or directory.folder.startswith(watched + b"/")

    def _look(self, directory: Directory) -> Sighting | None:
        try:
            return self.recognition.look(directory)
        except OSError as error:
            if directory.within is None:
                raise unreadable(directory.path, error) from error
            nothing = Scan(directory.path, self._problem, [])
            if not isinstance(error, FileNotFoundError):
                if self.postponed.take_directory(directory):
                    return None
                self._problem(directory.path, error)
            return Sighting(nothing, self.predecessor.listing(directory, remembers=False))

    def _open_subdirectory(
        self, segment: Segment, found: Found, previous: Entry | None
    ) -> list[Directory]:
        directory = segment.directory
        path = directory.path + b"/" + found.name
        try:
            entry = self._describe_directory(path, found.name, found.status, previous)
        except OSError as error:
            self._leave_out(directory, path, previous, error)
            return []
        identity = Identity.of(found.status)
        return [Directory(entry, path, identity, previous=previous, within=segment)]

    def _take_other(
        self, directory: Directory, found: Found, previous: Entry | None
    ) -> list[Entry]:
        """Take a symbolic link, a pipe, a socket or a device: all there is to them is metadata."""
        if previous is not None and is_same(previous, found.status):
            return [previous]
        path = directory.path + b"/" + found.name
        directory.changed = True
        try:
            entry = describe(found.name, found.status, at=path, read_ns=self._now_ns())
            if stat.S_ISLNK(found.status.st_mode):
                with opened(directory.path, directory.identity) as above:
                    target = os.readlink(found.name, dir_fd=above)
                entry = msgspec.structs.replace(entry, target=target)
        except OSError as error:
            self._leave_out(directory, path, previous, error)
            return []
        return [entry]

    def _describe_directory(
        self, path: bytes, name: bytes, status: os.stat_result, previous: Entry | None
    ) -> Entry:
        if previous is not None and is_same(previous, status):
            return previous
        return describe(name, status, at=path, read_ns=self._now_ns())

    # -- files -------------------------------------------------------------------------------

    def _archive_file(self, job: FileJob) -> None:
        def find_previous(status: os.stat_result) -> Entry | None:
            return job.previous or self.predecessor.kin(status)

        told_bytes = 0

        def tell(size_bytes: int) -> None:
            nonlocal told_bytes
            told_bytes += size_bytes
            self.monitor.advance(size_bytes=size_bytes)

        directory = job.segment.directory
        path = directory.path + b"/" + job.found.name
        entry: Entry | None = None
        try:
            seen = Sight(Identity.of(job.found.status), directory.identity)
            entry, stored = self.files.archive(path, job.found.name, find_previous, tell, seen)
        except OSError as error:
            self.monitor.advance(size_bytes=-told_bytes)
            if not isinstance(error, FileNotFoundError) and self.postponed.take_file(job):
                return
            self.tally.add(Statistics(raw_delta_bytes=job.stored_bytes))
            self._leave_out(directory, path, job.previous, error)
        else:
            all_bytes = job.stored_bytes + stored.new_bytes
            if entry.unsteady and self.postponed.take_file(job._replace(stored_bytes=all_bytes)):
                self.monitor.advance(size_bytes=-told_bytes)
                return
            self.monitor.advance(files=1, size_bytes=stored.size_bytes - told_bytes)
            self._count_file(job, entry, stored._replace(new_bytes=all_bytes))
        self.assembly.finish(job.segment, entry, changed=True)

    def _count_file(self, job: FileJob, entry: Entry, stored: StoredContent) -> None:
        previous = job.previous
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
        self.tally.add(figures)
        directory = job.segment.directory
        if self._watches(directory):
            self.signs.stored(entry, stored, previous, job.suffix, self.repository.writer)
        if entry.extents:
            self.repository.cache.add_kin(entry)
        if entry.unsteady:
            path = directory.path + b"/" + entry.name
            self._problem(path, OSError("it changed while it was read"))

    # -- figures -----------------------------------------------------------------------------

    def _leave_out(
        self, directory: Directory, path: bytes, previous: Entry | None, error: OSError
    ) -> None:
        """Do without a name; one that vanished meanwhile is as good as deleted."""
        directory.changed = True
        figures = Statistics(source_files=-1, new_files=-1 if previous is None else 0)
        if isinstance(error, FileNotFoundError):
            if previous is not None:
                figures.deleted_files += 1 + previous.entries
        else:
            self._problem(path, error)
        self.tally.add(figures)

    def _problem(self, path: bytes, error: OSError) -> None:
        self.tally.add(Statistics(errors=1))
        self.monitor.problem(Problem(os.fsdecode(path), error.strerror or str(error)))

    def _now_ns(self) -> int:
        return int(self.clock.now() * 1e9)


def _inode_of(job: FileJob) -> int:
    return job.found.status.st_ino


def unreadable(path: bytes, error: OSError) -> LocalIOError:
    """Say that a folder that is to be backed up cannot be read."""
    return LocalIOError(
        f"{os.fsdecode(path)} cannot be read: {error.strerror}.",
        hint="ocsnap must run as root, or as the user that owns the files.",
    )
