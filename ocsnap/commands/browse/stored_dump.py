"""The database dump of a snapshot, read stream by stream without being restored first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.snapshot import Snapshot
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.file_reader import FileReader
    from ocsnap.snapshot.listings import Listings


class StoredDump:
    """Gives the streams of a dump; see `DumpReader`.

    Attributes:
        root: the root that they are in.
    """

    def __init__(self, files: FileReader, listings: Listings, snapshot: Snapshot) -> None:
        """List the streams.

        Args:
            files: reads their contents.
            listings: reads the snapshot.
            snapshot: whose dump is meant.

        Raises:
            DamagedError: it has none, or its listing is lost.
        """
        self._reader = files
        self._files: dict[str, Entry] = {}
        roots = [root for root in snapshot.roots if root.kind is RootKind.DATABASE]
        if not roots:
            raise DamagedError("The snapshot has no database.", hint="Take another one.")
        self.root = roots[0]
        waiting = [("", self.root.entry)]
        while waiting:
            folder, directory = waiting.pop()
            for entry in listings.of(directory):
                path = folder + os.fsdecode(entry.name)
                if entry.is_directory:
                    waiting.append((f"{path}/", entry))
                else:
                    self._files[path] = entry

    def names(self) -> list[str]:
        """Return the names of all streams."""
        return sorted(self._files)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return the bytes of a stream; each piece was checked against its name."""
        try:
            for chunk in self._reader.chunks(self._files[name].pieces()):
                yield bytes(chunk)
        except DamagedError as error:
            raise DamagedError(
                f"{name} of the database dump is damaged in the repository: {error.message}",
                hint=error.hint,
                name=error.name,
            ) from error

    def entries(self, names: list[str]) -> list[Entry]:
        """Return what the snapshot has of some streams."""
        return [self._files[name] for name in names]

    def size_bytes(self, names: list[str]) -> int:
        """Return how long some streams are together."""
        return sum(self._files[name].size_bytes for name in names)
