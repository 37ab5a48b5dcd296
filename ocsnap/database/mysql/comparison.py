"""What was loaded, compared with what was dumped: tables, rows and their checksums."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ocsnap.database.mysql.failures import explained
from ocsnap.database.mysql.formatter import new_formatter
from ocsnap.database.mysql.read_ahead import ReadAhead
from ocsnap.database.mysql.rows import CHECKSUM_MASK, Tally
from ocsnap.database.mysql.schema import read_info
from ocsnap.database.mysql.table_plan import Planner
from ocsnap.errors import DatabaseError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocsnap.database.database import Manifest, TableInfo, TableRecord
    from ocsnap.database.mysql.columns import Selection
    from ocsnap.database.mysql.formatter import Formatter
    from ocsnap.database.mysql.session import Session
    from ocsnap.database.mysql.table_plan import TablePlan
    from ocsnap.monitor import Monitor


@dataclass(frozen=True)
class Comparison:
    """Compares the session's database with a dump.

    Attributes:
        session: uses the loaded database.
        readers: further sessions that do, for reading at once; none: the session reads.
        manifest: the dump's.
        monitor: is told what differs because the server does.
    """

    session: Session
    readers: Sequence[Session]
    manifest: Manifest
    monitor: Monitor

    def compare(self) -> None:
        """See that all tables, rows and values came in.

        Raises:
            DatabaseError: something is missing, or differs though the server is the same.
        """
        self.session.prepare()
        info = read_info(self.session, self.manifest.info.database)
        tables = {table.name: table for table in info.tables}
        differing = tables.keys() ^ {table.name for table in self.manifest.tables}
        if differing:
            listed = ", ".join(sorted(differing))
            raise DatabaseError(f"The loaded database has not the tables of the dump: {listed}.")
        self.monitor.step("Comparing the loaded rows")
        formatter = new_formatter()
        planner = Planner(
            self.session,
            formatter,
            longest_bytes=info.max_allowed_packet_bytes,
            in_ranges=bool(self.readers),
            sorts=False,
        )
        plans = []
        for record in self.manifest.tables:
            with explained(f"comparing the table {record.name!r}"):
                plans.append(planner.plan(_as_dumped(tables[record.name], record)))
        same_server = info.version == self.manifest.info.version
        for record, tally in zip(
            self.manifest.tables, self._tallies(plans, formatter), strict=True
        ):
            self._compare(record, tally, same_server=same_server)

    def _tallies(self, plans: list[TablePlan], formatter: Formatter) -> Iterator[Tally]:
        tasks = [
            partial(_count, formatter=formatter, sql=sql, selection=plan.selection)
            for plan in plans
            for sql in plan.selects
        ]
        numbers = iter(range(len(tasks)))
        ahead = ReadAhead(self.readers, tasks, size=lambda _: 0) if self.readers else None
        try:
            for plan in plans:
                with explained(f"comparing the table {plan.table.name!r}"):
                    parts: list[Tally] = []
                    for _ in plan.selects:
                        number = next(numbers)
                        parts += (
                            tasks[number](self.session) if ahead is None else ahead.results(number)
                        )
                yield _sum(parts)
        finally:
            if ahead is not None:
                ahead.close()

    def _compare(self, table: TableRecord, tally: Tally, *, same_server: bool) -> None:
        if tally.rows != table.rows:
            raise DatabaseError(
                f"Of the table {table.name!r} {tally.rows} rows were loaded, not {table.rows}."
            )
        if table.checksum is None or tally.checksum == table.checksum:
            return
        if same_server:
            raise DatabaseError(f"The rows of the table {table.name!r} are not those of the dump.")
        self.monitor.problem(
            Problem(
                f"table {table.name}",
                "its rows show differently on this server than on"
                f" {self.manifest.info.version}, where they were dumped.",
            )
        )


def _as_dumped(table: TableInfo, record: TableRecord) -> TableInfo:
    """Return a table with the size that it has: the server has not yet estimated it."""
    return msgspec.structs.replace(
        table, estimate_rows=record.rows, estimate_bytes=record.size_bytes
    )


def _count(
    session: Session, *, formatter: Formatter, sql: str, selection: Selection
) -> Iterable[Tally]:
    return [formatter.count(formatter.read(session, sql), selection)]


def _sum(parts: Iterable[Tally]) -> Tally:
    total = Tally()
    for part in parts:
        total.rows += part.rows
        total.checksum = (total.checksum + part.checksum) & CHECKSUM_MASK
    return total
