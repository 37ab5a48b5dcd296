"""A consistent snapshot of all tables, with their definitions held fast.

`START TRANSACTION WITH CONSISTENT SNAPSHOT` alone protects against no ALTER TABLE: on MySQL 5.5 a
table that is altered before its first read comes out empty, without an error. One row of every
table is read at once, which takes the metadata locks that keep definitions as they are until the
end of the transaction (MySQL 5.5.3 and later); what changed just before is looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.mysql.failures import DEFINITION_CHANGED, code_of
from ocsnap.database.mysql.names import name_literal, quoted
from ocsnap.database.mysql.schema import read_tables
from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ocsnap.database.database import TableInfo
    from ocsnap.database.settings import DatabaseSettings

ATTEMPTS = 5


def open_snapshot(session: Session, settings: DatabaseSettings) -> tuple[TableInfo, ...]:
    """Open a snapshot that covers every table of the session's database.

    Args:
        session: the session to hold it; it does so until its transaction or it itself ends.
        settings: how to reach the database, for a second look at tables that seem empty.

    Returns:
        The tables.

    Raises:
        DatabaseError: tables are being altered all the time.
        pymysql.err.MySQLError: the server refuses.
    """
    for _ in range(ATTEMPTS):
        begun = begin(session)
        tables = read_tables(session)
        try:
            empty = pin(session, tables)
        except pymysql.err.MySQLError as error:
            if code_of(error) not in {DEFINITION_CHANGED, ER.NO_SUCH_TABLE}:
                raise
            continue
        names = [table.name for table in read_tables(session)]
        if names == [table.name for table in tables] and not _recreated(
            session, settings, empty, begun
        ):
            return tables
        session.rows("SELECT SLEEP(1.1)")
    raise DatabaseError(
        "Tables of the database are being altered all the time: no consistent snapshot can be had.",
        hint="Is an upgrade or another restore running?",
    )


def begin(session: Session) -> str:
    """Open the snapshot itself; return the server's time just before."""
    begun = session.texts("SELECT UTC_TIMESTAMP()")[0][0]
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    return begun


def pin(session: Session, tables: Sequence[TableInfo]) -> set[str]:
    """Read one row of every table; return the names of those that have none."""
    return {
        table.name
        for table in tables
        if not session.rows(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1")
    }


def _recreated(
    session: Session, settings: DatabaseSettings, empty: Collection[str], begun: str
) -> bool:
    """Tell whether a table seems empty only because it was made anew since the snapshot."""
    if not empty:
        return False
    listed = ", ".join(name_literal(name) for name in sorted(empty))
    suspects = session.texts(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME IN ({listed}) AND CREATE_TIME >= '{begun}'"
    )
    if not suspects:
        return False
    other = Session(settings, database=settings.name)
    try:
        return any(other.rows(f"SELECT 1 FROM {quoted(name)} LIMIT 1") for (name,) in suspects)
    finally:
        other.close()
