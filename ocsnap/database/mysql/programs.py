"""Views, routines, triggers and events: what a database holds beside its tables.

All of them are read as raw bytes in the character set of the session that once made them, and made
again in a session that says the same of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.mysql.failures import code_of
from ocsnap.database.mysql.names import quoted, text_literal
from ocsnap.database.mysql.trigger_text import trigger_body
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from ocsnap.database.mysql.session import Session


class ProgramKind(Enum):
    """A kind of program; the value is its stream's name. Their order is that of creation."""

    ROUTINE = "routines.sql"
    VIEW = "views.sql"
    TRIGGER = "triggers.sql"
    EVENT = "events.sql"


@dataclass(frozen=True)
class Program:
    """Something that the server runs.

    Attributes:
        kind: what it is.
        name: its name.
        definer: whose rights it runs with, `user@host`; empty where it has none.
        settings: the SQL statements that make a session like the one it was made in.
        early: what to run before any program of this kind is made (a view's placeholder).
        drop: the statement that removes it.
        create: the statement that makes it.
    """

    kind: ProgramKind
    name: str
    definer: str
    settings: tuple[bytes, ...]
    early: bytes | None
    drop: bytes
    create: bytes


def read_programs(session: Session) -> list[Program]:
    """Return the programs of the session's database, in an order in which they can be made.

    Args:
        session: a session whose names and results are binary.

    Raises:
        DatabaseError: the account may see that there is one, but not what is in it.
    """
    return [
        *_routines(session),
        *_views(session),
        *_triggers(session),
        *_events(session),
    ]


def create(session: Session, programs: list[Program]) -> None:
    """Make programs in the session's database, and leave the session as it was."""
    session.execute("SET NAMES utf8mb4")
    try:
        for statement in statements(programs):
            session.execute(statement)
    finally:
        session.prepare()


def statements(programs: list[Program]) -> list[bytes]:
    """Return the statements that make some programs, in order."""
    wanted = [program.early for program in programs if program.early is not None]
    for program in programs:
        wanted += [*program.settings, program.drop, program.create]
    return wanted


def _routines(session: Session) -> list[Program]:
    programs = []
    for name, kind, definer in session.texts(
        "SELECT ROUTINE_NAME, ROUTINE_TYPE, DEFINER FROM information_schema.ROUTINES"
        " WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_TYPE DESC, ROUTINE_NAME"
    ):
        row = session.rows(f"SHOW CREATE {kind} {quoted(name)}")[0]
        _, sql_mode, text, client, connection = row[:5]
        programs.append(
            Program(
                kind=ProgramKind.ROUTINE,
                name=name,
                definer=definer,
                settings=_settings(client, connection, sql_mode),
                early=None,
                drop=f"DROP {kind} IF EXISTS {quoted(name)}".encode(),
                create=_shown(text, f"the {kind.lower()} {name!r}"),
            )
        )
    return programs


def _views(session: Session) -> list[Program]:
    programs = []
    for name, definer in session.texts(
        "SELECT TABLE_NAME, DEFINER FROM information_schema.VIEWS"
        " WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME"
    ):
        try:
            # Fails for a view whose tables or columns are gone, without running it.
            columns = session.rows(f"SHOW COLUMNS FROM {quoted(name)}")
            row = session.rows(f"SHOW CREATE VIEW {quoted(name)}")[0]
        except pymysql.err.MySQLError as error:
            if code_of(error) != ER.VIEW_INVALID:
                raise
            continue
        programs.append(
            Program(
                kind=ProgramKind.VIEW,
                name=name,
                definer=definer,
                settings=_settings(row[2], row[3], b""),
                early=_placeholder(name, [column[0] or b"" for column in columns]),
                drop=f"DROP VIEW IF EXISTS {quoted(name)}".encode(),
                create=_shown(row[1], f"the view {name!r}"),
            )
        )
    return programs


