"""Directories whose listings are being put together, from the leaves up.

Whichever thread finishes the last part of a directory stores its listing and hands its entry to the
directory above, so nobody ever waits at the end of a directory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.repository.tree import Entry
    from ocsnap.repository.writer import BlobWriter


class Directory:
    """A directory whose listing is not stored yet.

    Attributes:
        entry: its own entry, with no listing yet.
        path: its absolute path.
        folder: its path below the root, empty or with a slash at its end.
        previous: its entry in the parent snapshot.
        parent: the directory that it lies in; None for the root.
    """

    __slots__ = ("changed", "entries", "entry", "folder", "open", "parent", "path", "previous")

    def __init__(
        self,
        entry: Entry,
        path: bytes,
        *,
        previous: Entry | None,
        parent: Directory | None = None,
    ) -> None:
        """Begin with no entries and one open part: the scan of the directory itself."""
        self.entry = entry
        self.path = path
        self.folder: bytes = parent.folder + entry.name + b"/" if parent is not None else b""
        self.previous = previous
        self.parent = parent
        self.entries: list[Entry] = []
        self.open = 1
        self.changed = previous is None


class Assembly:
    """Puts listings together; may be used from several threads.

    Attributes:
        root: the entry of the root, once everything is finished.
    """

    def __init__(self, writer: BlobWriter) -> None:
        """Store listings with `writer`."""
        self._writer = writer
        self._lock = threading.Lock()
        self.root: Entry | None = None

    def expect(self, directory: Directory, kept: Iterable[Entry], parts: int) -> None:
        """Note what a scan found.

        Args:
            directory: the directory that was scanned.
            kept: entries that are complete.
            parts: how many further ones will be finished later.
        """
        with self._lock:
            directory.entries += kept
            directory.open += parts

    def finish(
        self, directory: Directory, entry: Entry | None = None, *, changed: bool = False
    ) -> None:
        """Note that one more part of a directory is done, and store every listing that is complete.

        Args:
            directory: the directory.
            entry: the entry of the part; None for the scan, and for a file that is left out.
            changed: whether the directory's listing is another than before.
        """
        present: Directory | None = directory
        while present is not None:
            with self._lock:
                if entry is not None:
                    present.entries.append(entry)
                present.changed = present.changed or changed
                present.open -= 1
                if present.open:
                    return
            entry = self._store(present)
            changed = entry is not present.previous
            if present.parent is None:
                self.root = entry
            present = present.parent

    def _store(self, directory: Directory) -> Entry:
        previous = directory.previous
        if previous is not None and not directory.changed:
            if previous is directory.entry:
                return previous
            return msgspec.structs.replace(
                directory.entry,
                subtree=previous.subtree,
                entries=previous.entries,
                size_bytes=previous.size_bytes,
            )
        return store_listing(directory.entry, directory.entries, self._writer)


def store_listing(directory: Entry, entries: Iterable[Entry], writer: BlobWriter) -> Entry:
    """Store a directory's listing.

    Args:
        directory: the directory's own entry.
        entries: what is in it, in any order.
        writer: takes the listing.

    Returns:
        The directory's entry with its listing, and with the sums over all that is below.
    """
    listed = sorted(entries, key=_name_of)
    parts = tuple(writer.save(BlobKind.META, part)[0] for part in tree.encode(listed))
    return msgspec.structs.replace(
        directory,
        subtree=parts,
        entries=sum(1 + entry.entries for entry in listed),
        size_bytes=sum(entry.size_bytes for entry in listed),
    )


def _name_of(entry: Entry) -> bytes:
    return entry.name
