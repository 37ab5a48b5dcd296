"""What a server and a database on it consist of, programs excepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.database.database import ServerInfo, TableInfo
from ocsnap.database.mysql.names import name_literal, quoted
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.database.mysql.session import Session

# Ends a statement in a dump; a name that contains it could not be told from the end.
END_OF_STATEMENT = ";\n"

_PRIVILEGES = {
    "SHOW VIEW": "views",
    "TRIGGER": "triggers",
    "EVENT": "events",
}


def read_info(session: Session, database: str) -> ServerInfo:
    """Describe the server and the session's database.

    Args:
        session: a session that uses the database.
        database: its name.

    Returns:
        The description, with all base tables.

    Raises:
        DatabaseError: a table is broken, or of a kind that a dump cannot hold.
    """
    variables = _variables(session)
    charset, collation = database_charset(session, database)
    return ServerInfo(
        kind="mysql",
        version=variables["version"],
        version_comment=variables["version_comment"],
        database=database,
        charset=charset,
        collation=collation,
        server_charset=variables["character_set_server"],
        server_collation=variables["collation_server"],
        sql_mode=variables["sql_mode"],
        time_zone=f"{variables['time_zone']} ({variables['system_time_zone']})",
        lower_case_table_names=int(variables["lower_case_table_names"]),
        max_allowed_packet_bytes=int(variables["max_allowed_packet"]),
        tables=read_tables(session),
        notes=_blind_spots(session, database),
    )


def _variables(session: Session) -> dict[str, str]:
    rows = session.texts(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment',"
        " 'character_set_server', 'collation_server', 'sql_mode', 'time_zone',"
        " 'system_time_zone', 'lower_case_table_names', 'max_allowed_packet')"
    )
    return {row[0]: row[1] for row in rows}


def database_charset(session: Session, database: str) -> tuple[str, str]:
    """Return a database's default character set and collation; empty texts when it is missing."""
    rows = session.texts(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME"
        f" FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {name_literal(database)}"
    )
    return (rows[0][0], rows[0][1]) if rows else ("", "")


def read_tables(session: Session) -> tuple[TableInfo, ...]:
    """Return the base tables of the session's database, by name.

    Raises:
        DatabaseError: a table is broken, or of a kind that a dump cannot hold.
    """
    transactional = {
        engine.lower()
        for engine, answer in session.texts(
            "SELECT ENGINE, TRANSACTIONS FROM information_schema.ENGINES"
        )
        if answer == "YES"
    }
    tables = []
    for name, kind, engine, collation, rows, size, comment in session.texts(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_ROWS, DATA_LENGTH,"
        " TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW')"
    ):
        _refuse_odd_table(name, kind, engine, comment)
        tables.append(
            TableInfo(
                name=name,
                engine=engine,
                transactional=engine.lower() in transactional,
                collation=collation,
                estimate_rows=int(rows or 0),
                estimate_bytes=int(size or 0),
            )
        )
    return tuple(sorted(tables, key=lambda table: table.name))


def _refuse_odd_table(name: str, kind: str, engine: str, comment: str) -> None:
    if kind == "SEQUENCE":
        raise DatabaseError(
            f"The database has a sequence, {name!r}: ocsnap cannot dump MariaDB's sequences.",
            hint="ownCloud makes none; move it to another database.",
        )
    if kind != "BASE TABLE":
        raise DatabaseError(
            f"The table {name!r} is of the kind {kind}: ocsnap cannot dump its history.",
            hint="ownCloud makes no such tables; move it to another database.",
        )
    if not engine:
        raise DatabaseError(
            f"The table {name!r} cannot be read: {comment.rstrip('.')}.",
            hint="Repair or drop it; see CHECK TABLE and the server's error log.",
        )
    if END_OF_STATEMENT in name:
        raise DatabaseError(f"The table {name!r} has a name that ocsnap cannot dump.")


@dataclass(frozen=True)
class TableOrder:
    """In which order the rows of a table are read.

    Attributes:
        key: the columns of its primary key; none: it has none.
        clustered: whether the table lies in that order already.
    """

    key: tuple[str, ...]
    clustered: bool


def read_order(session: Session, table: TableInfo) -> TableOrder:
    """Return in which order to read a table, so that two dumps of the same rows are the same."""
    rows = session.texts(
        "SELECT COLUMN_NAME, IFNULL(SUB_PART, '') FROM information_schema.STATISTICS"
        f" WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name_literal(table.name)}"
        " AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"
    )
    whole = all(part == "" for _, part in rows)
    return TableOrder(
        key=tuple(name for name, _ in rows),
        clustered=bool(rows) and whole and table.engine.lower() == "innodb",
    )


def read_create_table(session: Session, table: str) -> bytes:
    """Return the CREATE TABLE statement of a table, in UTF-8."""
    statement = session.rows(f"SHOW CREATE TABLE {quoted(table)}")[0][1]
    if statement is None:
        raise DatabaseError(f"The database server does not tell how the table {table!r} is made.")
    return statement


def foreign_keys_out_of(session: Session, database: str) -> Sequence[tuple[str, ...]]:
    """Return (table, constraint, schema) of the foreign keys that point to another schema."""
    name = name_literal(database)
    return session.texts(
        "SELECT TABLE_NAME, CONSTRAINT_NAME, UNIQUE_CONSTRAINT_SCHEMA"
        " FROM information_schema.REFERENTIAL_CONSTRAINTS"
        f" WHERE CONSTRAINT_SCHEMA = {name} AND UNIQUE_CONSTRAINT_SCHEMA <> {name}"
    )


def _blind_spots(session: Session, database: str) -> tuple[str, ...]:
    """Tell what the account may not see: the server leaves it out without a word."""
    mine = (
        "GRANTEE = CONCAT(CHAR(39), REPLACE(CURRENT_USER(), '@', CONCAT(CHAR(39), '@', CHAR(39))),"
        " CHAR(39))"
    )
    granted = {
        privilege.upper()
        for (privilege,) in session.texts(
            f"SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE {mine}"
            " UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES"
            f" WHERE {name_literal(database)} LIKE TABLE_SCHEMA AND {mine}"
        )
    }
    return tuple(
        f"The account itself has not the privilege {privilege}: {what} it cannot see"
        " are not dumped."
        for privilege, what in _PRIVILEGES.items()
        if privilege not in granted
    )
