"""What a snapshot needs: the blobs that its trees refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.repository import tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.repository.reader import BlobReader
    from ocsnap.repository.snapshot import Root


def needed_blobs(roots: Iterable[Root], reader: BlobReader) -> Iterator[bytes]:
    """Find the blobs without which a snapshot cannot be restored, some of them more than once.

    Args:
        roots: the snapshot's roots.
        reader: gives the listings.

    Yields:
        Ids of blobs.

    Raises:
        DamagedError: a listing is lost.
    """
    waiting = [root.entry for root in roots]
    while waiting:
        directory = waiting.pop()
        yield from directory.subtree
        for entry in tree.read(directory.subtree, reader.load):
            yield from (piece.blob for piece in entry.pieces())
            if entry.is_directory:
                waiting.append(entry)


def metadata_blobs(roots: Iterable[Root], reader: BlobReader) -> Iterator[bytes]:
    """Find the blobs of all listings and signatures, some of them more than once.

    Args:
        roots: the roots of one snapshot or of several.
        reader: gives the listings.

    Yields:
        Ids of blobs.

    Raises:
        DamagedError: a listing is lost.
    """
    waiting = [root.entry for root in roots]
    while waiting:
        directory = waiting.pop()
        yield from directory.subtree
        for entry in tree.read(directory.subtree, reader.load):
            yield from entry.signature
            if entry.is_directory:
                waiting.append(entry)
