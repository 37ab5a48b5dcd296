"""Directory listings of a snapshot, read on demand and only as far as they are needed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ocsnap.repository import tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.repository.reader import BlobReader
    from ocsnap.repository.tree import Entry

_MOST_KEPT_ENTRIES: Final = 20_000


class Listings:
    """Reads listings; the latest are kept, as a path is followed through the same ones again.

    Attributes:
        read_blobs: how many blobs were read so far.
    """

    def __init__(self, reader: BlobReader) -> None:
        """Read from `reader`."""
        self._reader = reader
        self._kept: OrderedDict[bytes, list[Entry]] = OrderedDict()
        self._kept_entries = 0
        self.read_blobs = 0

    def of(self, directory: Entry) -> list[Entry]:
        """Return the entries of a directory, sorted by name.

        Raises:
            DamagedError: its listing is lost or damaged.
        """
        return [entry for blob in directory.subtree for entry in self.part(blob)]

    def part(self, blob: bytes) -> list[Entry]:
        """Return the entries that one blob of a listing holds.

        Raises:
            DamagedError: it is lost or damaged.
        """
        if blob in self._kept:
            self._kept.move_to_end(blob)
            return self._kept[blob]
        entries = tree.decode([self._reader.load(blob)])
        self.read_blobs += 1
        self._kept[blob] = entries
        self._kept_entries += len(entries)
        while self._kept_entries > _MOST_KEPT_ENTRIES and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_entries -= len(dropped)
        return entries

    def find(self, directory: Entry, parts: Iterable[bytes]) -> Entry | None:
        """Follow a path downwards.

        Args:
            directory: where it begins.
            parts: the names on the way, none for the directory itself.

        Returns:
            What it leads to; None where there is nothing. A symbolic link is not followed.

        Raises:
            DamagedError: a listing on the way is lost or damaged.
        """
        found = directory
        for name in parts:
            if not found.is_directory:
                return None
            child = next((entry for entry in self.of(found) if entry.name == name), None)
            if child is None:
                return None
            found = child
        return found
