"""Files that change while they are read: never fatal, never taken for whole, read again."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.archiver import Archived, Archiver, Source
from ocsnap.snapshot.content import ContentStore
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.file import FileReader
from tests.repository.workshop import LaterClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import StoredContent
    from ocsnap.snapshot.scanner import Sight
    from tests.snapshot.studio import Studio

SMALL, LARGE = 10_000, 9_000_000
RNG = random.Random(3)


class MeddledStore(ContentStore):
    """The real store; somebody meddles after a file was read, or in the middle of it."""

    meddle: Callable[[], None]

    def store_buffer(self, data: Buffer, previous: Entry | None) -> StoredContent:
        stored = super().store_buffer(data, previous)
        self.meddle()
        return stored

    def store_stream(
        self, chunks: Iterable[Buffer], previous: Entry | None, **options: object
    ) -> StoredContent:
        return super().store_stream(self._meddled(chunks), previous, **options)

    def _meddled(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for number, chunk in enumerate(chunks):
            if number == 1:
                self.meddle()
            yield chunk


class MeddledReader(FileReader):
    """The real reader; somebody meddles before a file is opened."""

    meddle: Callable[[], None]

    def archive(
        self,
        path: bytes,
        name: bytes,
        find_previous: Callable[[os.stat_result], Entry | None],
        tell: Callable[[int], object],
        seen: Sight,
    ) -> tuple[Entry, StoredContent]:
        self.meddle()
        return super().archive(path, name, find_previous, tell, seen)


class Once:
    """Calls something the first `times` times."""

    def __init__(self, action: Callable[[], None], times: int = 1) -> None:
        self.action = action
        self.left = times

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            self.action()


def while_reading(action: Callable[[], None]) -> Callable[[Archiver], None]:
    """Let something happen after a small file was read, or in the middle of a large one."""

    def install(archiver: Archiver) -> None:
        repository = archiver._repository
        store = MeddledStore(writer=repository.writer, reader=repository.reader)
        store.meddle = action
        archiver._files = FileReader(store, archiver._clock)

    return install


def before_opening(action: Callable[[], None]) -> Callable[[Archiver], None]:
    """Let something happen between the listing of a file and its opening."""

    def install(archiver: Archiver) -> None:
        reader = MeddledReader(archiver._contents, archiver._clock)
        reader.meddle = action
        archiver._files = reader

    return install


def archive(
    repository: Repository,
    folder: Path,
    monitor: SilentMonitor,
    meddle: Callable[[Archiver], None] | None = None,
    previous: Root | None = None,
) -> Archived:
    archiver = Archiver(repository, clock=LaterClock(), monitor=monitor, readers=1)
    if meddle is not None:
        meddle(archiver)
    source = Source(RootKind.DATA, "data", os.fsencode(folder), Exclusion([]))
    return archiver.archive(source, previous)


def listing(repository: Repository, archived: Archived) -> dict[bytes, Entry]:
    from ocsnap.repository import tree

    entry = archived.root.entry
    repository.flush()
    return {each.name: each for each in tree.decode(repository.reader.load_all(entry.subtree))}


def grow(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"more" * 1000)


def shrink(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def rewrite(file: Path) -> None:
    status = file.stat()
    with file.open("r+b") as stream:
        stream.write(RNG.randbytes(5000))
    # Its client sends the very same mtime: only the ctime tells.
    os.utime(file, ns=(status.st_mtime_ns, status.st_mtime_ns))


MEDDLINGS = [grow, shrink, rewrite]


@pytest.mark.parametrize("size_bytes", [SMALL, LARGE])
@pytest.mark.parametrize("meddling", MEDDLINGS)
def test_a_file_that_changes_once_is_read_once_more(
    studio: Studio, folder: Path, meddling: Callable[[Path], None], size_bytes: int
):
    file = folder / "file"
    file.write_bytes(RNG.randbytes(size_bytes))
    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        meddle = Once(lambda: meddling(file))
        archived = archive(repository, folder, monitor, while_reading(meddle))
        assert meddle.left == 0
        entry = listing(repository, archived)[b"file"]
        content = b"".join(
            repository.reader.load(piece.blob)[piece.offset : piece.offset + piece.length]
            for piece in entry.pieces()
        )
    assert content == file.read_bytes()
    assert not entry.unsteady
    assert monitor.problems == []
    assert archived.statistics.errors == 0


@pytest.mark.parametrize("size_bytes", [SMALL, LARGE])
@pytest.mark.parametrize("meddling", MEDDLINGS)
def test_a_file_that_never_rests_is_told_and_read_again_by_the_next_backup(
    studio: Studio, folder: Path, meddling: Callable[[Path], None], size_bytes: int
):
    file = folder / "file"
    file.write_bytes(RNG.randbytes(size_bytes))
    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        archived = archive(repository, folder, monitor, while_reading(lambda: meddling(file)))
        assert listing(repository, archived)[b"file"].unsteady
        assert [problem.subject for problem in monitor.problems] == [str(file)]
        assert archived.statistics.errors == 1
        again = archive(repository, folder, monitor, previous=archived.root)
        entry = listing(repository, again)[b"file"]
    assert again.statistics.files_read == 1
    assert again.statistics.errors == 0
    assert not entry.unsteady
    assert entry.size_bytes == file.stat().st_size


def vanish(file: Path) -> None:
    file.unlink()


def become_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


def become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def become_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("meddling", "errors"),
    [(vanish, 0), (become_a_link, 1), (become_a_folder, 1), (become_a_pipe, 1)],
)
def test_a_file_that_is_no_file_any_more_is_left_out(
    studio: Studio, folder: Path, meddling: Callable[[Path], None], errors: int
):
    """What it has become is no file of this snapshot; a pipe must not be waited for."""
    file, other = folder / "a file", folder / "other"
    file.write_bytes(b"that somebody takes away")
    other.write_bytes(b"that stays")
    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        meddle = Once(lambda: meddling(file))
        archived = archive(repository, folder, monitor, before_opening(meddle))
        assert listing(repository, archived).keys() == {b"other"}
    assert archived.statistics.source_files == 1
    assert archived.statistics.new_files == 1
    assert archived.statistics.errors == errors
    assert [problem.subject for problem in monitor.problems] == [str(file)] * errors


def test_a_file_that_vanishes_after_an_earlier_backup_counts_as_deleted(
    studio: Studio, folder: Path
):
    file = folder / "file"
    file.write_bytes(b"first")
    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        first = archive(repository, folder, monitor)
        listing(repository, first)
        file.write_bytes(b"second")
        second = archive(
            repository,
            folder,
            monitor,
            before_opening(Once(file.unlink)),
            previous=first.root,
        )
        assert listing(repository, second) == {}
    assert second.statistics.deleted_files == 1
    assert second.statistics.source_files == 0
    assert monitor.problems == []


def test_names_that_vanish_before_anybody_looks_at_them(studio: Studio, folder: Path):
    """One is gone before its stat, a folder before it is listed, a link before it is read."""
    (folder / "file").write_bytes(b"1")
    (folder / "link").symlink_to("file")
    (folder / "folder").mkdir()
    remove = {b"file": (folder / "file").unlink}

    class Meddler(Exclusion):
        def within(self, folder: bytes) -> Callable[[bytes], bool]:
            leaves_out = super().within(folder)

            def meddle(name: bytes) -> bool:
                if name in remove:
                    remove.pop(name)()
                return leaves_out(name)

            return meddle

    class MeddlingClock(LaterClock):
        def now(self) -> float:
            if not remove and (folder / "link").is_symlink():
                (folder / "link").unlink()
                (folder / "folder").rmdir()
            return super().now()

    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        archiver = Archiver(repository, clock=MeddlingClock(), monitor=monitor)
        source = Source(RootKind.DATA, "data", os.fsencode(folder), Meddler([]))
        archived = archiver.archive(source, None)
        assert listing(repository, archived) == {}
    assert archived.statistics.source_files == 0
    assert monitor.problems == []
