"""Directories whose listings are being put together, from the leaves up.

Whichever thread finishes the last part of a directory stores its listing and hands its entry to the
directory above, so nobody ever waits at the end of a directory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from ocsnap.snapshot.listed import Kept, Listed, list_entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter
    from ocsnap.snapshot.listed import ListingStore
    from ocsnap.snapshot.scanner import Identity


class Directory:
    """A directory whose listing is not stored yet.

    Attributes:
        entry: its own entry, with no listing yet.
        path: its absolute path.
        identity: which directory it was when it was found.
        folder: its path below the root, empty or with a slash at its end.
        previous: its entry in the parent snapshot.
        within: the segment of the directory that it lies in; None for the root.
        changed: whether its listing is another than before.
        names: about how many names are in it.
        kept: parts of its earlier listing that are as they were.
        listed: what came of each of its segments.
        open: how many of them are not finished.
    """

    __slots__ = (
        *("changed", "entry", "folder", "identity", "kept", "listed"),
        *("names", "open", "path", "previous", "within"),
    )

    def __init__(
        self,
        entry: Entry,
        path: bytes,
        identity: Identity,
        *,
        previous: Entry | None,
        within: Segment | None = None,
    ) -> None:
        """Begin with no segment."""
        self.entry = entry
        self.path = path
        self.identity = identity
        self.folder: bytes = (
            within.directory.folder + entry.name + b"/" if within is not None else b""
        )
        self.previous = previous
        self.within = within
        self.changed = previous is None
        self.names = 0
        self.kept = Kept()
        self.listed: list[Listed | None] = []
        self.open = 0

    @property
    def former_subtree(self) -> tuple[bytes, ...]:
        """The blobs of its listing in the parent snapshot."""
        return self.previous.subtree if self.previous is not None else ()

    def segments(self, count: int, names: int) -> list[Segment]:
        """Begin the segments.

        Args:
            count: how many; only a directory of very many names has more than one.
            names: how many names there are.
        """
        self.names = names
        self.open = count
        self.listed = [None] * count
        return [Segment(self, number) for number in range(count)]


class Segment:
    """Names of a directory that follow one another.

    Attributes:
        directory: the directory.
        number: which of its segments this is.
        entries: those that are finished.
        open: how many are not, and one for the scan of the segment itself.
    """

    __slots__ = ("directory", "entries", "number", "open")

    def __init__(self, directory: Directory, number: int) -> None:
        """Begin with no entries."""
        self.directory = directory
        self.number = number
        self.entries: list[Entry] = []
        self.open = 1


class Assembly:
    """Puts listings together; may be used from several threads.

    Attributes:
        root: the entry of the root, once everything is finished.
        watched: the entry in the root that has the watched name, once there is one.
    """

    def __init__(self, store: ListingStore, watched: bytes = b"") -> None:
        """Store listings in `store`."""
        self._listings = store
        self._watched = watched
        self._lock = threading.Lock()
        self.root: Entry | None = None
        self.watched: Entry | None = None

    def expect(self, segment: Segment, kept: Iterable[Entry], parts: int) -> None:
        """Note what a scan found.

        Args:
            segment: what was scanned.
            kept: entries that are complete.
            parts: how many further ones will be finished later.
        """
        with self._lock:
            segment.entries += kept
            segment.open += parts

    def finish(
        self, segment: Segment, entry: Entry | None = None, *, changed: bool = False
    ) -> None:
        """Note that one more part of a directory is done, and store every listing that is complete.

        Args:
            segment: what of the directory it belongs to.
            entry: the entry of the part; None for the scan, and for a file that is left out.
            changed: whether the directory's listing is another than before.
        """
        present: Segment | None = segment
        while present is not None:
            directory = present.directory
            with self._lock:
                if entry is not None:
                    present.entries.append(entry)
                directory.changed = directory.changed or changed
                present.open -= 1
                if present.open:
                    return
            finished = self._store(present)
            if finished is None:
                return
            entry = finished
            changed = entry is not directory.previous
            present = directory.within
            if present is None:
                self.root = entry

    def _store(self, segment: Segment) -> Entry | None:
        """Store a segment; return the directory's entry if it was the last one."""
        directory, entries = segment.directory, segment.entries
        segment.entries = []
        if directory.within is None and self._watched:
            found = (entry for entry in entries if entry.name == self._watched)
            self.watched = next(found, self.watched)
        if len(directory.listed) == 1:
            if directory.previous is None or directory.changed:
                return _with(directory.entry, self._listings.store(entries, directory.kept))
            return _as_before(directory.entry, directory.previous)
        listed = self._listings.store(entries, among=directory.names)
        with self._lock:
            directory.listed[segment.number] = listed
            directory.open -= 1
            if directory.open:
                return None
        whole = _sum(each for each in directory.listed if each is not None)
        if not whole.subtree:
            whole = self._listings.store(())
        previous = directory.previous
        if previous is not None and not directory.changed and previous.subtree == whole.subtree:
            return _as_before(directory.entry, previous)
        return _with(directory.entry, whole)


def _sum(listed: Iterable[Listed]) -> Listed:
    pieces = [*listed]
    return Listed(
        tuple(blob for piece in pieces for blob in piece.subtree),
        sum(piece.entries for piece in pieces),
        sum(piece.size_bytes for piece in pieces),
    )


def _as_before(entry: Entry, previous: Entry) -> Entry:
    if previous is entry:
        return previous
    return _with(entry, Listed(previous.subtree, previous.entries, previous.size_bytes))


def _with(entry: Entry, listed: Listed) -> Entry:
    return msgspec.structs.replace(entry, **listed._asdict())


def store_listing(directory: Entry, entries: Iterable[Entry], writer: BlobWriter) -> Entry:
    """Store a directory's listing.

    Args:
        directory: the directory's own entry.
        entries: what is in it, in any order.
        writer: takes the listing.

    Returns:
        The directory's entry with its listing, and with the sums over all that is below.
    """
    return _with(directory, list_entries(entries, writer))
