"""The streams of a dump, read from one snapshot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ocsnap.database.database import MANIFEST, DumpStream, Manifest, TableRecord
from ocsnap.database.mysql import script
from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.formatter import new_formatter, size_bytes
from ocsnap.database.mysql.names import quoted, table_stream
from ocsnap.database.mysql.programs import ProgramKind, statements
from ocsnap.database.mysql.read_ahead import ReadAhead
from ocsnap.database.mysql.rows import Tally, in_pieces
from ocsnap.database.mysql.schema import read_create_table, read_tables
from ocsnap.database.mysql.table_plan import Planner, TablePlan
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocsnap.database.database import ServerInfo
    from ocsnap.database.mysql.formatter import Rows
    from ocsnap.database.mysql.programs import Program
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
        readers: Sequence[Session] = (),
    ) -> None:
        """Keep what to dump.

        Args:
            session: holds the snapshot, and is used by nobody else.
            info: what was found when it was opened.
            programs: the views, routines, triggers and events at that time.
            structure_only: tables whose rows are left out.
            readers: further sessions with the same snapshot, which read ahead.
        """
        self.info = info
        self.transactional = all(
            table.transactional or table.name in structure_only for table in info.tables
        )
        self._session = session
        self._programs = programs
        self._structure_only = structure_only
        self._readers = readers
        self._formatter = new_formatter()
        self._ahead: ReadAhead[Rows] | None = None
        self._records: list[TableRecord] = []
        self._checks_constraints = bool(
            session.rows("SHOW VARIABLES LIKE 'check\\_constraint\\_checks'")
        )

    def streams(self) -> Iterator[DumpStream]:
        """Return the streams; see `Dump.streams`."""
        self._records = []
        planner = Planner(
            self._session,
            self._formatter,
            longest_bytes=self.info.max_allowed_packet_bytes,
            in_ranges=bool(self._readers),
        )
        plans = []
        for table in self.info.tables:
            with explained(f"dumping the table {table.name!r}"):
                left_out = table.name in self._structure_only
                plans.append(planner.plan(table, left_out=left_out))
        self._begin_reading(plans)
        for number, plan in enumerate(plans):
            table = plan.table
            yield DumpStream(table_stream(table.name), table.estimate_bytes, self._table(plan))
            if len(self._records) != number + 1:
                raise DatabaseError(f"The table {table.name!r} was not read to its end.")
        self.close()
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

    def close(self) -> None:
        """End what reads ahead."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _begin_reading(self, plans: list[TablePlan]) -> None:
        self.close()
        if self._readers:
            selects = [sql for plan in plans for sql in plan.selects]
            tasks = [partial(self._formatter.read, sql=sql) for sql in selects]
            self._ahead = ReadAhead(self._readers, tasks, size=size_bytes)
        self._numbers = iter(range(sum(len(plan.selects) for plan in plans)))

    def _read(self, plan: TablePlan) -> Iterator[Rows]:
        for sql in plan.selects:
            if self._ahead is None:
                yield from self._formatter.read(self._session, sql)
            else:
                yield from self._ahead.results(next(self._numbers))

    def _table(self, plan: TablePlan) -> Iterator[bytes]:
        tally = Tally()
        size = 0
        table = plan.table
        with explained(f"dumping the table {table.name!r}"):
            for chunk in self._table_script(plan, tally):
                size += len(chunk)
                yield chunk
        longest = tally.largest_row_bytes
        around = len(plan.head) + _AROUND_A_ROW_BYTES
        self._records.append(
            TableRecord(
                name=table.name,
                stream=table_stream(table.name),
                rows=tally.rows,
                checksum=tally.checksum,
                size_bytes=size,
                largest_row_bytes=longest + around if longest else 0,
            )
        )

    def _table_script(self, plan: TablePlan, tally: Tally) -> Iterator[bytes]:
        name = plan.table.name
        off, on = self._constraint_checks()
        yield b"".join(
            [
                script.comment("ocsnap database dump, format 1"),
                script.comment(f"table: {name}"),
                script.comment(f"rows: {_order_in_words(plan)}"),
                script.opening(LOAD_MODE, extra=off),
                script.framed(f"DROP TABLE IF EXISTS {quoted(name)}".encode()),
                script.framed(read_create_table(self._session, name)),
                b"SET NAMES binary;\n",
            ]
        )
        if not plan.left_out:
            with self._counting(plan) as counted:
                rows = self._read(plan)
                yield from self._formatter.inserts(rows, plan.selection, plan.head, tally)
                _check_count(name, counted(), tally)
        yield script.closing(f"{tally.rows} rows, checksum {tally.checksum}", extra=on)

    @contextmanager
    def _counting(self, plan: TablePlan) -> Iterator[Callable[[], int]]:
        """Give what tells how many rows the server counts: meanwhile, if the table is large."""

        def count() -> int:
            sql = f"SELECT COUNT(*) FROM {quoted(plan.table.name)}"
            return int(self._session.texts(sql)[0][0])

        # In a table that knows no snapshots only a count at the end finds rows that were added.
        if len(plan.selects) > 1 and plan.table.transactional:
            with ThreadPoolExecutor(1) as beside:
                counting = beside.submit(count)
                try:
                    yield counting.result
                except BaseException:
                    # Nobody should wait for the count of a dump that is given up.
                    self._session.abort()
                    raise
        else:
            yield count

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


def _check_count(table: str, counted: int, tally: Tally) -> None:
    if counted != tally.rows:
        raise DatabaseError(
            f"The table {table!r} has {counted} rows, but {tally.rows} were dumped.",
            hint="Was it changed meanwhile? Tables that are not InnoDB need maintenance mode.",
        )


def _order_in_words(plan: TablePlan) -> str:
    if plan.left_out:
        return "left out on purpose, this table means nothing to a restored server"
    if plan.order.key:
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
