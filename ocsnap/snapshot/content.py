"""Storing content: whole or as a delta, with the signature for the next time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.librsync import block_length, new_signer
from ocsnap.repository.blob import LONGEST_BLOB_BYTES, BlobKind, blob_id
from ocsnap.repository.tree import Extent
from ocsnap.snapshot.delta import (
    SHORTEST_SIGNED_BYTES,
    SIGNATURE_PART_BYTES,
    DeltaWriter,
    NotSimilarError,
    is_scattered,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.reader import BlobReader
    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter


class StoredContent(NamedTuple):
    """Content that is stored, or on its way.

    Attributes:
        size_bytes: its length.
        content: its SHA-256; None for no content at all.
        extents: where it lies; empty: in the one blob of that name.
        signature: the blobs of its signature.
        signed: what the signature describes; empty: this very content.
        new_bytes: how much of it was not in the repository before.
        delta: whether it is told as a delta of the previous version.
    """

    size_bytes: int
    content: bytes | None
    extents: tuple[Extent, ...]
    signature: tuple[bytes, ...]
    signed: tuple[Extent, ...]
    new_bytes: int
    delta: bool


class ContentStore:
    """Stores the contents of files and streams; may be used from several threads."""

    def __init__(self, *, writer: BlobWriter, reader: BlobReader) -> None:
        """Keep where blobs go to and where old signatures come from."""
        self._writer = writer
        self._reader = reader

    def store_buffer(self, data: Buffer, previous: Entry | None) -> StoredContent:
        """Store content that fits into one blob.

        Args:
            data: at most `LONGEST_BLOB_BYTES`.
            previous: the file's entry in the parent snapshot.

        Returns:
            What a tree entry needs.
        """
        size_bytes = len(data)
        if not size_bytes:
            return _NOTHING
        content = blob_id(data)
        if previous is not None and previous.content == content and self.has_all(previous):
            return _unchanged(previous)
        parts: list[bytes] = []
        new_bytes = 0
        if size_bytes >= SHORTEST_SIGNED_BYTES:
            signer = new_signer(block_length(size_bytes))
            signer.update(data)
            parts = _cut(signer.finish())
            if previous is not None and not self._writer.has(content):
                try:
                    return self._store_delta(data, previous, content, parts)
                except NotSimilarError as error:
                    new_bytes = error.stored_bytes
        _, new = self._writer.save(BlobKind.CONTENT, data, blob=content)
        new_bytes += size_bytes if new else 0
        signature = self._save_signature(parts)
        return StoredContent(size_bytes, content, (), signature, (), new_bytes, delta=False)

    def store_stream(
        self,
        chunks: Iterable[Buffer],
        previous: Entry | None,
        *,
        expected_bytes: int,
        may_give_up: bool,
    ) -> StoredContent:
        """Store content of any length that comes in pieces.

        Args:
            chunks: the content.
            previous: the entry of an old version.
            expected_bytes: about how long it will be.
            may_give_up: whether the caller can begin again; else it is stored as it comes.

        Returns:
            What a tree entry needs.

        Raises:
            NotSimilarError: only if `may_give_up`: begin again with no previous entry.
        """
        if (
            previous is not None
            and not may_give_up
            and is_scattered(len(previous.extents), previous.size_bytes)
        ):
            # What cannot begin again must not begin from what is scattered already.
            previous = None
        old_signature = self._old_signature(previous)
        if previous is None or old_signature is None:
            target: _WholeWriter | DeltaWriter = _WholeWriter(self._writer)
        else:
            target = DeltaWriter(self._writer, previous, old_signature, may_give_up=may_give_up)
        signer = new_signer(block_length(expected_bytes))
        digest = hashlib.sha256()
        size_bytes = 0
        for chunk in chunks:
            digest.update(chunk)
            signer.update(chunk)
            target.write(chunk)
            size_bytes += len(chunk)
        extents = target.finish()
        if not size_bytes:
            return _NOTHING
        content = digest.digest()
        implied = (Extent(content, 0, size_bytes),)
        parts = _cut(signer.finish()) if size_bytes >= SHORTEST_SIGNED_BYTES else []
        delta = target if isinstance(target, DeltaWriter) else None
        signature, signed = self._signature(parts, previous, delta)
        return StoredContent(
            size_bytes,
            content,
            () if extents == implied else extents,
            signature,
            signed,
            target.stored_bytes,
            delta=delta is not None,
        )

    def has_all(self, entry: Entry) -> bool:
        """Return whether the repository has all of a file's content."""
        return all(self._writer.has(piece.blob) for piece in entry.pieces())

    def mend(self, entry: Entry, read: Callable[[int, int], bytes]) -> None:
        """Store lost blobs of a file again whose content is at hand, for snapshots that need them.

        A blob of which the file has only a part stays lost.

        Args:
            entry: the file as it was stored.
            read: gives so many bytes of its content from an offset on.
        """
        parts: dict[bytes, list[tuple[int, int, int]]] = {}
        start = 0
        for piece in entry.pieces():
            if not self._writer.has(piece.blob):
                parts.setdefault(piece.blob, []).append((piece.offset, piece.length, start))
            start += piece.length
        for blob, ranges in parts.items():
            data = bytearray()
            for offset, length, at in sorted(ranges):
                if offset <= len(data) < offset + length:
                    data += read(offset + length - len(data), at + len(data) - offset)
            if blob_id(data) == blob:
                self._writer.save(BlobKind.CONTENT, data, blob=blob)

    def _store_delta(
        self, data: Buffer, previous: Entry, content: bytes, parts: list[bytes]
    ) -> StoredContent:
        old_signature = self._old_signature(previous)
        if old_signature is None:
            raise NotSimilarError
        target = DeltaWriter(self._writer, previous, old_signature)
        target.write(data)
        extents = target.finish()
        signature, signed = self._signature(parts, previous, target)
        return StoredContent(
            len(data), content, extents, signature, signed, target.stored_bytes, delta=True
        )

    def _old_signature(self, previous: Entry | None) -> bytes | None:
        """Return the signature of an old version, None where no delta can be built on it."""
        if previous is None or not previous.signature:
            return None
        if not all(self._writer.has(piece.blob) for piece in previous.signed_pieces()):
            return None
        try:
            return b"".join(self._reader.load_all(previous.signature))
        except (DamagedError, ObjectMissingError, NoSecretKeyError):
            # Without it the content is stored whole, which also mends the damage.
            return None

    def _signature(
        self, parts: list[bytes], previous: Entry | None, delta: DeltaWriter | None
    ) -> tuple[tuple[bytes, ...], tuple[Extent, ...]]:
        """Store a signature, or leave the old one in force where that is cheaper.

        An edit that moves what follows changes every sum after it, though the old version's
        signature still finds all but the edited places. Those are literal again in each later
        version, so once they are more than a new signature would take, it is stored.
        """
        if previous is not None and delta is not None:
            new_bytes = sum(len(part) for part in parts if not self._writer.has(blob_id(part)))
            if new_bytes > delta.literal_bytes:
                return previous.signature, previous.signed_pieces()
        return self._save_signature(parts), ()

    def _save_signature(self, parts: list[bytes]) -> tuple[bytes, ...]:
        return tuple(self._writer.save(BlobKind.META, part)[0] for part in parts)


