"""What is wanted of which pack, and which packs are to be fetched first.

All that is wanted does not fit into memory, so packs are fetched before all is known. The order is
such that hardly a pack comes twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ocsnap.repository.tree import Entry


class File:
    """A regular file that is being put together.

    Attributes:
        path: where it is built.
        entry: what it is to be.
        missing: pieces that are not written yet.
        broken: whether it was given up.
    """

    __slots__ = ("broken", "entry", "missing", "path")

    def __init__(self, path: bytes, entry: Entry, missing: int) -> None:
        """Begin one, none of whose pieces is there."""
        self.path = path
        self.entry = entry
        self.missing = missing
        self.broken = False


class Piece(NamedTuple):
    """A range of a blob and where it goes.

    Attributes:
        file: the file.
        file_offset: where in it, in bytes.
        blob_offset: where in the blob, in bytes.
        length: bytes.
    """

    file: File
    file_offset: int
    blob_offset: int
    length: int


Needs = dict[bytes, list[Piece]]
"""What is wanted of each blob of a pack."""


class _Wanted:
    """What is wanted of one pack: how many pieces, and which of all was the latest."""

    __slots__ = ("latest", "needs", "pieces")

    def __init__(self) -> None:
        self.needs: Needs = {}
        self.pieces = self.latest = 0


class PackQueue:
    """Packs that wait to be fetched.

    Attributes:
        pieces: how many pieces wait.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.pieces = 0
        self._packs: dict[str, _Wanted] = {}
        self._planned = 0

    def add(self, pack: str, blob: bytes, piece: Piece) -> None:
        """Let a piece wait for its pack."""
        wanted = self._packs.setdefault(pack, _Wanted())
        wanted.needs.setdefault(blob, []).append(piece)
        wanted.pieces += 1
        wanted.latest = self._planned
        self._planned += 1
        self.pieces += 1

    def take(self, keep_pieces: int = 0) -> list[tuple[str, Needs]]:
        """Take out packs of which nothing more is likely to be wanted.

        A first backup's packs hold neighbours: much is wanted of each, then nothing for long. Later
        ones hold a little from everywhere: those wanted lately, or but little, wait for the rest.

        Args:
            keep_pieces: so many pieces may go on waiting.

        Returns:
            Packs, and what is wanted of them.
        """
        ripest = sorted(self._packs, key=self._ripeness, reverse=True)
        taken: list[tuple[str, Needs]] = []
        for pack in ripest:
            if self.pieces <= keep_pieces:
                break
            wanted = self._packs.pop(pack)
            self.pieces -= wanted.pieces
            taken.append((pack, wanted.needs))
        return taken

    def _ripeness(self, pack: str) -> int:
        wanted = self._packs[pack]
        return wanted.pieces * (self._planned - wanted.latest)
