"""What ownCloud remembers of its files: the rows of its file cache, out of a stored dump."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from ocsnap.commands.cross_check.book import Remembered
from ocsnap.errors import DatabaseError
from ocsnap.owncloud.storages import Storages, Tree, lost_home, storage_kind
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.rows import DumpRows, Row, Value
    from ocsnap.owncloud.storages import Place
    from ocsnap.repository.snapshot import Root

_FOLDER_TYPE: Final = "httpd/unix-directory"


class Memory:
    """Reads the rows.

    Attributes:
        elsewhere: rows of storages that are on no disk here, by the kind of storage.
        lost_homes: rows of homes that are not there, by user.
    """

    def __init__(self, rows: DumpRows, prefix: str, roots: Sequence[Root]) -> None:
        """Read the small tables.

        Args:
            rows: the dump.
            prefix: what the tables' names begin with.
            roots: the data directory and the homes.

        Raises:
            DatabaseError: the dump is damaged, or of no ownCloud.
        """
        self._rows = rows
        self._prefix = prefix
        self.elsewhere: Counter[str] = Counter()
        self.lost_homes: Counter[str] = Counter()
        self._folder_types = {
            row["id"] for row in self._table("mimetypes") if row["mimetype"] == _FOLDER_TYPE
        }
        names: dict[str, str] = {}
        if f"{prefix}accounts" in rows.tables:
            accounts = self._table("accounts")
            names = {_text(row["user_id"]): _text(row["home"]) for row in accounts}
        users = [root.name if root.kind is RootKind.HOME else None for root in roots]
        trees = [Tree(user, root.path) for user, root in zip(users, roots, strict=True)]
        storages = Storages(trees, names)
        self._storages = {row["numeric_id"]: _text(row["id"]) for row in self._table("storages")}
        self._places = {number: storages.place(name) for number, name in self._storages.items()}

    def remembered(self) -> Iterator[Remembered]:
        """Yield the rows of all that lies on the disks of this ownCloud, roots excepted.

        Raises:
            DatabaseError: the dump is damaged.
        """
        for row in self._table("filecache"):
            path = _text(row["path"])
            place = self._places.get(row["storage"])
            if place is None:
                self._count_elsewhere(row)
            elif path or place.below:
                yield self._remembered(row, place, os.fsencode(path))

    def _remembered(self, row: Row, place: Place, path: bytes) -> Remembered:
        whole = (place.below + path).rstrip(b"/")
        mtime = row["storage_mtime"] or row["mtime"]
        return Remembered(
            place.tree,
            whole,
            _number(row["fileid"]),
            row["mimetype"] in self._folder_types,
            _number(row["size"]),
            _number(mtime),
            _text(row.get("checksum")),
            bool(_number(row["encrypted"])),
        )

    def _count_elsewhere(self, row: Row) -> None:
        if row["mimetype"] in self._folder_types:
            return
        name = self._storages.get(row["storage"])
        user = None if name is None else lost_home(name)
        if user is not None:
            self.lost_homes[user] += 1
        else:
            self.elsewhere["no storage" if name is None else storage_kind(name)] += 1

    def _table(self, name: str) -> Iterator[Row]:
        table = self._prefix + name
        if table not in self._rows.tables:
            raise DatabaseError(
                f"The dump has no table {table}.",
                hint="Is the table prefix in config.php that of this database?",
            )
        return self._rows.rows(table)


def _text(value: Value) -> str:
    """Return a text; bytes that are no UTF-8 become what the file system makes of them."""
    if value is None:
        return ""
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def _number(value: Value) -> int:
    return int(value) if isinstance(value, int | float | str) and value != "" else 0