class _WholeWriter:
    """Cuts content into blobs of the same length."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._gathered = bytearray()
        self._extents: list[Extent] = []
        self.stored_bytes = 0

    def write(self, data: Buffer) -> None:
        if not self._gathered and len(data) == LONGEST_BLOB_BYTES:
            self._save(data)
            return
        self._gathered += data
        while len(self._gathered) >= LONGEST_BLOB_BYTES:
            self._save(bytes(memoryview(self._gathered)[:LONGEST_BLOB_BYTES]))
            del self._gathered[:LONGEST_BLOB_BYTES]

    def finish(self) -> tuple[Extent, ...]:
        if self._gathered:
            self._save(self._gathered)
        return tuple(self._extents)

    def _save(self, data: Buffer) -> None:
        blob, new = self._writer.save(BlobKind.CONTENT, data)
        self._extents.append(Extent(blob, 0, len(data)))
        self.stored_bytes += len(data) if new else 0


_NOTHING: Final = StoredContent(0, None, (), (), (), 0, delta=False)


def _cut(signature: bytes) -> list[bytes]:
    starts = range(0, len(signature), SIGNATURE_PART_BYTES)
    return [signature[start : start + SIGNATURE_PART_BYTES] for start in starts]


def _unchanged(previous: Entry) -> StoredContent:
    return StoredContent(
        previous.size_bytes,
        previous.content,
        previous.extents,
        previous.signature,
        previous.signed,
        0,
        delta=False,
    )
