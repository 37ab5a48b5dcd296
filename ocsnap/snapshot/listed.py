"""Storing listings: parts of an earlier one that are as they were are not even read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocsnap.errors import DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind
from ocsnap.snapshot.summary import Familiar, PartSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter
    from ocsnap.snapshot.summary import Summaries


class Listed(NamedTuple):
    """The listing of a directory, or of a segment of one, that is stored.

    Attributes:
        subtree: its blobs.
        entries: how many entries are in it and below it.
        size_bytes: sum of their sizes.
    """

    subtree: tuple[bytes, ...]
    entries: int
    size_bytes: int


class Kept(NamedTuple):
    """Parts of an earlier listing that are taken over.

    Attributes:
        parts: the parts; no other name of the directory comes between the names of one.
        among: how many names that listing had.
    """

    parts: Sequence[Familiar] = ()
    among: int = 0

    @property
    def entries(self) -> int:
        """How many names they have together, none of them a directory."""
        return sum(part.summary.entries for part in self.parts)

    @property
    def size_bytes(self) -> int:
        """The sum of the sizes of the files in them."""
        return sum(part.summary.size_bytes for part in self.parts)


class ListingStore:
    """Stores listings; may be used from several threads."""

    def __init__(
        self, writer: BlobWriter, load: Callable[[bytes], Buffer], summaries: Summaries
    ) -> None:
        """Prepare.

        Args:
            writer: takes the listings.
            load: returns a blob.
            summaries: are kept of all that is stored.
        """
        self._writer = writer
        self._load = load
        self._summaries = summaries

    def store(self, entries: Iterable[Entry], kept: Kept = Kept(), *, among: int = 0) -> Listed:  # noqa: B008 - immutable
        """Store the listing of a directory, or of a segment of one.

        Args:
            entries: what is in it, in any order, but for what is in `kept`.
            kept: parts that are as they were.
            among: as for `tree.encode`; then nothing is kept.

        Returns:
            The listing, and the sums over all that is below: the very same as if every part that is
            kept had been read and stored anew.
        """
        if among or not self._summaries.used:
            return list_entries(entries, self._writer, among=among)
        listed = sorted(entries, key=_name_of)
        relisting = _Relisting(self._writer, self._load, kept, listed)
        relisting.run()
        if relisting.summaries:
            self._summaries.keep(relisting.subtree, relisting.summaries)
        return Listed(
            tuple(relisting.subtree),
            sum(1 + entry.entries for entry in listed) + kept.entries,
            sum(entry.size_bytes for entry in listed) + kept.size_bytes,
        )


class _Relisting:
    """One listing that is put together from parts of an earlier one and from new entries."""

    def __init__(
        self,
        writer: BlobWriter,
        load: Callable[[bytes], Buffer],
        kept: Kept,
        entries: Sequence[Entry],
    ) -> None:
        self._writer = writer
        self._load = load
        self._entries = entries
        self._kept = kept.parts
        self._among = len(entries) + kept.entries
        self._same_cuts = tree.mean_entries(self._among) == tree.mean_entries(kept.among)
        self._gathered: list[Entry] = []
        self.subtree: list[bytes] = []
        self.summaries: list[PartSummary] = []

    def run(self) -> None:
        """Store it."""
        start = 0
        for number, part in enumerate(self._kept, 1):
            last = part.summary.last
            end = start
            while end < len(self._entries) and self._entries[end].name <= last:
                end += 1
            self._gathered += self._entries[start:end]
            start = end
            is_end = number == len(self._kept) and end == len(self._entries)
            if not (self._would_be_cut(last, is_end=is_end) and self._writer.has(part.blob)):
                try:
                    self._gathered += tree.decode([self._load(part.blob)])
                except (DamagedError, NoSecretKeyError, ObjectMissingError):
                    pass  # it stays a part of its own, which costs no more than its place
                else:
                    continue
            if self._gathered:
                self._flush()
            self._take(part.blob, part.summary)
        self._gathered += self._entries[start:]
        if self._gathered or not self.subtree:
            self._flush()

    def _would_be_cut(self, last: bytes, *, is_end: bool) -> bool:
        """Return whether a part would come out as it is if all were cut anew."""
        begins = not self._gathered or self._is_cut(self._gathered[-1].name)
        return self._same_cuts and begins and (is_end or self._is_cut(last))

    def _is_cut(self, name: bytes) -> bool:
        return tree.ends_part(name, among=self._among)

    def _flush(self) -> None:
        """Cut and store what was gathered."""
        gathered, self._gathered = self._gathered, []
        for part in tree.cut(gathered, among=self._among):
            blob, _ = self._writer.save(BlobKind.META, tree.encode_part(part))
            self._take(blob, PartSummary.of(part) if part else None)

    def _take(self, blob: bytes, summary: PartSummary | None) -> None:
        self.subtree.append(blob)
        if summary is not None:
            self.summaries.append(summary)


def list_entries(entries: Iterable[Entry], writer: BlobWriter, *, among: int = 0) -> Listed:
    """Store the listing of a directory, or of a segment of one.

    Args:
        entries: what is in it, in any order.
        writer: takes the listing.
        among: as for `tree.encode`.

    Returns:
        The listing, and the sums over all that is below.
    """
    listed = sorted(entries, key=_name_of)
    if among and not listed:
        return Listed((), 0, 0)
    return Listed(
        tuple(writer.save(BlobKind.META, part)[0] for part in tree.encode(listed, among=among)),
        sum(1 + entry.entries for entry in listed),
        sum(entry.size_bytes for entry in listed),
    )


def _name_of(entry: Entry) -> bytes:
    return entry.name
