"""Both sides of a cross-check, sorted by path in a file: they may not fit into memory."""

from __future__ import annotations

import heapq
import sqlite3
from contextlib import contextmanager
from enum import IntEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH_ROWS: Final = 20_000
"""Sorted before they are written, so that a batch goes through the file once: some 10 MB."""

_KEY_COLUMNS: Final = 2
_CACHE_KIB: Final = 24 * 1024
_TABLES: Final = """
CREATE TABLE remembered (root INT, path BLOB, number INT, folder INT, size INT, mtime INT,
    checksum TEXT, encrypted INT, PRIMARY KEY (root, path, number)) WITHOUT ROWID;
CREATE TABLE present (root INT, path BLOB, kind INT, size INT, mtime INT, unsteady INT,
    content BLOB, PRIMARY KEY (root, path)) WITHOUT ROWID;
CREATE TABLE wanted (pack TEXT, offset INT, root INT, path BLOB, size INT, checksum TEXT,
    touched INT, content BLOB, PRIMARY KEY (pack, offset, root, path)) WITHOUT ROWID;
"""
_ROWS: Final = "SELECT * FROM remembered ORDER BY root, path, number"
_FILES: Final = "SELECT * FROM present ORDER BY root, path"


class Kind(IntEnum):
    """What stands under a name in a snapshot."""

    FOLDER = 0
    FILE = 1
    OTHER = 2


class Remembered(NamedTuple):
    """A row of ownCloud's file cache.

    Attributes:
        root: number of the root that the path lies in.
        path: the path in there.
        number: the row's own, for a file may be known to two storages.
        folder: whether it is a folder.
        size: bytes; negative where ownCloud does not know it.
        mtime: of the file when ownCloud last looked; seconds since the epoch.
        checksum: as the column has it.
        encrypted: whether ownCloud encrypts it.
    """

    root: int
    path: bytes
    number: int
    folder: bool
    size: int
    mtime: int
    checksum: str
    encrypted: bool


class Present(NamedTuple):
    """What a snapshot has.

    Attributes:
        root: number of its root.
        path: the path in there.
        kind: what stands there.
        size: bytes.
        mtime: seconds since the epoch.
        unsteady: whether it changed while it was read.
        content: where its content lies, encoded; empty where nobody will ask.
    """

    root: int
    path: bytes
    kind: Kind
    size: int
    mtime: int
    unsteady: bool
    content: bytes


class Wanted(NamedTuple):
    """A file whose content is to be compared.

    Attributes:
        pack: name of the pack where it begins.
        offset: where in that pack.
        root: number of its root.
        path: the path in there.
        size: bytes.
        checksum: as ownCloud has it.
        touched: whether the file is younger than what ownCloud knows.
        content: where its content lies, encoded.
    """

    pack: str
    offset: int
    root: int
    path: bytes
    size: int
    checksum: str
    touched: bool
    content: bytes


class Book:
    """The file; removed by `close`, which belongs to whoever made its folder."""

    def __init__(self, folder: Path) -> None:
        """Make it.

        Args:
            folder: an existing folder that only we can enter.

        Raises:
            LocalIOError: it cannot be written.
        """
        self._path = folder / "cross-check.db"
        self._waiting: dict[str, list[tuple[object, ...]]] = {}
        with self._explained():
            self._db = self._connect()
            self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close and remove it."""
        self._db.close()
        self._path.unlink(missing_ok=True)

    def add(self, item: Remembered | Present | Wanted) -> None:
        """Write one item down; an item of the same place replaces the earlier one."""
        table = type(item).__name__.lower()
        waiting = self._waiting.setdefault(table, [])
        waiting.append(tuple(item))
        if len(waiting) >= _BATCH_ROWS:
            self._write(table)

    def pairs(self) -> Iterator[tuple[list[Remembered], Present | None]]:
        """Yield every path once: what is remembered of it, and what there is; sorted."""
        self.flush()
        remembered = map(Remembered._make, self._read(_ROWS))
        present = map(Present._make, self._read(_FILES))
        both: Iterator[Remembered | Present] = heapq.merge(remembered, present, key=_place)
        for _, group in groupby(both, key=_place):
            items = list(group)
            found = [item for item in items if isinstance(item, Present)]
            rows = [item for item in items if isinstance(item, Remembered)]
            yield rows, found[0] if found else None

    def wanted(self) -> Iterator[tuple[str, list[Wanted]]]:
        """Yield the packs with the files that begin in them, in the order in which they lie."""
        self.flush()
        rows = map(Wanted._make, self._read("SELECT * FROM wanted ORDER BY pack, offset"))
        for pack, files in groupby(rows, key=lambda wanted: wanted.pack):
            yield pack, list(files)

    def wanted_files(self) -> Iterator[Wanted]:
        """Yield the files whose content is to be compared, one by one."""
        for row in self._read("SELECT * FROM wanted ORDER BY pack, offset"):
            yield Wanted._make(row)

    def wanted_bytes(self) -> int:
        """Return the sizes of all files whose content is to be compared."""
        self.flush()
        ((total,),) = self._read("SELECT coalesce(sum(size), 0) FROM wanted")
        return int(str(total))

    def flush(self) -> None:
        """Write all that waits."""
        for table in list(self._waiting):
            self._write(table)

    def _write(self, table: str) -> None:
        rows = self._waiting.pop(table, [])
        if rows:
            rows.sort(key=lambda row: row[:_KEY_COLUMNS])
            marks = ", ".join("?" * len(rows[0]))
            with self._explained():
                self._db.execute("BEGIN")
                self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - a table of ours
                self._db.execute("COMMIT")

    def _read(self, sql: str) -> Iterator[tuple[object, ...]]:
        with self._explained():
            connection = self._connect()
            try:
                yield from connection.execute(sql)
            finally:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        # Lost with the process, so nothing need be safe; WAL lets one read while another writes.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LocalIOError(
                f"{self._path} cannot be written: {error}.",
                hint="Make room in backup.state_dir.",
            ) from error


def _place(item: Remembered | Present) -> tuple[int, bytes]:
    return item.root, item.path
