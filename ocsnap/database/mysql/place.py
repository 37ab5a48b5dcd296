"""Where a dump is loaded: into a database of its own, beside the one it will replace."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import pymysql
from pymysql.constants import ER

from ocsnap.database.mysql.failures import NEEDS_SUPER, code_of, explained, words_of
from ocsnap.database.mysql.names import beside, name_literal, quoted
from ocsnap.database.mysql.schema import database_charset
from ocsnap.database.mysql.session import Session
from ocsnap.errors import DatabaseError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.database import ServerInfo
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor

_CHARSET_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_DRILL = re.compile(r"_drill_\d{17}\Z")
_DENIED = {ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, NEEDS_SUPER}


class Standing(Enum):
    """What stands under the database's name."""

    MISSING = "missing"
    EMPTY = "empty"
    FILLED = "filled"


@dataclass(frozen=True)
class Place:
    """Where a dump goes.

    Attributes:
        target: the database that is to hold it in the end.
        loaded: the database it is loaded into: a scratch one when the target holds something.
        kept: the name for what the target holds; None when it holds nothing.
        found: character set and collation of the target; None when it is not there.
    """

    target: str
    loaded: str
    kept: str | None
    found: tuple[str, str] | None = None


def standing(session: Session, database: str) -> Standing:
    """Tell what stands under a name."""
    if not database_charset(session, database)[0]:
        return Standing.MISSING
    name = name_literal(database)
    counts = session.texts(
        "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
        f"{name}), (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = "
        f"{name}), (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {name})"
    )[0]
    return Standing.EMPTY if set(counts) == {"0"} else Standing.FILLED


def choose(session: Session, target: str, *, when: str, monitor: Monitor) -> Place:
    """Choose where to load; nothing is made yet.

    Args:
        session: a session that uses no database.
        target: the database that is to hold the dump in the end.
        when: digits that make new names unique.
        monitor: is told what earlier loads have left.
    """
    found = standing(session, target)
    _tell_leftovers(session, target, monitor)
    charset = None if found is Standing.MISSING else database_charset(session, target)
    if found is Standing.FILLED:
        loaded, kept = beside(target, "ocsnap", when), beside(target, "before", when)
        return Place(target, loaded, kept, charset)
    return Place(target, target, None, charset)


@contextmanager
def prepared(
    session: Session, settings: DatabaseSettings, place: Place, info: ServerInfo, monitor: Monitor
) -> Iterator[None]:
    """Make the database to load into, use it, and remove it again when the context fails.

    Args:
        session: a session that uses no database.
        settings: how to log in.
        place: what `choose` chose.
        info: what the dump was made of: gives character set and collation.
        monitor: is told what could not be removed.

    Raises:
        DatabaseError: the account may not make databases.
    """
    how = charset_clause(info.charset, info.collation)
    verb = "ALTER" if place.kept is None and place.found else "CREATE"
    try:
        session.execute(f"{verb} DATABASE {quoted(place.loaded)} {how}")
    except pymysql.err.MySQLError as error:
        raise refused_creation(session, place.target, error) from error
    try:
        session.execute(f"USE {quoted(place.loaded)}")
        yield
    except BaseException:
        remove_loaded(settings, place, monitor)
        raise


def charset_clause(charset: str, collation: str) -> str:
    """Return what CREATE DATABASE wants to hear of character sets.

    Raises:
        DatabaseError: one of them is no such name.
    """
    for name in (charset, collation):
        if not _CHARSET_NAME.fullmatch(name):
            raise DatabaseError(f"{name[:64]!r} is the name of no character set.")
    return f"CHARACTER SET {charset} COLLATE {collation}"


def refused_creation(session: Session, target: str, error: Exception) -> DatabaseError:
    """Say why no database could be made, and which GRANT would help.

    Args:
        session: asks the server who the account is.
        target: the database that a second one is needed beside.
        error: what the server said.
    """
    if code_of(error) not in _DENIED:
        return DatabaseError(f"No database can be made beside {target!r}: {words_of(error)}.")
    target = _DRILL.sub("", target)  # a drill's database has another name each time
    user, _, host = session.texts("SELECT CURRENT_USER()")[0][0].rpartition("@")
    pattern = quoted(target.replace("_", "\\_").replace("%", "\\%") + "\\_%")
    account = f"'{user}'@'{host}'"
    return DatabaseError(
        f"The account {account} may not make a database beside {target!r}, into which the dump"
        " would be loaded before it replaces anything.",
        hint=f"Run as an administrator: GRANT ALL PRIVILEGES ON {pattern}.*"
        f" TO {account}; or name an account that may as [database] user and password_file.",
    )


def _tell_leftovers(session: Session, target: str, monitor: Monitor) -> None:
    start = beside(target, "ocsnap", "")
    for (name,) in session.texts("SHOW DATABASES"):
        if name.startswith(start) and name[len(start) :].isdigit():
            monitor.note(f"The database {name} was left by a load that was cut off: drop it.")


def remove_loaded(settings: DatabaseSettings, place: Place, monitor: Monitor) -> None:
    """Remove what was loaded and is not in use, on a new connection: another may be broken.

    Args:
        settings: how to log in.
        place: where it was loaded; a target that was empty before is empty afterwards.
        monitor: is told what could not be removed.
    """
    previous = place.found if place.kept is None else None
    try:
        session = Session(settings, database=None)
        try:
            session.execute(f"DROP DATABASE IF EXISTS {quoted(place.loaded)}")
            if previous:
                how = charset_clause(*previous)
                session.execute(f"CREATE DATABASE {quoted(place.loaded)} {how}")
        finally:
            session.close()
    except (DatabaseError, pymysql.err.MySQLError) as error:
        reason = f"this half-loaded database could not be removed: {words_of(error)}."
        monitor.problem(Problem(place.loaded, reason))


def drop_scratch(settings: DatabaseSettings, name: str) -> None:
    """Remove a scratch database; see `drop_database`."""
    session = Session(settings, database=None)
    try:
        with explained(f"removing the database {name!r}"):
            session.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
    finally:
        session.close()
