"""The files of a snapshot in a repository; contents are compared pack by pack."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ocsnap.commands.cross_check import trees
from ocsnap.commands.cross_check.side import ContentPlace
from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.owncloud import checksums
from ocsnap.snapshot.file_reader import FileReader
from ocsnap.snapshot.listings import Listings
from ocsnap.snapshot.workers import FETCHERS, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ocsnap.commands.cross_check.book import Book, Present, Wanted
    from ocsnap.commands.cross_check.side import Judge
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root


class RepositoryFiles:
    """A `Side`.

    Attributes:
        has_contents: whether contents shall be compared at all.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        load_pack: Callable[[str], memoryview] | None,
        wants: Callable[[str], bool],
        scratch_dir: Path,
        monitor: Monitor,
    ) -> None:
        """Prepare.

        Args:
            repository: where the snapshot is; its index is known.
            load_pack: fetches and decrypts a pack; None: contents are not compared.
            wants: says of a pack whether contents that begin in it shall be compared.
            scratch_dir: an existing folder for temporary files that only we can read.
            monitor: is told of the progress.
        """
        self.has_contents = load_pack is not None
        self._repository = repository
        self._load_pack = load_pack or repository.reader.decrypted
        self._wants = wants
        self._scratch_dir = scratch_dir
        self._monitor = monitor
        self._lock = threading.Lock()

    def items(self, roots: Sequence[Root]) -> Iterator[Present]:
        """Walk the listings; see `Side`."""
        listings = Listings(self._repository.reader)
        for number, root in enumerate(roots):
            yield from trees.items(root, number, listings, contents=self.has_contents)

    def place(self, file: Present) -> ContentPlace | None:
        """Look it up in the index; see `Side`."""
        pieces = trees.pieces_of(file.content)
        found = self._repository.cache.find(pieces[0].blob) if pieces else None
        return None if found is None else ContentPlace(found.pack, found.offset)

    def wants(self, pack: str) -> bool:
        """Return what the caller wants; see `Side`."""
        return self._wants(pack)

    def compare(self, book: Book, judge: Judge) -> None:
        """Read pack by pack, in two threads; see `Side`."""
        self._monitor.step("Comparing contents", total_bytes=book.wanted_bytes())

        def compare_pack(files: list[Wanted]) -> None:
            self._compare_pack(files, judge)

        workers = Workers(compare_pack, threads=FETCHERS, name="ocsnap-compare")
        try:
            for _, files in book.wanted():
                workers.submit([files])
            workers.wait()
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()

    def _compare_pack(self, files: list[Wanted], judge: Judge) -> None:
        cache = self._repository.cache
        reader = FileReader(cache, self._load_pack, scratch_dir=self._scratch_dir)
        for file in files:
            chunks = reader.chunks(trees.pieces_of(file.content))
            try:
                names = checksums.differing(checksums.parse(file.checksum), chunks)
            except (DamagedError, ObjectMissingError) as error:
                with self._lock:
                    judge.unreadable(file, error.message)
                continue
            with self._lock:
                if names:
                    judge.differs(file, names)
                else:
                    judge.same(file)
            self._monitor.advance(files=1, size_bytes=file.size)
