"""Which folder a storage of ownCloud's file cache is."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STORAGE_ID_MAX: Final = 64
"""lib/private/Files/Cache/Storage.php: longer ids are stored as their MD5."""

_HOME: Final = "home::"
_LOCAL: Final = "local::"


class Tree(NamedTuple):
    """A folder that is backed up by itself.

    Attributes:
        user: whose home it is; None for the data directory.
        path: where it lies.
    """

    user: str | None
    path: bytes


class Place(NamedTuple):
    """Where the paths of a storage begin.

    Attributes:
        tree: number of the tree.
        below: the folder in there, empty or with a slash at its end.
    """

    tree: int
    below: bytes


class Storages:
    """Finds the folders of storages."""

    def __init__(self, trees: Iterable[Tree], other_names: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            trees: the data directory and all homes.
            other_names: by user, where ownCloud says that the home is: a link may stand there.
        """
        self._trees = list(trees)
        self._known: dict[str, Place] = {}
        for number, tree in enumerate(self._trees):
            path = os.fsdecode(tree.path)
            self._learn(f"{_LOCAL}{path}/", Place(number, b""))
            if tree.user is not None:
                self._learn(f"{_HOME}{tree.user}", Place(number, b""))
                self._learn(f"{_LOCAL}{path}/uploads/", Place(number, b"uploads/"))
                if other := other_names.get(tree.user, "").rstrip("/"):
                    self._learn(f"{_LOCAL}{other}/", Place(number, b""))
                    self._learn(f"{_LOCAL}{other}/uploads/", Place(number, b"uploads/"))

    def place(self, storage: str) -> Place | None:
        """Return where a storage is; None for one on no disk of this ownCloud, or a lost home.

        Args:
            storage: its id, as the table of storages has it.
        """
        if storage in self._known:
            return self._known[storage]
        return self._around(storage) if storage.startswith(_LOCAL) else None

    def _around(self, storage: str) -> Place | None:
        """Find the innermost tree that a folder lies in."""
        path = os.fsencode(storage.removeprefix(_LOCAL)).rstrip(b"/") + b"/"
        inside = [
            (len(tree.path), number)
            for number, tree in enumerate(self._trees)
            if path.startswith(tree.path + b"/")
        ]
        if not inside:
            return None
        length, number = max(inside)
        return Place(number, path[length + 1 :])

    def _learn(self, storage: str, place: Place) -> None:
        if len(storage) > _STORAGE_ID_MAX:
            storage = hashlib.md5(os.fsencode(storage), usedforsecurity=False).hexdigest()
        self._known.setdefault(storage, place)


def lost_home(storage: str) -> str | None:
    """Return the user whose home a storage is; None for storages of other kinds."""
    return storage.removeprefix(_HOME) if storage.startswith(_HOME) else None


def storage_kind(storage: str) -> str:
    """Return what a storage's id begins with, such as `smb`; a hash tells nothing."""
    kind, colons, _ = storage.partition("::")
    return kind if colons else "unknown"
