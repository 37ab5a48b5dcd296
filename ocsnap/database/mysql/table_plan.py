"""How a table is read: which columns, in which order, by which SELECTs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.database.mysql.columns import read_columns
from ocsnap.database.mysql.names import quoted
from ocsnap.database.mysql.ranges import conditions
from ocsnap.database.mysql.schema import END_OF_STATEMENT, TableOrder, read_order
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.database.database import TableInfo
    from ocsnap.database.mysql.columns import Column, Selection
    from ocsnap.database.mysql.formatter import Formatter
    from ocsnap.database.mysql.session import Session


@dataclass(frozen=True)
class TablePlan:
    """How a table is read.

    Attributes:
        table: the table.
        order: the order of its rows.
        left_out: whether no rows are read.
        head: what an INSERT of its rows begins with, up to and including VALUES.
        selection: what is selected.
        selects: the statements that give its rows, one after the other; none if `left_out`.
    """

    table: TableInfo
    order: TableOrder
    left_out: bool
    head: bytes
    selection: Selection
    selects: tuple[str, ...]


@dataclass(frozen=True)
class Planner:
    """Plans how tables of one database are read.

    Attributes:
        session: asks the server.
        formatter: formats the rows.
        longest_bytes: the server's max_allowed_packet.
        in_ranges: whether to cut large tables, for several sessions.
        sorts: whether rows must come in the order of the primary key, whatever that takes.
    """

    session: Session
    formatter: Formatter
    longest_bytes: int
    in_ranges: bool
    sorts: bool = True

    def plan(self, table: TableInfo, *, left_out: bool = False) -> TablePlan:
        """Plan how to read a table.

        Args:
            table: the table.
            left_out: whether its rows are not wanted.

        Raises:
            DatabaseError: a column's name cannot stand in a dump.
            pymysql.err.MySQLError: the server refuses.
        """
        columns = read_columns(self.session, table.name)
        order = read_order(self.session, table)
        selection = self.formatter.select(columns, longest_bytes=self.longest_bytes)
        wheres: tuple[str, ...] = () if left_out else ("",)
        if self.in_ranges and not left_out:
            wheres = conditions(self.session, table, order)
        if not (self.sorts or order.clustered):
            order = TableOrder((), clustered=False)
        selects = tuple(_selects(table, order, selection, wheres))
        return TablePlan(table, order, left_out, _insert_head(table, columns), selection, selects)


def _selects(
    table: TableInfo, order: TableOrder, selection: Selection, wheres: Iterable[str]
) -> Iterable[str]:
    listed = ", ".join(
        f"{expression} AS c{number}" for number, expression in enumerate(selection.expressions)
    )
    index = " FORCE INDEX (PRIMARY)" if order.clustered else ""
    # With the table's name, as a column may be called what another one is selected as.
    by = ", ".join(f"{quoted(table.name)}.{quoted(column)}" for column in order.key)
    for where in wheres:
        sql = f"SELECT SQL_NO_CACHE {listed} FROM {quoted(table.name)}{index}"
        sql += f" WHERE {where}" if where else ""
        yield f"{sql} ORDER BY {by}" if by else sql


def _insert_head(table: TableInfo, columns: list[Column]) -> bytes:
    listed = ", ".join(quoted(column.name) for column in columns)
    head = f"INSERT INTO {quoted(table.name)} ({listed}) VALUES"
    if END_OF_STATEMENT in head:
        raise DatabaseError(f"The table {table.name!r} has a column that ocsnap cannot dump.")
    return head.encode()
