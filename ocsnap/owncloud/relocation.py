"""Other paths for a copy of an ownCloud: in texts, in settings, in the ids of storages."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_STORAGE_ID: Final = 64
"""lib/private/Files/Cache/Storage.php: longer ids are stored as their MD5."""


@dataclass(frozen=True)
class Relocation:
    """Where folders have gone.

    Attributes:
        moves: each folder's old and new path, the longest old ones first; also of those that
            stay, since they may lie in one that goes.
    """

    moves: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, moves: Mapping[str, str]) -> Relocation:
        """Make one of the folders' old and new paths."""
        return cls(tuple(sorted(moves.items(), key=lambda move: len(move[0]), reverse=True)))

    @property
    def moved(self) -> bool:
        """Whether any folder has another path now."""
        return any(old != new for old, new in self.moves)

    def text(self, value: str) -> str:
        """Return a path as it is now; any other text as it is.

        Args:
            value: any text.
        """
        for old, new in self.moves:
            if value == old or value.startswith(f"{old}/"):
                return new + value[len(old) :]
        return value

    def value(self, value: object) -> object:
        """Return a setting with all paths in it as they are now.

        Args:
            value: text, number, truth, or lists and dicts of them, as config.php has them.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value

    def storage_id(self, stored: str, known: Mapping[str, str]) -> str:
        """Return the id of a storage as ownCloud will look for it now.

        Args:
            stored: the id as the database has it.
            known: whole ids of storages by what the database may have instead of them.
        """
        whole = known.get(stored, stored)
        kind, mark, path = whole.partition("::")
        if kind != "local" or not mark:
            return stored
        moved = f"local::{self.text(path.rstrip('/'))}{path[len(path.rstrip('/')) :]}"
        return stored if moved == whole else stored_id(moved)


def stored_id(whole: str) -> str:
    """Return a storage's id as the database has it.

    Args:
        whole: the id, such as `local::/srv/data/`.
    """
    if len(whole) <= LONGEST_STORAGE_ID:
        return whole
    return hashlib.md5(os.fsencode(whole), usedforsecurity=False).hexdigest()


def known_ids(folders: Iterable[str], users: Iterable[str]) -> dict[str, str]:
    """Return the ids of storages that ownCloud itself makes, by what the database has of them.

    Args:
        folders: data directory and homes.
        users: ids of the users.
    """
    named = [*users]
    whole = []
    for folder in folders:
        whole.append(f"local::{folder}/")
        whole += [f"local::{folder}/{user}/{name}" for user in named for name in ("", "uploads/")]
    return {stored_id(name): name for name in whole}
