"""A file's content from its first byte to its last, where each pack is fetched once for each file.

The parts of a file that was stored as a delta lie in packs of many days, in any order. What comes
out of a pack before its turn waits in a temporary file.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError, LocalIOError, ObjectMissingError
from ocsnap.repository.reader import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ocsnap.repository.cache import Cache, Location
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Extent


class FileReader:
    """Reads files, one after the other; for one thread."""

    def __init__(
        self, cache: Cache, load_pack: Callable[[str], memoryview], *, scratch_dir: Path
    ) -> None:
        """Prepare.

        Args:
            cache: knows which blob lies where.
            load_pack: fetches and decrypts a pack.
            scratch_dir: an existing folder for temporary files that only we can read.
        """
        self._cache = cache
        self._load_pack = load_pack
        self._scratch_dir = scratch_dir
        self._pack: tuple[str, memoryview] = ("", memoryview(b""))
        self._blob: tuple[bytes, bytes] = (b"", b"")

    @classmethod
    def of(cls, repository: Repository, *, scratch_dir: Path) -> FileReader:
        """Return one that reads from a repository; see the constructor."""
        return cls(repository.cache, repository.reader.decrypted, scratch_dir=scratch_dir)

    def chunks(self, pieces: Sequence[Extent]) -> Iterator[memoryview]:
        """Yield the content of a file, in pieces of at most one blob.

        Args:
            pieces: what it consists of; see `Entry.pieces`.

        Raises:
            DamagedError: a piece is lost, or is not what was stored.
            OcsnapError: the storage or the key fails.
        """
        places = [self._find(piece) for piece in pieces]
        starts = _starts(pieces)
        later: dict[str, list[int]] = {}
        for number, place in enumerate(places):
            later.setdefault(place.pack, []).append(number)
        done: set[int] = set()
        with tempfile.TemporaryFile(dir=self._scratch_dir, buffering=0) as waiting:
            for number, piece in enumerate(pieces):
                if number in done:
                    yield memoryview(os.pread(waiting.fileno(), piece.length, starts[number]))
                    continue
                place = places[number]
                # What follows of this pack with others between would need it once more.
                numbers = [each for each in later.pop(place.pack, ()) if each > number]
                for each in _after_a_gap(number, numbers):
                    data = self._read(pieces[each], places[each])
                    self._keep(waiting.fileno(), data, starts[each])
                    done.add(each)
                yield self._read(piece, place)

    def _keep(self, descriptor: int, data: memoryview, offset: int) -> None:
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise LocalIOError(
                f"{self._scratch_dir} cannot be written: {error.strerror}.", hint="Make room there."
            ) from error

    def _find(self, piece: Extent) -> Location:
        place = self._cache.find(piece.blob)
        if place is None:
            raise DamagedError(f"The repository has no blob {piece.blob.hex()}.")
        return place

    def _read(self, piece: Extent, place: Location) -> memoryview:
        if self._blob[0] != piece.blob:
            self._blob = (piece.blob, self._load(piece.blob, place))
        part = memoryview(self._blob[1])[piece.offset : piece.offset + piece.length]
        if len(part) != piece.length:
            raise DamagedError(f"A part of a file does not fit into the blob {piece.blob.hex()}.")
        return part

    def _load(self, blob: bytes, place: Location) -> bytes:
        try:
            return self._unpacked(blob, place)
        except (DamagedError, ObjectMissingError):
            # While packs are replaced by others there are two places, and one may be gone already.
            for other in self._cache.locations(blob):
                if other.pack != place.pack:
                    return self._unpacked(blob, other)
            raise

    def _unpacked(self, blob: bytes, place: Location) -> bytes:
        if self._pack[0] != place.pack:
            self._pack = ("", memoryview(b""))
            self._pack = (place.pack, memoryview(self._load_pack(place.pack)))
        frame = self._pack[1][place.offset : place.offset + place.frame_bytes]
        return unpack(blob, frame, place.raw_bytes, name=place.pack)


def _starts(pieces: Sequence[Extent]) -> list[int]:
    starts, at = [], 0
    for piece in pieces:
        starts.append(at)
        at += piece.length
    return starts


def _after_a_gap(number: int, numbers: Sequence[int]) -> Sequence[int]:
    """Return those numbers that do not follow `number` one by one."""
    for index, each in enumerate(numbers):
        if each != number + 1 + index:
            return numbers[index:]
    return ()
