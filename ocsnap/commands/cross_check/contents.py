"""Contents compared with ownCloud's checksums: pack by pack, each fetched about once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol

from ocsnap.commands.cross_check.trees import pieces_of
from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.owncloud import checksums
from ocsnap.snapshot.file_reader import FileReader
from ocsnap.snapshot.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.commands.cross_check.book import Book, Wanted
    from ocsnap.monitor import Monitor
    from ocsnap.repository.cache import Cache

READERS: Final = 2


class Judge(Protocol):
    """Is told of contents."""

    def same(self, file: Wanted) -> None:
        """A file has the content that ownCloud knows."""
        ...

    def differs(self, file: Wanted, names: list[str]) -> None:
        """A file has another content: these checksums differ."""
        ...

    def unreadable(self, file: Wanted, reason: str) -> None:
        """A file's content is damaged."""
        ...


class Contents:
    """Reads contents out of a repository."""

    def __init__(
        self,
        cache: Cache,
        load_pack: Callable[[str], memoryview],
        judge: Judge,
        *,
        scratch_dir: Path,
        monitor: Monitor,
    ) -> None:
        """Prepare.

        Args:
            cache: knows which blob lies where.
            load_pack: fetches and decrypts a pack.
            judge: is told of each file, in any thread, but of one at a time.
            scratch_dir: an existing folder for temporary files that only we can read.
            monitor: is told of the progress.
        """
        self._cache = cache
        self._load_pack = load_pack
        self._judge = judge
        self._scratch_dir = scratch_dir
        self._monitor = monitor
        self._lock = threading.Lock()

    def compare(self, book: Book) -> None:
        """Compare all files that the book wants compared.

        Raises:
            OcsnapError: the storage or the key fails.
        """
        self._monitor.step("Comparing contents", total_bytes=book.wanted_bytes())
        workers = Workers(self._compare_pack, threads=READERS, name="ocsnap-compare")
        try:
            for _, files in book.wanted():
                workers.submit([files])
            workers.wait()
        except BaseException as error:
            workers.stop(error)
            raise
        finally:
            workers.close()

    def _compare_pack(self, files: list[Wanted]) -> None:
        reader = FileReader(self._cache, self._load_pack, scratch_dir=self._scratch_dir)
        for file in files:
            chunks = reader.chunks(pieces_of(file.content))
            try:
                names = checksums.differing(checksums.parse(file.checksum), chunks)
            except (DamagedError, ObjectMissingError) as error:
                with self._lock:
                    self._judge.unreadable(file, error.message)
                continue
            with self._lock:
                if names:
                    self._judge.differs(file, names)
                else:
                    self._judge.same(file)
            self._monitor.advance(files=1, size_bytes=file.size)
