"""A large table cut into ranges of its primary key, for several sessions to read at once.

Where the borders are is of no consequence for what a dump contains: the ranges are put together
again in their order. They only should be of about the same size.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ocsnap.database.mysql.names import name_literal, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocsnap.database.database import TableInfo
    from ocsnap.database.mysql.schema import TableOrder
    from ocsnap.database.mysql.session import Session

RANGE_BYTES = 2 * 1024 * 1024

# Ranges of up to so many others are cut by their keys alone, which leaves the server in peace.
_EVEN_RANGES = 8
_MOST_QUESTIONS = 500
_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
# EXPLAIN has ten columns; MySQL 5.7 has added "partitions" and "filtered", after and before others.
_SHORT_EXPLAIN = 10


def conditions(session: Session, table: TableInfo, order: TableOrder) -> tuple[str, ...]:
    """Return SQL conditions that cut a table into ranges, in the order of its primary key.

    Args:
        session: asks the server.
        table: the table.
        order: how it is read.

    Returns:
        Conditions of which each row meets just one; a single empty one where the table is small,
        does not lie in the order of its key, or has a key that begins with no integer.
    """
    size_bytes, rows = table.estimate_bytes, table.estimate_rows
    if not order.clustered or size_bytes < 2 * RANGE_BYTES or not rows:
        return ("",)
    key = order.key[0]
    if not _is_integer(session, table.name, key):
        return ("",)
    name, column = quoted(table.name), quoted(key)
    ends = session.rows(f"SELECT MIN({column}), MAX({column}) FROM {name}")[0]
    if ends[0] is None or ends[1] is None:
        return ("",)
    questions = 0

    def rows_between(low: int, high: int) -> int:
        nonlocal questions
        questions += 1
        if questions > _MOST_QUESTIONS:
            return 0
        row = session.rows(
            f"EXPLAIN SELECT 1 FROM {name} FORCE INDEX (PRIMARY)"
            f" WHERE {column} >= {low} AND {column} < {high}"
        )[0]
        text = row[8] if len(row) == _SHORT_EXPLAIN else row[9]
        return int(text or 0)

    range_rows = max(1, rows * RANGE_BYTES // size_bytes)
    borders = list(_cut(int(ends[0]), int(ends[1]) + 1, range_rows, rows_between))
    return _between(column, borders)


def _is_integer(session: Session, table: str, column: str) -> bool:
    found = session.texts(
        "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {name_literal(table)} AND COLUMN_NAME = {name_literal(column)}"
    )
    return bool(found) and found[0][0].lower() in _INTEGERS


def _cut(
    low: int, high: int, range_rows: int, rows_between: Callable[[int, int], int]
) -> Iterator[int]:
    """Return the borders that cut the keys from `low` to before `high`."""
    rows = rows_between(low, high)
    if rows > _EVEN_RANGES * range_rows and high - low > 1:
        middle = (low + high) // 2
        yield from _cut(low, middle, range_rows, rows_between)
        yield middle
        yield from _cut(middle, high, range_rows, rows_between)
        return
    count = min(-(-rows // range_rows), high - low)
    for number in range(1, count):
        yield low + (high - low) * number // count


def _between(column: str, borders: Sequence[int]) -> tuple[str, ...]:
    if not borders:
        return ("",)
    return (
        f"{column} < {borders[0]}",
        *(f"{column} >= {low} AND {column} < {high}" for low, high in pairwise(borders)),
        f"{column} >= {borders[-1]}",
    )
