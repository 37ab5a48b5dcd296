"""Single rows: read out of a stored dump, and written into a database that is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

Value: TypeAlias = "int | float | str | bytes | None"
"""What a column holds: text as str where its bytes are UTF-8, times as text, else bytes."""

Row: TypeAlias = "dict[str, Value]"
"""A row by the names of its columns, in the table's order."""


class DumpRows(Protocol):
    """The tables of a stored dump, row by row.

    Attributes:
        tables: the names of all tables.
    """

    tables: frozenset[str]

    def rows(
        self, table: str, column: str = "", among: Collection[Value] = frozenset()
    ) -> Iterator[Row]:
        """Read a table from its beginning, in bounded memory; it may be read again.

        Args:
            table: its name, one of `tables`.
            column: a column to choose rows by, which is much quicker than to read them all; empty:
                all rows.
            among: what must stand there.

        Raises:
            DatabaseError: the dump is damaged.
        """
        ...


class Transaction(Protocol):
    """A transaction on a database that others use at the same time."""

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[object, ...]]:
        """Run a SELECT.

        Args:
            sql: the statement, with `?` for each parameter and nowhere else.
            parameters: the values.

        Raises:
            DatabaseError: the server refuses it.
        """
        ...

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run a statement that changes rows.

        Args:
            sql: as for `query`.
            parameters: the values.

        Returns:
            The number that the server gave to a new row, 0 where it gave none.

        Raises:
            DatabaseError: the server refuses it; the transaction should be given up.
        """
        ...

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's columns, in order; none where there is no such table."""
        ...