def _placeholder(view: str, columns: list[bytes]) -> bytes:
    """Return a view with the same columns that depends on nothing: views may use one another."""
    listed = ", ".join(f"1 AS {quoted(name.decode())}" for name in columns)
    return f"CREATE OR REPLACE VIEW {quoted(view)} AS SELECT {listed}".encode()


def _triggers(session: Session) -> list[Program]:
    programs = []
    for name, timing, event, table, definer in session.texts(
        "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, DEFINER"
        " FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
        " ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    ):
        row = session.rows(f"SHOW CREATE TRIGGER {quoted(name)}")[0]
        _, sql_mode, text, client, connection = row[:5]
        head = (
            f"CREATE DEFINER={_account(definer)} TRIGGER {quoted(name)} {timing} {event}"
            f" ON {quoted(table)} FOR EACH ROW "
        )
        programs.append(
            Program(
                kind=ProgramKind.TRIGGER,
                name=name,
                definer=definer,
                settings=_settings(client, connection, sql_mode),
                early=None,
                drop=f"DROP TRIGGER IF EXISTS {quoted(name)}".encode(),
                create=head.encode() + trigger_body(_shown(text, f"the trigger {name!r}")),
            )
        )
    return programs


def _events(session: Session) -> list[Program]:
    programs = []
    for name, definer in session.texts(
        "SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS"
        " WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME"
    ):
        row = session.rows(f"SHOW CREATE EVENT {quoted(name)}")[0]
        _, sql_mode, zone, text, client, connection = row[:6]
        at = f"SET SESSION time_zone = {text_literal((zone or b'SYSTEM').decode())}".encode()
        programs.append(
            Program(
                kind=ProgramKind.EVENT,
                name=name,
                definer=definer,
                settings=(*_settings(client, connection, sql_mode), at),
                early=None,
                drop=f"DROP EVENT IF EXISTS {quoted(name)}".encode(),
                create=_shown(text, f"the event {name!r}"),
            )
        )
    return programs


def _settings(
    client: bytes | None, connection: bytes | None, sql_mode: bytes | None
) -> tuple[bytes, ...]:
    # Results stay binary; the order matters, since SET NAMES would set all three.
    return (
        b"SET character_set_client = " + (client or b"utf8"),
        b"SET collation_connection = " + (connection or b"utf8_general_ci"),
        f"SET SESSION sql_mode = {text_literal((sql_mode or b'').decode())}".encode(),
    )


def _account(definer: str) -> str:
    user, _, host = definer.rpartition("@")
    return f"{quoted(user)}@{quoted(host)}" if user or host else quoted(definer)


def _shown(text: bytes | None, what: str) -> bytes:
    if text is None:
        raise DatabaseError(
            f"The account may not see {what}.",
            hint="Grant it SELECT on mysql.proc, or name the definer as [database] user.",
        )
    return text


def program_notes(session: Session, programs: list[Program]) -> list[str]:
    """Return what a reader of a dump should know of the programs in the session's database."""
    account = session.texts("SELECT CURRENT_USER()")[0][0]
    return [
        *(
            f"The view {name!r} is broken, its tables or columns are gone: it is not dumped."
            for name in broken_views(session, programs)
        ),
        *(
            f"Views, triggers, routines or events run with the rights of {definer}: the account"
            " must exist where they are used."
            for definer in sorted(definers(programs) - {account})
        ),
    ]


def broken_views(session: Session, programs: list[Program]) -> list[str]:
    """Return the views of the session's database that are not among its programs.

    Their tables or columns are gone: the server neither shows nor makes them any more.
    """
    names = {program.name for program in programs if program.kind is ProgramKind.VIEW}
    rows = session.texts(
        "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()"
    )
    return sorted({name for (name,) in rows} - names)


def definers(programs: list[Program]) -> set[str]:
    """Return whose rights the programs run with, `user@host` each."""
    return {program.definer for program in programs if program.definer}


def drop(session: Session, programs: list[Program]) -> None:
    """Remove programs from the session's database."""
    for program in programs:
        session.execute(program.drop)
