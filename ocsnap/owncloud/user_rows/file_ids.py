"""Which number a file has today that had another one in the dump: the same storage, the same path.

After a scan a file that was put back has a new number, and everything that hangs on it, shares,
comments, tags, names files by their numbers.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.owncloud.user_rows.target import number_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ocsnap.owncloud.user_rows.target import Row, Target

_STORAGE_ID_MAX: Final = (
    64  # lib/private/Files/Cache/Storage.php: longer ids are stored as their MD5
)


class _File(NamedTuple):
    storage: str
    path: str


class FileIds:
    """Translates numbers of files."""

    def __init__(
        self,
        target: Target,
        *,
        user: str,
        homes: tuple[str, str],
        will_exist: Callable[[str], bool],
    ) -> None:
        """Prepare.

        Args:
            target: both databases.
            user: whose home is restored.
            homes: the path of the home in the dump, and today.
            will_exist: whether a path in the home will be there when all is done: a rehearsal
                comes before the files.
        """
        self._target = target
        self._old_names = _names(user, homes[0])
        self._new_names = _names(user, homes[1])
        self._will_exist = will_exist
        self._files: dict[int, _File] = {}
        self._storages: dict[str, int | None] = {}

    def learn(self, wanted: Collection[int]) -> None:
        """Read from the dump where files were.

        Args:
            wanted: their numbers then.
        """
        storages = {
            number_of(row["numeric_id"]): text_of(row["id"])
            for row in self._target.rows("storages")
        }
        for row in self._target.rows("filecache", "fileid", wanted):
            storage = storages.get(number_of(row["storage"]), "")
            self._files[number_of(row["fileid"])] = _File(storage, text_of(row["path"]))

    def is_mine(self, number: int) -> bool:
        """Return whether a file was in the user's home."""
        file = self._files.get(number)
        return file is not None and file.storage in self._old_names

    def path(self, number: int) -> str:
        """Return where a file was, for people."""
        file = self._files.get(number)
        if file is None:
            return f"file {number}"
        return file.path if file.storage in self._old_names else f"{file.storage}/{file.path}"

    def today(self, number: int) -> int | None:
        """Return the number that a file has today.

        Args:
            number: its number in the dump.

        Returns:
            The number; None where there is no such file; in a rehearsal a negative one where it
            will only get one by the scan.
        """
        file = self._files.get(number)
        if file is None:
            return None
        mine = file.storage in self._old_names
        for name in self._new_names if mine else (file.storage,):
            storage = self._storage(name)
            if storage is None:
                continue
            key: Row = {"storage": storage, "path_hash": _md5(file.path)}
            found = self._target.find("filecache", key, "fileid")
            if found is not None:
                return number_of(found)
        if self._target.rehearsal and mine and self._will_exist(file.path):
            return -number
        return None

    def _storage(self, name: str) -> int | None:
        if name not in self._storages:
            found = self._target.find("storages", {"id": name}, "numeric_id")
            self._storages[name] = None if found is None else number_of(found)
        return self._storages[name]


def _names(user: str, home: str) -> tuple[str, ...]:
    found = (f"home::{user}", f"local::{home.rstrip('/')}/")
    return tuple(name if len(name) <= _STORAGE_ID_MAX else _md5(name) for name in found)


def _md5(text: str) -> str:
    return hashlib.md5(os.fsencode(text), usedforsecurity=False).hexdigest()
