"""The streams of a dump, read from one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.database.database import MANIFEST, DumpStream, Manifest, TableRecord
from ocsnap.database.mysql import script
from ocsnap.database.mysql.columns import read_columns, select
from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.names import quoted, table_stream
from ocsnap.database.mysql.programs import ProgramKind, statements
from ocsnap.database.mysql.rows import Tally, in_pieces, inserts, row_texts
from ocsnap.database.mysql.schema import (
    END_OF_STATEMENT,
    read_create_table,
    read_order,
    read_tables,
)
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.database import ServerInfo, TableInfo
    from ocsnap.database.mysql.columns import Column
    from ocsnap.database.mysql.programs import Program
    from ocsnap.database.mysql.schema import TableOrder
    from ocsnap.database.mysql.session import Session

# Zero dates load in no stricter mode, and 0 must stay 0 in AUTO_INCREMENT columns.
LOAD_MODE = "NO_AUTO_VALUE_ON_ZERO"

# What an INSERT statement has beside its head and one row: line breaks and the end.
_AROUND_A_ROW_BYTES = 8


class MysqlDump:
    """A dump of the database that a session holds a snapshot of.

    Attributes:
        info: the server and the database.
        transactional: whether all tables are covered by the snapshot.
    """

    def __init__(
        self,
        session: Session,
        info: ServerInfo,
        programs: list[Program],
        *,
        structure_only: frozenset[str],
    ) -> None:
        """Keep what to dump.

        Args:
            session: holds the snapshot, and is used by nobody else.
            info: what was found when it was opened.
            programs: the views, routines, triggers and events at that time.
            structure_only: tables whose rows are left out.
        """
        self.info = info
        self.transactional = all(
            table.transactional or table.name in structure_only for table in info.tables
        )
        self._session = session
        self._programs = programs
        self._structure_only = structure_only
        self._records: list[TableRecord] = []
        self._checks_constraints = bool(
            session.rows("SHOW VARIABLES LIKE 'check\\_constraint\\_checks'")
        )

    def streams(self) -> Iterator[DumpStream]:
        """Return the streams; see `Dump.streams`."""
        self._records = []
        for number, table in enumerate(self.info.tables):
            yield DumpStream(table_stream(table.name), table.estimate_bytes, self._table(table))
            if len(self._records) != number + 1:
                raise DatabaseError(f"The table {table.name!r} was not read to its end.")
        others: dict[str, tuple[str, ...]] = {}
        for kind in ProgramKind:
            programs = [program for program in self._programs if program.kind is kind]
            if programs:
                others[kind.value] = tuple(program.name for program in programs)
                text = _program_script(programs)
                yield DumpStream(kind.value, len(text), in_pieces(text))
        self._check_tables()
        manifest = Manifest(info=self.info, tables=tuple(self._records), others=others).encode()
        yield DumpStream(MANIFEST, len(manifest), in_pieces(manifest))

    def _table(self, table: TableInfo) -> Iterator[bytes]:
        tally = Tally()
        size = 0
        with explained(f"dumping the table {table.name!r}"):
            columns = read_columns(self._session, table.name)
            head = _insert_head(table, columns)
            for chunk in self._table_script(table, columns, head, tally):
                size += len(chunk)
                yield chunk
        longest = tally.largest_row_bytes
        self._records.append(
            TableRecord(
                name=table.name,
                stream=table_stream(table.name),
                rows=tally.rows,
                checksum=tally.checksum,
                size_bytes=size,
                largest_row_bytes=longest + len(head) + _AROUND_A_ROW_BYTES if longest else 0,
            )
        )

    def _table_script(
        self, table: TableInfo, columns: list[Column], head: bytes, tally: Tally
    ) -> Iterator[bytes]:
        order = read_order(self._session, table)
        left_out = table.name in self._structure_only
        off, on = self._constraint_checks()
        yield b"".join(
            [
                script.comment("ocsnap database dump, format 1"),
                script.comment(f"table: {table.name}"),
                script.comment(f"rows: {_order_in_words(order, left_out=left_out)}"),
                script.opening(LOAD_MODE, extra=off),
                script.framed(f"DROP TABLE IF EXISTS {quoted(table.name)}".encode()),
                script.framed(read_create_table(self._session, table.name)),
                b"SET NAMES binary;\n",
            ]
        )
        if not left_out:
            yield from self._rows(table, columns, order, head, tally)
        yield script.closing(f"{tally.rows} rows, checksum {tally.checksum}", extra=on)

    def _rows(
        self,
        table: TableInfo,
        columns: list[Column],
        order: TableOrder,
        head: bytes,
        tally: Tally,
    ) -> Iterator[bytes]:
        selection = select(columns, longest_bytes=self.info.max_allowed_packet_bytes)
        listed = ", ".join(
            f"{expression} AS c{number}" for number, expression in enumerate(selection.expressions)
        )
        index = " FORCE INDEX (PRIMARY)" if order.clustered else ""
        by = ", ".join(quoted(column) for column in order.key)
        sql = f"SELECT SQL_NO_CACHE {listed} FROM {quoted(table.name)}{index}"
        packets = self._session.packets(f"{sql} ORDER BY {by}" if by else sql)
        yield from inserts(row_texts(packets, selection), head, tally)
        counted = self._session.texts(f"SELECT COUNT(*) FROM {quoted(table.name)}")[0][0]
        if int(counted) != tally.rows:
            raise DatabaseError(
                f"The table {table.name!r} has {counted} rows, but {tally.rows} were dumped.",
                hint="Was it changed meanwhile? Tables that are not InnoDB need maintenance mode.",
            )

    def _constraint_checks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        # Rows older than a CHECK may violate it, and were valid where they come from.
        if not self._checks_constraints:
            return (), ()
        name = "SET SESSION check_constraint_checks"
        return (f"{name} = 0",), (f"{name} = DEFAULT",)

    def _check_tables(self) -> None:
        with explained("listing the tables again"):
            present = {table.name for table in read_tables(self._session)}
        gone = sorted({record.name for record in self._records} - present)
        if gone:
            raise DatabaseError(f"Tables vanished while they were dumped: {', '.join(gone)}.")


def _insert_head(table: TableInfo, columns: list[Column]) -> bytes:
    listed = ", ".join(quoted(column.name) for column in columns)
    head = f"INSERT INTO {quoted(table.name)} ({listed}) VALUES"
    if END_OF_STATEMENT in head:
        raise DatabaseError(f"The table {table.name!r} has a column that ocsnap cannot dump.")
    return head.encode()


def _order_in_words(order: TableOrder, *, left_out: bool) -> str:
    if left_out:
        return "left out on purpose, this table means nothing to a restored server"
    if order.key:
        return "in the order of the primary key"
    return "no primary key, in the order of the server"


def _program_script(programs: list[Program]) -> bytes:
    listed = statements(programs)
    return b"".join(
        [
            script.comment("ocsnap database dump, format 1"),
            script.opening(""),
            script.framed_programs(listed),
            script.closing(f"{len(programs)} made"),
        ]
    )
