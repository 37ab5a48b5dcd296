"""Undoing a swap of databases: at any later time, and from whatever point it had come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.names import quoted
from ocsnap.database.mysql.place import charset_clause
from ocsnap.database.mysql.programs import create, drop, read_programs
from ocsnap.database.mysql.schema import database_charset, read_tables
from ocsnap.database.mysql.session import Session

if TYPE_CHECKING:
    from ocsnap.database.mysql.place import Place
    from ocsnap.database.mysql.programs import Program
    from ocsnap.database.settings import DatabaseSettings


def standing_programs(settings: DatabaseSettings, place: Place) -> list[Program]:
    """Return the programs of what stands there, which a swap has to make anew.

    Args:
        settings: how to log in.
        place: where it stands.

    Returns:
        Views, routines, triggers and events; none where there is no such database.
    """
    if place.kept is None:
        return []
    session = Session(settings, database=place.target)
    try:
        with explained("reading views, triggers, routines and events"):
            return read_programs(session)
    finally:
        session.close()


def put_back(settings: DatabaseSettings, place: Place, programs: list[Program]) -> None:
    """Make the database again what it was before it was swapped out.

    May be called again after it was cut off, and where nothing was swapped it changes nothing.

    Args:
        settings: how to log in.
        place: as for the swap; what was swapped in goes to `loaded`, without its programs.
        programs: what `standing_programs` returned before.

    Raises:
        DatabaseError: the server refuses.
    """
    if place.kept is None:
        return
    session = Session(settings, database=None)
    try:
        with explained("putting the previous database back"):
            # Made first of all in a swap, and removed last of all here.
            if database_charset(session, place.kept)[0]:
                _put_back(session, place, place.kept, programs)
    finally:
        session.close()


def _put_back(session: Session, place: Place, kept: str, programs: list[Program]) -> None:
    if not database_charset(session, place.loaded)[0]:
        how = charset_clause(*database_charset(session, place.target))
        session.execute(f"CREATE DATABASE {quoted(place.loaded)} {how}")
    for database in (place.target, kept):
        # RENAME TABLE refuses tables with triggers, and views stay where they are.
        session.execute(f"USE {quoted(database)}")
        drop(session, list(reversed(read_programs(session))))
    old, waiting = _tables(session, kept), _tables(session, place.loaded)
    if old or not waiting:
        moves = [(place.target, name, place.loaded) for name in _tables(session, place.target)]
        _rename(session, moves + [(kept, name, place.target) for name in old])
    if place.found is not None:
        how = charset_clause(*place.found)
        session.execute(f"ALTER DATABASE {quoted(place.target)} {how}")
    session.execute(f"USE {quoted(place.target)}")
    create(session, programs)
    session.execute(f"DROP DATABASE {quoted(kept)}")


def _tables(session: Session, database: str) -> list[str]:
    session.execute(f"USE {quoted(database)}")
    return [table.name for table in read_tables(session)]


def _rename(session: Session, moves: list[tuple[str, str, str]]) -> None:
    if moves:
        listed = (f"{quoted(a)}.{quoted(n)} TO {quoted(b)}.{quoted(n)}" for a, n, b in moves)
        session.execute("RENAME TABLE " + ", ".join(listed))


def remove_database(settings: DatabaseSettings, database: str) -> None:
    """Drop a database that a restore kept or undid.

    Args:
        settings: how to log in.
        database: its name; one that is not there is no error.

    Raises:
        DatabaseError: the server refuses.
    """
    session = Session(settings, database=None)
    try:
        with explained(f"dropping the database {database!r}"):
            session.execute(f"DROP DATABASE IF EXISTS {quoted(database)}")
    finally:
        session.close()
