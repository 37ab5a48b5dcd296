"""What a snapshot says of the size of a tree, held against what the tree turns out to be.

A few directories that list one another a thousand times each make more entries than any disk takes,
and a small blob listed a million times more bytes: before a restore there must be room for what the
snapshot promises, and with this the tree cannot grow far beyond that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.errors import DamagedError
from ocsnap.units import GIB

if TYPE_CHECKING:
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry

_SLACK: Final = 2
_SLACK_ENTRIES: Final = 100_000
_SLACK_BYTES: Final = GIB
_LONG_PATHS_BYTES: Final = GIB
"""A tree may have this much more than it should: no restore shall fail for a wrong figure."""


class Promise:
    """The entries and bytes that a tree may still have."""

    def __init__(self, root: Root) -> None:
        """Take the figures of a root."""
        self._root = root
        self._entries = _SLACK * root.files + _SLACK_ENTRIES
        self._bytes = _SLACK * root.size_bytes + _SLACK_BYTES
        self._path_bytes = _LONG_PATHS_BYTES

    def take(self, entry: Entry) -> None:
        """Count an entry.

        Args:
            entry: one that was found in the tree.

        Raises:
            DamagedError: there are far more, or far larger ones, than the snapshot tells of.
        """
        self.take_all(1, entry.size_bytes if entry.is_file else 0)

    def take_all(self, entries: int, size_bytes: int) -> None:
        """Count several entries at once.

        Args:
            entries: how many.
            size_bytes: of the files among them.

        Raises:
            DamagedError: as for `take`.
        """
        self._entries -= entries
        self._bytes -= size_bytes
        if self._entries < 0 or self._bytes < 0:
            raise DamagedError(
                f"The tree of {self._root.name!r} is far larger than the {self._root.files} entries"
                f" and {self._root.size_bytes} bytes that its snapshot tells of."
            )

    def take_path(self, path: bytes) -> None:
        """Count a very long path: paths are kept in memory, and a small tree can be deep.

        Args:
            path: one that was found in the tree.

        Raises:
            DamagedError: there are more of them than any folder has.
        """
        self._path_bytes -= len(path)
        if self._path_bytes < 0:
            raise DamagedError(f"The tree of {self._root.name!r} is deeper than any folder.")
