"""The one place that knows which kinds of databases there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.database.database import Database, DumpReader, LoadReport
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor


def open_database(
    settings: DatabaseSettings,
    *,
    scratch_dir: Path,
    structure_only: frozenset[str] = frozenset(),
) -> Database:
    """Return the database that the settings name; nothing is connected yet.

    Args:
        settings: where it is and how to log in.
        scratch_dir: an existing folder for private temporary files (sqlite3 is copied there).
        structure_only: tables whose rows a dump leaves out.

    Returns:
        The database.
    """
    if settings.kind == "sqlite3":
        from ocsnap.database.sqlite.database import SqliteDatabase  # noqa: PLC0415 - start-up time

        return SqliteDatabase(settings, scratch_dir=scratch_dir, structure_only=structure_only)
    from ocsnap.database.mysql.server import MysqlDatabase  # noqa: PLC0415 - PyMySQL only here

    return MysqlDatabase(settings, structure_only=structure_only)


def load_database(
    settings: DatabaseSettings, reader: DumpReader, *, clock: Clock, monitor: Monitor
) -> LoadReport:
    """Load a stored dump beside what is there, check it, and swap it in when it is whole.

    Args:
        settings: where the database is to be, and how to log in.
        reader: the stored dump.
        clock: gives the time that the kept database is named after.
        monitor: is told of the progress.

    Returns:
        What was loaded, and under which name the previous database is kept.

    Raises:
        DatabaseError: the dump is damaged, of another kind of database, or the server refuses;
            what was there is untouched.
    """
    if settings.kind == "sqlite3":
        from ocsnap.database.sqlite.load import load as load_sqlite  # noqa: PLC0415 - start-up time

        return load_sqlite(settings, reader, clock=clock, monitor=monitor)
    from ocsnap.database.mysql.load import load as load_mysql  # noqa: PLC0415 - PyMySQL only here

    return load_mysql(settings, reader, clock=clock, monitor=monitor)
