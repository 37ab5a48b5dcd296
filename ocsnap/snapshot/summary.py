"""Summaries of listings: they tell that nothing in a part has changed, without reading it.

A summary follows from the listing alone. Of each part it has the hash of the records (`lister.py`)
that its names have as long as each is what its entry says. So equal hashes mean just what comparing
the part entry by entry would find, whenever and after whichever snapshot it is asked. A part with a
directory, or with a file that must be read again anyway, has no hash.

Summaries are kept in the local cache. One that is lost or damaged costs reading the listing.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec

from ocsnap.snapshot import lister
from ocsnap.snapshot.scanner import MOST_FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.cache import Cache
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.lister import Listing

FORMAT: Final = 1
MOST_NAMES: Final = MOST_FOUND
"""Longer listings have no summary: directories of more names are taken in segments anyway."""

_CHECK_BYTES: Final = 16


class PartSummary(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One part of a listing.

    Attributes:
        last: its last name.
        digest: SHA-256 of the records of its names; empty: it must be read.
        entries: how many names it has.
        size_bytes: the sum of their sizes.
    """

    last: bytes
    digest: bytes
    entries: Annotated[int, msgspec.Meta(ge=0)]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> PartSummary:
        """Summarise a part, which has at least one name."""
        size_bytes = sum(entry.size_bytes for entry in entries)
        return cls(entries[-1].name, _digest(entries), len(entries), size_bytes)


class _Summary(msgspec.Struct, frozen=True, array_like=True):
    format: int
    subtree: bytes
    parts: list[PartSummary]


class Familiar(NamedTuple):
    """A part of a listing that is as it was.

    Attributes:
        blob: the part.
        summary: its summary.
    """

    blob: bytes
    summary: PartSummary


class Compared(NamedTuple):
    """What of a directory is as it was.

    Attributes:
        familiar: the parts that are.
        unfamiliar: the blobs of the others, in order.
        places: where in the listing the names are in whose place those others are, in order.
    """

    familiar: list[Familiar]
    unfamiliar: list[bytes]
    places: list[int]


class Summaries:
    """The summaries that the cache keeps; may be used from several threads."""

    def __init__(self, cache: Cache) -> None:
        """Keep them in `cache`."""
        self._cache = cache
        # Where nothing can be compared with them none need be made.
        self.used = lister.is_compiled()

    def of(self, subtree: Sequence[bytes]) -> list[PartSummary] | None:
        """Return the summaries of a listing's parts, None where there are none.

        Args:
            subtree: the blobs of the listing.
        """
        kept = self._cache.summary(subtree[0]) if self.used and subtree else None
        if kept is None or _check(kept[_CHECK_BYTES:]) != kept[:_CHECK_BYTES]:
            return None
        try:
            summary = _decoder.decode(memoryview(kept)[_CHECK_BYTES:])
        except msgspec.MsgspecError:
            return None
        is_its = summary.format == FORMAT and summary.subtree == _name_of(subtree)
        return summary.parts if is_its and len(summary.parts) == len(subtree) else None

    def keep(self, subtree: Sequence[bytes], parts: Sequence[PartSummary]) -> None:
        """Keep the summaries of a listing's parts, unless it is empty or very long.

        Args:
            subtree: the blobs of the listing.
            parts: of each its summary.
        """
        if self.used and 0 < sum(part.entries for part in parts) <= MOST_NAMES:
            encoded = _encoder.encode(_Summary(FORMAT, _name_of(subtree), list(parts)))
            self._cache.keep_summary(subtree[0], _check(encoded) + encoded)


def compare(subtree: Sequence[bytes], parts: Sequence[PartSummary], listing: Listing) -> Compared:
    """Compare a directory with a listing.

    Args:
        subtree: the blobs of the listing.
        parts: of each its summary.
        listing: what is in the directory now.

    Returns:
        Which parts are as they were; to none of them anything has come or gone.
    """
    compared = Compared([], [], [])
    first = 0
    for number, (blob, part) in enumerate(zip(subtree, parts, strict=True), 1):
        # What comes after all names that were there belongs to the last part.
        is_last = number == len(parts)
        end = len(listing.names) if is_last else bisect_right(listing.names, part.last, lo=first)
        if (
            part.digest
            and end - first == part.entries
            and hashlib.sha256(listing.between(first, end)).digest() == part.digest
        ):
            compared.familiar.append(Familiar(blob, part))
        else:
            compared.unfamiliar.append(blob)
            compared.places.extend(range(first, end))
        first = end
    return compared


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Summary)


def _digest(entries: Sequence[Entry]) -> bytes:
    if any(_must_be_read(entry) for entry in entries):
        return b""
    try:
        return hashlib.sha256(b"".join(map(lister.record, entries))).digest()
    except struct.error:
        return b""


def _must_be_read(entry: Entry) -> bool:
    if entry.is_file:
        return entry.unsteady
    return entry.is_directory or bool(entry.size_bytes)


def _name_of(subtree: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(subtree)).digest()


def _check(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECK_BYTES]
