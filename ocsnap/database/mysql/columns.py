r"""Columns, and how their values become SQL that gives back the same bits.

Most of a row is formatted by the server, by one CONCAT over its columns: numbers bare, text through
QUOTE. Columns that may hold much are sent raw and quoted here, since CONCAT turns into NULL
what exceeds max_allowed_packet.

Text is dumped as the bytes that are stored, and loaded in a session with `SET NAMES binary`, where
the server copies the bytes of a literal as they are: no character set conversion comes in anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ocsnap.database.mysql.names import name_literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.mysql.session import Session

# MariaDB says VIRTUAL, PERSISTENT or STORED GENERATED, MySQL VIRTUAL GENERATED or STORED GENERATED;
# MySQL 8's DEFAULT_GENERATED is something else.
_GENERATED = re.compile(r"\b(VIRTUAL|PERSISTENT|STORED)\b", re.IGNORECASE)


class Form(Enum):
    """How a value is written."""

    NUMBER = auto()
    FLOAT = auto()
    BITS = auto()
    TIME = auto()
    ENUM = auto()
    BYTES = auto()
    LONG_BYTES = auto()
    UNICODE = auto()


_FORMS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), Form.NUMBER),
    **dict.fromkeys(("decimal", "numeric", "year"), Form.NUMBER),
    **dict.fromkeys(("float", "double", "real"), Form.FLOAT),
    "bit": Form.BITS,
    **dict.fromkeys(("date", "time", "datetime", "timestamp"), Form.TIME),
    "enum": Form.ENUM,
    **dict.fromkeys(("set", "char", "varchar", "binary", "varbinary"), Form.BYTES),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), Form.BYTES),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), Form.BYTES),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon"), Form.LONG_BYTES),
    **dict.fromkeys(("multipoint", "multilinestring", "multipolygon"), Form.LONG_BYTES),
    **dict.fromkeys(("geometrycollection", "geomcollection"), Form.LONG_BYTES),
}
# With quotes: DECIMAL(65,30) has 67 characters; a DOUBLE(255,30) may show 310.
_LONGEST_BYTES = {Form.NUMBER: 72, Form.BITS: 72, Form.TIME: 72, Form.FLOAT: 320}


@dataclass(frozen=True)
class Column:
    """A column that is dumped: generated ones are not.

    Attributes:
        name: its name.
        form: how its values are written.
        longest_bytes: the longest text its values can come to; 0 where there is no useful limit.
    """

    name: str
    form: Form
    longest_bytes: int


@dataclass(frozen=True)
class Selection:
    """What to SELECT to get a table's rows.

    Attributes:
        expressions: the SELECT list.
        raw: for each expression the form in which to quote it here; None where the server has
            written SQL already.
    """

    expressions: tuple[str, ...]
    raw: tuple[Form | None, ...]


def read_columns(session: Session, table: str) -> list[Column]:
    """Return the columns of a table of the session's database that hold data of their own."""
    rows = session.texts(
        "SELECT COLUMN_NAME, DATA_TYPE, IFNULL(CHARACTER_OCTET_LENGTH, 0), EXTRA"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {name_literal(table)} ORDER BY ORDINAL_POSITION"
    )
    return [
        _column(name, kind.lower(), int(octets))
        for name, kind, octets, extra in rows
        if not _GENERATED.search(extra)
    ]


def _column(name: str, kind: str, octets: int) -> Column:
    # JSON and MariaDB's uuid, inet4, inet6: text that must come as text, whatever the session says.
    form = _FORMS.get(kind, Form.UNICODE)
    if form in {Form.BYTES, Form.ENUM}:
        return Column(name, form, 2 * octets + 2)
    return Column(name, form, _LONGEST_BYTES.get(form, 0))


def select_separately(columns: Sequence[Column]) -> Selection:
    """Plan the SELECT for some columns whose values are all formatted here.

    Args:
        columns: the columns, in the table's order.

    Returns:
        The expressions, one for each column; only what must be seen through the server's eyes, such
        as the index of an ENUM's member, is written by it.
    """
    if not columns:
        return Selection(("''",), (None,))
    written = {Form.FLOAT, Form.BITS, Form.ENUM}
    expressions = [
        _formatted(column) if column.form in written else quoted(column.name) for column in columns
    ]
    raw = [None if column.form in written else column.form for column in columns]
    return Selection(tuple(expressions), tuple(raw))


def select(columns: Sequence[Column], *, longest_bytes: int) -> Selection:
    """Plan the SELECT for some columns.

    Args:
        columns: the columns, in the table's order.
        longest_bytes: the server's max_allowed_packet, which no CONCAT may exceed.

    Returns:
        The expressions, neighbouring columns in one where that is safe; a single expression comes
        with the row's parentheses.
    """
    expressions: list[str] = []
    raw: list[Form | None] = []
    for run in _runs(columns, longest_bytes // 4):
        if isinstance(run, Column):
            expressions.append(quoted(run.name))
            raw.append(Form.UNICODE if run.form is Form.UNICODE else Form.LONG_BYTES)
        else:
            expressions.append("CONCAT(" + ",',',".join(_formatted(each) for each in run) + ")")
            raw.append(None)
    if raw == [None]:
        return Selection(
            ("CONCAT('('," + expressions[0].removeprefix("CONCAT(")[:-1] + ",')')",), (None,)
        )
    if not raw:
        return Selection(("'()'",), (None,))
    return Selection(tuple(expressions), tuple(raw))


def _runs(columns: Sequence[Column], budget: int) -> Iterator[list[Column] | Column]:
    run: list[Column] = []
    used = 0
    for column in columns:
        long = column.form in {Form.LONG_BYTES, Form.UNICODE}
        long = long or (column.form is Form.BYTES and column.longest_bytes > budget)
        if run and (long or used + column.longest_bytes > budget):
            yield run
            run, used = [], 0
        if long:
            yield column
        else:
            run.append(column)
            used += column.longest_bytes + 1
    if run:
        yield run


def _formatted(column: Column) -> str:
    name = quoted(column.name)
    match column.form:
        case Form.NUMBER:
            return f"IFNULL({name},'NULL')"
        case Form.FLOAT:
            # Multiplied, since FLOAT by itself is shown with six digits only; added to zero, -0
            # would lose its sign. In quotes, since the number -0 would lose it too.
            return f"IFNULL(CONCAT('''',{name}*1e0,''''),'NULL')"
        case Form.BITS:
            return f"IFNULL(CAST({name} AS UNSIGNED),'NULL')"
        case Form.TIME:
            return f"IFNULL(CONCAT('''',{name},''''),'NULL')"
        case Form.ENUM:
            # The error value has index 0 and shows as '', as a member '' with its own index does.
            return f"IF({name}+0=0,'0',QUOTE(CAST({name} AS BINARY)))"
        case _:
            return f"QUOTE(CAST({name} AS BINARY))"
