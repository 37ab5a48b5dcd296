"""A database on a MySQL or MariaDB server."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from ocsnap.database.mysql.connection import connect
from ocsnap.database.mysql.dump import MysqlDump
from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.names import quoted
from ocsnap.database.mysql.programs import program_notes, read_programs
from ocsnap.database.mysql.schema import read_info, read_tables
from ocsnap.database.mysql.session import Session
from ocsnap.database.mysql.snapshot import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.database import Dump, ServerInfo
    from ocsnap.database.settings import DatabaseSettings


class MysqlDatabase:
    """A database that can be asked and dumped; see `Database`."""

    def __init__(
        self, settings: DatabaseSettings, *, structure_only: frozenset[str] = frozenset()
    ) -> None:
        """Keep where it is; nothing is connected yet.

        Args:
            settings: where the database is and how to log in.
            structure_only: tables whose rows a dump leaves out.
        """
        self._settings = settings
        self._structure_only = structure_only

    def check(self) -> ServerInfo:
        """Prove that the database can be reached and every table read; see `Database.check`."""
        session = Session(self._settings, database=self._settings.name)
        try:
            with explained("describing the database"):
                info = read_info(session, self._settings.name)
            for table in info.tables:
                with explained(f"reading the table {table.name!r}"):
                    session.rows(f"SELECT * FROM {quoted(table.name)} LIMIT 0")
            with explained("reading views, triggers, routines and events"):
                notes = program_notes(session, read_programs(session))
        finally:
            session.close()
        return msgspec.structs.replace(info, notes=(*info.notes, *notes))

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one statement on a connection of its own; see `Database.query`."""
        statement = sql.replace("%", "%%").replace("?", "%s")
        connection = connect(self._settings, database=self._settings.name, raw=False)
        with explained("answering a query"), connection, connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters))
            return list(cursor.fetchall())

    def held_bytes(self) -> int:
        """Return the size of all rows if some table has no snapshots; see `Database.held_bytes`."""
        session = Session(self._settings, database=self._settings.name)
        try:
            with explained("asking for the size of the tables"):
                tables = read_tables(session)
        finally:
            session.close()
        dumped = [table for table in tables if table.name not in self._structure_only]
        if all(table.transactional for table in dumped):
            return 0
        return sum(table.estimate_bytes for table in dumped)

    def update(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Change rows on a connection of its own; see `Database.update`."""
        statement = sql.replace("%", "%%").replace("?", "%s")
        connection = connect(self._settings, database=self._settings.name, raw=False)
        with explained("changing rows"), connection, connection.cursor() as cursor:
            connection.begin()
            cursor.executemany(statement, [tuple(values) for values in rows])
            connection.commit()

    @contextmanager
    def freeze(self) -> Iterator[Dump]:
        """Hold a consistent snapshot while the context lasts; see `Database.freeze`."""
        with ExitStack() as opened, explained("opening a consistent snapshot"):
            session = Session(self._settings, database=self._settings.name)
            opened.callback(session.close)
            snapshot = open_snapshot(session, self._settings)
            for reader in snapshot.readers:
                opened.callback(reader.close)
            info = read_info(session, self._settings.name)
            programs = read_programs(session)
            notes = (*info.notes, *program_notes(session, programs))
            info = msgspec.structs.replace(info, tables=snapshot.tables, notes=notes)
            dump = MysqlDump(
                session,
                info,
                programs,
                structure_only=self._structure_only,
                readers=snapshot.readers,
            )
            closing = opened.pop_all()
        with closing:
            closing.callback(dump.close)
            yield dump
