"""A transaction on a MySQL database that ownCloud uses at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ocsnap.database.mysql.connection import connect
from ocsnap.database.mysql.failures import explained
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.rows import Transaction, Value
    from ocsnap.database.settings import DatabaseSettings

# Nothing is cut or bent to fit, 0 is no order to count up, and times are as the dump has them.
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'",
    "SET SESSION innodb_lock_wait_timeout = 20",
)


@contextmanager
def transaction(settings: DatabaseSettings, *, tables: Sequence[str]) -> Iterator[Transaction]:
    """Open a transaction: committed at the end, given up where an error leaves the context.

    Args:
        settings: the database.
        tables: what may be written to; those that are not there are passed over.

    Raises:
        DatabaseError: the server cannot be reached, or keeps one of the tables without
            transactions, so that it could not be all or nothing.
    """
    connection: Any = connect(settings, database=settings.name, raw=False)
    try:
        with explained("opening a transaction"):
            _refuse_untransactional(connection, tables)
            for statement in _SESSION:
                _run(connection, statement)
            connection.begin()
        yield _Transaction(connection)
        with explained("committing the rows"):
            connection.commit()
    finally:
        # What was not committed is undone by the server.
        connection.close()


class _Transaction:
    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - PyMySQL has no types
        self._connection = connection

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[object, ...]]:
        with explained("asking for rows"), self._connection.cursor() as cursor:
            cursor.execute(_fit(sql), tuple(parameters))
            return list(cursor.fetchall())

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        with explained("writing a row"), self._connection.cursor() as cursor:
            cursor.execute(_fit(sql), tuple(parameters))
            return int(cursor.lastrowid or 0)

    def columns(self, table: str) -> tuple[str, ...]:
        rows = self.query(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
            " AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
            (table,),
        )
        return tuple(str(name) for (name,) in rows)


def _refuse_untransactional(connection: Any, tables: Sequence[str]) -> None:  # noqa: ANN401 - as above
    if not tables:
        return
    marks = ", ".join(["%s"] * len(tables))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.TABLE_NAME FROM information_schema.TABLES t"
            " LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
            " WHERE t.TABLE_SCHEMA = DATABASE() AND IFNULL(e.TRANSACTIONS, 'NO') <> 'YES'"
            f" AND t.TABLE_NAME IN ({marks})",
            tuple(tables),
        )
        odd = sorted(str(name) for (name,) in cursor.fetchall())
    if odd:
        raise DatabaseError(
            f"The tables {', '.join(odd)} know no transactions: it could not be all or nothing.",
            hint="Convert them: ALTER TABLE ... ENGINE = InnoDB. Or restore elsewhere with --to.",
        )


def _run(connection: Any, statement: str) -> None:  # noqa: ANN401 - as above
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _fit(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")
