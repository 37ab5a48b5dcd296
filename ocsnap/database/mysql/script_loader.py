"""Running the scripts of a dump: what they make by one session, their rows by others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.database.mysql.row_loader import BATCH_BYTES, Batch, is_setting, run
from ocsnap.database.mysql.schema import read_order
from ocsnap.database.mysql.script import ScriptReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.database import DumpReader, TableInfo
    from ocsnap.database.mysql.row_loader import RowLoader
    from ocsnap.database.mysql.session import Session
    from ocsnap.monitor import Monitor

_INSERT = b"INSERT INTO "


class ScriptLoader:
    """Runs scripts in the session's database."""

    def __init__(
        self,
        session: Session,
        reader: DumpReader,
        limit: int,
        monitor: Monitor,
        rows: RowLoader | None = None,
    ) -> None:
        """Keep what to run, and where.

        Args:
            session: runs all but INSERTs of large tables.
            reader: the dump.
            limit: the longest statement that the server takes; bytes.
            monitor: is told of the progress.
            rows: runs INSERTs; None: the session does.
        """
        self._session = session
        self._reader = reader
        self._limit = limit
        self._monitor = monitor
        self._rows = rows

    def run(self, name: str) -> int:
        """Run a script.

        Args:
            name: its stream.

        Returns:
            Its length in bytes.

        Raises:
            DatabaseError: it breaks off.
            pymysql.err.MySQLError: the server refuses a statement.
        """
        script = ScriptReader(self._reader.chunks(name), name)
        for statement in self._told(script):
            for part in self._parts(statement):
                run(self._session, part)
        return script.size_bytes

    def run_table(self, table: TableInfo, name: str) -> int:
        """Run the script of a table, its rows by several sessions; see `run`.

        They are not all loaded when this returns, but when the `RowLoader` has nothing to do.

        Args:
            table: the table as it was dumped.
            name: its stream.
        """
        rows = self._rows
        if rows is None:
            return self.run(name)
        script = ScriptReader(self._reader.chunks(name), name)
        settings: list[bytes] = []
        batch: Batch | None = None
        in_order = True
        for statement in self._told(script):
            if not statement.startswith(_INSERT):
                if batch is not None and not is_setting(statement):
                    rows.submit(batch)
                    rows.wait()
                    batch = None
                run(self._session, statement)
                settings += [statement] if is_setting(statement) else []
                continue
            if batch is None:
                # In a table without such an order the rows stay as they come.
                in_order = not read_order(self._session, table).clustered
                batch = Batch(table.name, tuple(settings))
            for part in self._parts(statement):
                if in_order:
                    run(self._session, part)
                else:
                    batch.add(part)
            if batch.size_bytes >= BATCH_BYTES:
                rows.submit(batch)
                batch = Batch(table.name, batch.settings)
        if batch is not None and batch.statements:
            rows.submit(batch)
        return script.size_bytes

    def _told(self, script: ScriptReader) -> Iterator[bytes]:
        done = 0
        for statement in script.statements():
            yield statement
            self._monitor.advance(size_bytes=script.size_bytes - done)
            done = script.size_bytes

    def _parts(self, statement: bytes) -> Iterator[bytes]:
        """Cut an INSERT that is too long for the server into its rows, one a line."""
        if len(statement) <= self._limit or not statement.startswith(_INSERT):
            yield statement
            return
        head, _, rows = statement.partition(b" VALUES\n")
        for row in rows.split(b"\n"):
            yield head + b" VALUES\n" + row.removesuffix(b",")
