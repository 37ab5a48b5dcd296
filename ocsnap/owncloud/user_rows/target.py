"""The database that rows are brought into: asked and, unless it is only a rehearsal, written to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

Value: TypeAlias = "int | float | str | bytes | None"
Row: TypeAlias = "dict[str, Value]"


class Dumped(Protocol):
    """The tables of a dump; see `DumpRows` in the database's layer.

    Attributes:
        tables: the names of all tables.
    """

    tables: frozenset[str]

    def rows(
        self, table: str, column: str = "", among: Collection[Value] = frozenset()
    ) -> Iterator[Row]:
        """Read a table from its beginning, of which a column may choose rows."""
        ...


class Live(Protocol):
    """A transaction on the database in use; see `Transaction` in the database's layer."""

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[object, ...]]:
        """Run a SELECT."""
        ...

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run a statement that changes rows; return the number of a new row."""
        ...

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's columns."""
        ...


class Act(StrEnum):
    """What is done with a row of the dump."""

    INSERT = "insert"
    UPDATE = "update"
    PRESENT = "present"
    SKIP = "skip"


@dataclass(frozen=True)
class RowAct:
    """What is done with one row of the dump.

    Attributes:
        act: what.
        table: its table, with the prefix.
        row: what identifies it, for people.
        reason: why it is skipped.
    """

    act: Act
    table: str
    row: str
    reason: str = ""


class Target:
    """Brings rows into tables; names of tables come without their prefix.

    Attributes:
        acts: what was done with each row.
        rehearsal: whether nothing is written; new rows get negative numbers.
    """

    def __init__(self, live: Live, dumped: Dumped, *, prefix: str, rehearsal: bool) -> None:
        """Prepare.

        Args:
            live: the transaction.
            dumped: the dump.
            prefix: what the tables' names begin with, in both.
            rehearsal: write nothing.
        """
        self._live = live
        self._dumped = dumped
        self._prefix = prefix
        self.rehearsal = rehearsal
        self.acts: list[RowAct] = []
        self._columns: dict[str, tuple[str, ...]] = {}
        self._next_number = 0

    def rows(
        self, table: str, column: str = "", among: Collection[Value] = frozenset()
    ) -> Iterator[Row]:
        """Read a table of the dump; nothing where one of the two databases has it not.

        Args:
            table: the table.
            column: a column to choose rows by; empty: all rows.
            among: what must stand there.
        """
        name = self._prefix + table
        if name in self._dumped.tables and self.columns(table):
            yield from self._dumped.rows(name, column, among)

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns that a table has now; none where there is no such table."""
        if table not in self._columns:
            self._columns[table] = self._live.columns(self._prefix + table)
        return self._columns[table]

    def find(self, table: str, key: Mapping[str, Value], column: str | None = None) -> Value:
        """Look for a row.

        Args:
            table: where.
            key: columns and what they must hold.
            column: what to return of it; None: 1.

        Returns:
            The value; None where there is no such row.
        """
        tests = " AND ".join(
            f"`{name}` IS NULL" if value is None else f"`{name}` = ?" for name, value in key.items()
        )
        wanted = "1" if column is None else f"`{column}`"
        found = self._live.query(
            f"SELECT {wanted} FROM `{self._prefix}{table}` WHERE {tests} LIMIT 1",  # noqa: S608 - names are ours
            [value for value in key.values() if value is not None],
        )
        value = found[0][0] if found else None
        return (
            value if value is None or isinstance(value, int | float | str | bytes) else str(value)
        )

    def insert(self, table: str, row: Row, *, told: str, number: str | None = None) -> int:
        """Insert a row, as far as the table has its columns today.

        Args:
            table: where.
            row: the row.
            told: what identifies it, for people.
            number: the column that counts up; the row keeps its number where it is free.

        Returns:
            The row's number, 0 without `number`.
        """
        self.tell(Act.INSERT, table, told)
        known = self.columns(table)
        fitting = {name: value for name, value in row.items() if name in known}
        if number is not None and self.find(table, {number: row[number]}) is not None:
            del fitting[number]
        kept = 0 if number is None else _number(fitting.get(number))
        if self.rehearsal:
            self._next_number -= 1
            return kept or self._next_number
        names = ", ".join(f"`{name}`" for name in fitting)
        marks = ", ".join("?" * len(fitting))
        given = self._live.execute(
            f"INSERT INTO `{self._prefix}{table}` ({names}) VALUES ({marks})",  # noqa: S608 - names are the table's own
            list(fitting.values()),
        )
        return kept or given

    def update(self, table: str, key: Row, values: Row, *, told: str) -> None:
        """Change a row."""
        self.tell(Act.UPDATE, table, told)
        self.change(table, key, values)

    def change(self, table: str, key: Row, values: Row) -> None:
        """Change what only belongs to another row, and so is not told."""
        if self.rehearsal:
            return
        changes = ", ".join(f"`{name}` = ?" for name in values)
        tests = " AND ".join(f"`{name}` = ?" for name in key)
        self._live.execute(
            f"UPDATE `{self._prefix}{table}` SET {changes} WHERE {tests}",  # noqa: S608 - names are ours
            [*values.values(), *key.values()],
        )

    def add(self, table: str, row: Row) -> None:
        """Insert what only belongs to another row, and so is not told."""
        if self.rehearsal or not self.columns(table):
            return
        names = ", ".join(f"`{name}`" for name in row)
        marks = ", ".join("?" * len(row))
        self._live.execute(
            f"INSERT INTO `{self._prefix}{table}` ({names}) VALUES ({marks})",  # noqa: S608 - names are ours
            list(row.values()),
        )

    def bring(
        self, table: str, row: Row, key: Sequence[str], *, told: str, number: str | None = None
    ) -> int:
        """Insert a row unless one of the same key is there.

        Args:
            table: where.
            row: the row, with numbers of other rows as they are today.
            key: the columns by which it is known again.
            told: what identifies it, for people.
            number: the column that counts up.

        Returns:
            The number that the row has today, 0 without `number`.
        """
        found = self.find(table, {name: row[name] for name in key}, number)
        if found is not None:
            self.tell(Act.PRESENT, table, told)
            return _number(found) if number is not None else 0
        return self.insert(table, row, told=told, number=number)

    def skip(self, table: str, told: str, reason: str) -> None:
        """Leave a row out."""
        self.tell(Act.SKIP, table, told, reason)

    def tell(self, act: Act, table: str, told: str, reason: str = "") -> None:
        """Keep what is done with a row."""
        self.acts.append(RowAct(act, self._prefix + table, told, reason))


def _number(value: object) -> int:
    return value if isinstance(value, int) else int(str(value)) if value is not None else 0


def number_of(value: Value) -> int:
    """Return the number of a row, 0 for none: columns of text hold some of them."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    text = str(value)
    return int(text) if text.lstrip("-").isdecimal() else 0


def text_of(value: Value) -> str:
    """Return a value as text for people; nothing for NULL."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)
