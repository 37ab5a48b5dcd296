"""The one place that knows which kinds of databases there are."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from ocsnap.database.database import read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.database.database import Database, DumpReader, LoadReport
    from ocsnap.database.rows import DumpRows, Transaction
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


def open_transaction(
    settings: DatabaseSettings, *, tables: Sequence[str]
) -> AbstractContextManager[Transaction]:
    """Open a transaction on a database that is in use: committed at the end of the context.

    Args:
        settings: where the database is and how to log in.
        tables: what may be written to; none: it only reads.

    Returns:
        The transaction; given up where an error leaves the context.

    Raises:
        DatabaseError: the database cannot be reached, or one of the tables knows no transactions.
    """
    if settings.kind == "sqlite3":
        from ocsnap.database.sqlite.transaction import transaction as sqlite  # noqa: PLC0415 - as above

        return sqlite(settings, writes=bool(tables))
    from ocsnap.database.mysql.transaction import transaction as mysql  # noqa: PLC0415 - as above

    return mysql(settings, tables=tables)


def open_rows(reader: DumpReader, *, scratch_dir: Path) -> AbstractContextManager[DumpRows]:
    """Open the tables of a stored dump for reading single rows.

    Args:
        reader: the stored dump.
        scratch_dir: an existing folder that only we can enter, for the copy of an SQLite file.

    Returns:
        The tables.

    Raises:
        DatabaseError: the dump is not whole.
    """
    if read_manifest(reader).info.kind == "sqlite3":
        from ocsnap.database.sqlite.dump_rows import dump_rows  # noqa: PLC0415 - as above

        return dump_rows(reader, scratch_dir)
    from ocsnap.database.mysql.row_parser import MysqlDumpRows  # noqa: PLC0415 - as above

    return nullcontext(MysqlDumpRows(reader))


def load_tables_into_file(reader: DumpReader, names: Sequence[str], target: Path) -> None:
    """Write some tables of a stored SQLite dump into a file of their own.

    Args:
        reader: the stored dump.
        names: which tables.
        target: a file that is not there yet.

    Raises:
        RefusedError: something stands there.
        DatabaseError: the dump is not whole, or the file cannot be written.
    """
    from ocsnap.database.sqlite.tables import load_tables  # noqa: PLC0415 - as above

    load_tables(reader, names, target)


def drop_database(settings: DatabaseSettings, name: str) -> None:
    """Remove a database of MySQL with all that is in it; that there is none is fine.

    Args:
        settings: how to log in.
        name: the database; never the one of the settings.

    Raises:
        DatabaseError: the server refuses.
    """
    if name == settings.name:
        raise ValueError(f"{name!r} is in use")
    from ocsnap.database.mysql.place import drop_scratch  # noqa: PLC0415 - PyMySQL only here

    drop_scratch(settings, name)
