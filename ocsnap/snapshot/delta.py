"""Chain-free deltas: new content told as ranges of blobs that exist, and the rest as new blobs.

librsync compares new content with the signature of the old version. Each COPY is translated through
the old version's extents into extents of blobs; literals are gathered into new blobs. So every
version can be read by itself, and any snapshot can be deleted.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ocsnap.librsync import Delta, Literal
from ocsnap.repository.blob import LONGEST_BLOB_BYTES, BlobKind
from ocsnap.repository.tree import Extent
from ocsnap.units import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.librsync import Copy
    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter

SHORTEST_SIGNED_BYTES: Final = 16 * KIB
"""Shorter content is stored again whole: it has four blocks at most, one of which is literal after
any edit."""

SIGNATURE_PART_BYTES: Final = 16 * KIB
"""Signatures are stored in parts of this size: an edit changes the part that describes it, and the
other parts are the same blobs as before."""

_HOPELESS_AFTER_BYTES: Final = 8 * MIB
_LARGEST_LITERAL_SHARE: Final = 0.5
_FEWEST_EXTENTS: Final = 128
_BYTES_PER_EXTENT: Final = 32 * KIB
_SHORTEST_LITERAL_BLOB: Final = 4 * KIB
"""Literals get a blob of their own from this length on: in the next version the same edit is the
same blob, while literals that share one are all stored again when one more is added."""


class NotSimilarError(Exception):
    """The new content has too little in common with the old one: store it whole.

    Attributes:
        stored_bytes: what was stored before that was seen.
    """

    def __init__(self, stored_bytes: int = 0) -> None:
        """Keep the figure."""
        super().__init__()
        self.stored_bytes = stored_bytes


def is_scattered(extents: int, size_bytes: int) -> bool:
    """Return whether content lies in so many pieces that it had better be stored whole again.

    Args:
        extents: the number of pieces.
        size_bytes: the length of the content.
    """
    return extents > max(_FEWEST_EXTENTS, size_bytes // _BYTES_PER_EXTENT)


class DeltaWriter:
    """Takes new content in pieces and gives its extents."""

    def __init__(
        self, writer: BlobWriter, previous: Entry, signature: bytes, *, may_give_up: bool = True
    ) -> None:
        """Prepare the comparison.

        Args:
            writer: takes the literals.
            previous: the old version.
            signature: the signature of its `signed_pieces`.
            may_give_up: whether `NotSimilarError` is of use to the caller.
        """
        self._writer = writer
        self._delta = Delta(signature)
        self._translation = _Translation(previous.signed_pieces())
        self._may_give_up = may_give_up
        self._seen_bytes = 0
        self._done: list[Extent] = []
        self._open: list[tuple[bytes | None, int, int]] = []
        self._literal = bytearray()
        self._cuts = [0]
        self.literal_bytes = 0
        self.stored_bytes = 0

    def write(self, data: Buffer, *, last: bool = False) -> None:
        """Take the next piece of the new content.

        Raises:
            NotSimilarError: going on is not worth the while.
        """
        for instruction in self._delta.update(data, last=last):
            if isinstance(instruction, Literal):
                self._take_literal(instruction.data)
            else:
                self._take_copy(instruction)
        self._seen_bytes += len(data)
        if self._may_give_up and self.literal_bytes > _HOPELESS_AFTER_BYTES:
            self._give_up_if_too_much()

    def finish(self) -> tuple[Extent, ...]:
        """Return the extents of the whole new content.

        Raises:
            NotSimilarError: they would cost more than the content itself.
        """
        self.write(b"", last=True)
        if self._may_give_up:
            self._give_up_if_too_much()
            if is_scattered(len(self._done) + len(self._open), self._seen_bytes):
                raise NotSimilarError(self.stored_bytes)
        self._save_literal()
        return tuple(self._done)

    def _give_up_if_too_much(self) -> None:
        if self.literal_bytes > self._seen_bytes * _LARGEST_LITERAL_SHARE:
            raise NotSimilarError(self.stored_bytes)

    def _take_literal(self, data: bytes) -> None:
        offset = len(self._literal)
        self._append(None, offset, len(data))
        self._literal += data
        self.literal_bytes += len(data)
        if len(self._literal) >= LONGEST_BLOB_BYTES:
            self._save_literal()

    def _take_copy(self, copy: Copy) -> None:
        if len(self._literal) - self._cuts[-1] >= _SHORTEST_LITERAL_BLOB:
            self._cuts.append(len(self._literal))
        for extent in self._translation.extents(copy):
            self._append(extent.blob, extent.offset, extent.length)

    def _append(self, blob: bytes | None, offset: int, length: int) -> None:
        if self._open:
            last_blob, last_offset, last_length = self._open[-1]
            if last_blob == blob and last_offset + last_length == offset:
                self._open[-1] = (blob, last_offset, last_length + length)
                return
        self._open.append((blob, offset, length))

    def _save_literal(self) -> None:
        """Store the literals so far, which gives their extents names."""
        names: list[bytes] = []
        for start, end in pairwise([*self._cuts, len(self._literal)]):
            part = bytes(memoryview(self._literal)[start:end])
            name, new = self._writer.save(BlobKind.CONTENT, part) if part else (b"", False)
            names.append(name)
            self.stored_bytes += len(part) if new else 0
        for blob, offset, length in self._open:
            if blob is None:
                number = bisect_right(self._cuts, offset) - 1
                self._done.append(Extent(names[number], offset - self._cuts[number], length))
            else:
                self._done.append(Extent(blob, offset, length))
        self._open.clear()
        self._literal = bytearray()
        self._cuts = [0]


class _Translation:
    """Finds the extents that make up a range of the old version."""

    def __init__(self, pieces: Sequence[Extent]) -> None:
        self._pieces = pieces
        self._starts: list[int] = []
        end = 0
        for piece in pieces:
            self._starts.append(end)
            end += piece.length

    def extents(self, copy: Copy) -> list[Extent]:
        found = []
        offset, left = copy.offset, copy.length
        number = bisect_right(self._starts, offset) - 1
        while left > 0:
            if not 0 <= number < len(self._pieces):
                raise NotSimilarError
            piece = self._pieces[number]
            skipped = offset - self._starts[number]
            length = min(left, piece.length - skipped)
            if length <= 0:
                raise NotSimilarError
            found.append(Extent(piece.blob, piece.offset + skipped, length))
            offset += length
            left -= length
            number += 1
        return found
