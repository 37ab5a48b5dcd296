"""The streams of an SQLite dump: the file as it is, and the manifest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.database.database import (
    MANIFEST,
    DumpStream,
    Manifest,
    ServerInfo,
    TableInfo,
    TableRecord,
)
from ocsnap.database.sqlite.failures import explained
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 512 * 1024


def read_info(connection: sqlite3.Connection, path: Path) -> ServerInfo:
    """Describe a database file.

    Args:
        connection: an open connection to it.
        path: what to call it.

    Returns:
        The library's version, the file's encoding and its tables.
    """
    encoding = str(connection.execute("PRAGMA encoding").fetchone()[0])
    journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    return ServerInfo(
        kind="sqlite3",
        version=sqlite3.sqlite_version,
        version_comment=f"journal mode {journal}",
        database=str(path),
        charset=encoding,
        collation="BINARY",
        tables=tuple(
            TableInfo(name=name, engine="sqlite", transactional=True)
            for name in table_names(connection)
        ),
    )


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all tables, by name, SQLite's own excepted."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    )
    names = [row[0] for row in rows]
    if not all(isinstance(name, str) for name in names):
        raise sqlite3.DatabaseError("malformed: the name of a table is no text")
    return names


def row_count(connection: sqlite3.Connection, table: str) -> int:
    """Return how many rows a table has."""
    sql = f"SELECT COUNT(*) FROM {quoted(table)}"  # noqa: S608 - the name is quoted
    count: int = connection.execute(sql).fetchone()[0]
    return count


def quoted(name: str) -> str:
    """Return a name as SQL wants it, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def open_quiet(path: Path) -> sqlite3.Connection:
    """Open a file that nobody else uses, without making journals beside it.

    It may be somebody's trap, so nothing in its schema may call what is not harmless (SQLite,
    "Defense Against The Dark Arts", 1.2).
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


class SqliteDump:
    """A dump of a database file's private copy.

    Attributes:
        info: the file.
        transactional: never: users must be locked out while the copy is made and read.
    """

    transactional = False

    def __init__(self, copy: Path, original: Path, info: ServerInfo) -> None:
        """Keep what to dump.

        Args:
            copy: the private copy.
            original: the file it was made of.
            info: what was found in it.
        """
        self.info = info
        self._copy = copy
        self._original = original
        self._stream = f"{original.stem.lstrip('.') or 'database'}.sqlite"
        self._sent_bytes = 0

    def streams(self) -> Iterator[DumpStream]:
        """Return the streams; see `Dump.streams`."""
        self._sent_bytes = 0
        size = self._copy.stat().st_size
        yield DumpStream(self._stream, size, self._chunks())
        if self._sent_bytes != size:
            raise DatabaseError(f"The copy of {self._original} was not read to its end.")
        manifest = self._manifest().encode()
        yield DumpStream(MANIFEST, len(manifest), iter([manifest]))

    def _chunks(self) -> Iterator[bytes]:
        with explained("reading the copy", self._original), self._copy.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._sent_bytes += len(chunk)
                yield chunk

    def _manifest(self) -> Manifest:
        with (
            explained("checking the copy", self._original),
            closing(open_quiet(self._copy)) as connection,
        ):
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if answer != "ok":
                raise DatabaseError(
                    f"{self._original}: the database is damaged: {answer}.",
                    hint="Repair it with the .recover command of sqlite3, or restore a backup.",
                )
            tables = tuple(
                TableRecord(name=name, stream=self._stream, rows=row_count(connection, name))
                for name in table_names(connection)
            )
        if [table.name for table in tables] != [table.name for table in self.info.tables]:
            raise DatabaseError(f"{self._original}: its tables changed while it was copied.")
        return Manifest(info=self.info, tables=tables, others={self._stream: ()})
