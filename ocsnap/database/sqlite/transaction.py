"""A transaction on an SQLite database that ownCloud uses at the same time."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.database.sqlite.database import BUSY_SECONDS
from ocsnap.database.sqlite.dump import quoted
from ocsnap.database.sqlite.failures import explained
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.rows import Transaction, Value
    from ocsnap.database.settings import DatabaseSettings


@contextmanager
def transaction(settings: DatabaseSettings, *, writes: bool) -> Iterator[Transaction]:
    """Open a transaction: committed at the end, given up where an error leaves the context.

    Args:
        settings: the database.
        writes: whether it will write; without, nobody else is kept from writing.

    Raises:
        DatabaseError: the file cannot be opened, or somebody else holds it too long.
    """
    path = Path(settings.name)
    if not path.is_file():
        raise DatabaseError(f"{path}: there is no such database file.")
    with explained("opening a transaction", path):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
        )
    with closing(connection):
        with explained("opening a transaction", path):
            # At once, since a lock that is asked for later could not be waited for.
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield _Transaction(connection, path)
        except BaseException:
            connection.rollback()
            raise
        with explained("committing the rows", path):
            connection.commit()


class _Transaction:
    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[object, ...]]:
        with explained("asking for rows", self._path):
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        with explained("writing a row", self._path):
            return self._connection.execute(sql, tuple(parameters)).lastrowid or 0

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(str(row[1]) for row in self.query(f"PRAGMA table_info({quoted(table)})"))
