"""The files that a restore has put into a folder."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from ocsnap.commands.cross_check.book import Kind, Present
from ocsnap.commands.cross_check.side import ContentPlace
from ocsnap.owncloud import checksums
from ocsnap.snapshot.reach import Reach
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ocsnap.commands.cross_check.book import Book
    from ocsnap.commands.cross_check.side import Judge
    from ocsnap.monitor import Monitor
    from ocsnap.repository.snapshot import Root

_CHUNK_BYTES: Final = MIB


class RestoredFiles:
    """A `Side`.

    Attributes:
        has_contents: always.
    """

    has_contents = True

    def __init__(self, folders: Mapping[bytes, Path], *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            folders: by the path of a root, where it was restored to.
            monitor: is told of the progress.
        """
        self._folders = {path: os.fsencode(folder) for path, folder in folders.items()}
        self._monitor = monitor

    def items(self, roots: Sequence[Root]) -> Iterator[Present]:
        """Walk the folders; see `Side`."""
        places = set(self._folders.values())
        for number, root in enumerate(roots):
            folder = self._folders[root.path]
            waiting = [b""]
            while waiting:
                below = waiting.pop()
                with Reach(os.path.join(folder, below)) as near, os.scandir(near) as listing:
                    for entry in listing:
                        path = below + entry.name
                        if os.path.join(folder, path) in places:
                            continue  # a home in the data directory is a root of its own
                        found = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(found.st_mode):
                            waiting.append(path + b"/")
                        yield _present(number, path, found, os.path.join(folder, path))

    def place(self, file: Present) -> ContentPlace | None:
        """Return the beginning of the file itself; see `Side`."""
        del file
        return ContentPlace("", 0)

    def wants(self, pack: str) -> bool:
        """Want them all; see `Side`."""
        del pack
        return True

    def compare(self, book: Book, judge: Judge) -> None:
        """Read the files; see `Side`."""
        self._monitor.step("Comparing contents", total_bytes=book.wanted_bytes())
        for file in book.wanted_files():
            try:
                names = checksums.differing(checksums.parse(file.checksum), _chunks(file.content))
            except OSError as error:
                judge.unreadable(file, f"it cannot be read back: {error.strerror}.")
                continue
            if names:
                judge.differs(file, names)
            else:
                judge.same(file)
            self._monitor.advance(files=1, size_bytes=file.size)


def _present(number: int, path: bytes, found: os.stat_result, content: bytes) -> Present:
    kind = Kind.OTHER
    if stat.S_ISDIR(found.st_mode):
        kind = Kind.FOLDER
    elif stat.S_ISREG(found.st_mode):
        kind = Kind.FILE
    seconds = found.st_mtime_ns // 10**9
    return Present(number, path, kind, found.st_size, seconds, unsteady=False, content=content)


def _chunks(path: bytes) -> Iterator[bytes]:
    with Reach(path) as near, open(near, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
