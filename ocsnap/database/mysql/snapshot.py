"""A consistent snapshot of all tables, with their definitions held fast.

`START TRANSACTION WITH CONSISTENT SNAPSHOT` alone protects against no ALTER TABLE: on MySQL 5.5 a
table that is altered before its first read comes out empty, without an error. One row of every
table is read at once, which takes the metadata locks that keep definitions as they are until the
end of the transaction (MySQL 5.5.3 and later); what changed just before is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.mysql.failures import DEFINITION_CHANGED, code_of
from ocsnap.database.mysql.further_sessions import close, open_further
from ocsnap.database.mysql.names import quoted
from ocsnap.database.mysql.same_state import begin_together
from ocsnap.database.mysql.schema import read_tables
from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ocsnap.database.database import TableInfo
    from ocsnap.database.settings import DatabaseSettings

ATTEMPTS = 10
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that sessions hold until their transaction or they themselves end.

    Attributes:
        tables: the tables that it covers.
        readers: sessions that have it too, for reading at once; none: only the first one has.
    """

    tables: tuple[TableInfo, ...]
    readers: tuple[Session, ...] = ()


def open_snapshot(session: Session, settings: DatabaseSettings) -> Snapshot:
    """Open a snapshot that covers every table of the session's database.

    Args:
        session: the session to hold it, and the definitions of all tables.
        settings: how to reach the database, for further sessions with the same snapshot, and for a
            second look at tables that seem empty.

    Returns:
        The tables, and the further sessions.

    Raises:
        DatabaseError: tables are being altered all the time.
        pymysql.err.MySQLError: the server refuses.
    """
    readers = open_further(settings, settings.name)
    try:
        for _ in range(ATTEMPTS):
            together = begin_together(session, readers, begin)
            tables = _pinned(session, settings)
            if tables is not None:
                if not together:
                    close(readers)
                return Snapshot(tables, readers if together else ())
            session.execute("ROLLBACK")
            session.rows(f"SELECT SLEEP({PAUSE_SECONDS})")
    except BaseException:
        close(readers)
        raise
    close(readers)
    raise DatabaseError(
        "Tables of the database are being altered all the time: no consistent snapshot can be had.",
        hint="Is an upgrade or another restore running?",
    )


def _pinned(session: Session, settings: DatabaseSettings) -> tuple[TableInfo, ...] | None:
    """Pin all tables and return them; None where some were altered meanwhile."""
    tables = read_tables(session)
    try:
        empty = pin(session, tables)
    except pymysql.err.MySQLError as error:
        if code_of(error) not in {DEFINITION_CHANGED, ER.NO_SUCH_TABLE}:
            raise
        return None
    names = [table.name for table in read_tables(session)]
    same = names == [table.name for table in tables]
    return tables if same and not filled_meanwhile(settings, empty) else None


def begin(session: Session) -> None:
    """Open the snapshot itself."""
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def pin(session: Session, tables: Sequence[TableInfo]) -> set[str]:
    """Read one row of every table; return the names of those that have none."""
    return {
        table.name
        for table in tables
        if not session.rows(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1")
    }


def filled_meanwhile(settings: DatabaseSettings, empty: Collection[str]) -> bool:
    """Tell whether a table that is empty in the snapshot has rows outside of it.

    That is how a table looks that was altered (5.5) or truncated (5.6) since the snapshot began.
    An innocent one that got its first row just now looks the same: then the next snapshot has it.

    Args:
        settings: how to reach the database.
        empty: the tables that seem empty.
    """
    if not empty:
        return False
    other = Session(settings, database=settings.name)
    try:
        return any(other.rows(f"SELECT 1 FROM {quoted(name)} LIMIT 1") for name in sorted(empty))
    finally:
        other.close()
