"""The tables of a stored SQLite dump, row by row, out of a private copy of the file."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ocsnap.database.database import read_manifest
from ocsnap.database.sqlite.dump import open_quiet, quoted
from ocsnap.database.sqlite.failures import explained
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from ocsnap.database.database import DumpReader
    from ocsnap.database.rows import Row, Value


class SqliteDumpRows:
    """The tables of a private copy; see `DumpRows`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, tables: frozenset[str]) -> None:
        """Read from an open copy."""
        self._connection = connection
        self._path = path
        self.tables = tables

    def rows(
        self, table: str, column: str = "", among: Collection[Value] = frozenset()
    ) -> Iterator[Row]:
        """Read a table; see `DumpRows.rows`."""
        with explained("reading the dump", self._path):
            cursor = self._connection.execute(f"SELECT * FROM {quoted(table)}")  # noqa: S608 - the name is quoted
            names = [str(described[0]) for described in cursor.description]
            place = names.index(column) if column else -1
            for row in cursor:
                if place < 0 or row[place] in among:
                    yield dict(zip(names, row, strict=True))


@contextmanager
def dump_rows(reader: DumpReader, scratch_dir: Path) -> Iterator[SqliteDumpRows]:
    """Copy a stored dump and hold the copy while the context lasts.

    Args:
        reader: the stored dump.
        scratch_dir: an existing folder that only we can enter.

    Raises:
        DatabaseError: the dump is not whole.
    """
    manifest = read_manifest(reader)
    if len(manifest.others) != 1:
        raise DatabaseError("The dump is not that of one SQLite file.")
    (stream,) = manifest.others
    tables = frozenset(table.name for table in manifest.tables)
    with TemporaryDirectory(dir=scratch_dir, prefix="rows-") as folder:
        path = Path(folder) / "dump.sqlite"
        with explained("copying the dump", path):
            with path.open("wb") as file:
                file.writelines(reader.chunks(stream))
            connection = open_quiet(path)
        connection.text_factory = _text
        with closing(connection):
            yield SqliteDumpRows(connection, path, tables)


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
