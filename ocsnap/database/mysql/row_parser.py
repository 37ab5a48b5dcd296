r"""The rows of our own dumps, back from their SQL text into values.

Only what `columns` and `rows` write is understood: `(1,-2.5,NULL,'text',_utf8mb4'text')`, a row a
line. A row is taken apart by one regular expression and put together again: where that does not
give back the very same bytes, the dump is damaged or not ours, and refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ocsnap.database.database import read_manifest
from ocsnap.database.mysql.script import ScriptReader
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ocsnap.database.database import DumpReader
    from ocsnap.database.rows import Row, Value

_TEXT: Final = rb"'[^'\\]*(?:\\.[^'\\]*)*'"
_VALUE: Final = re.compile(rb"(?:_utf8mb4)?" + _TEXT + rb"|NULL|-?[0-9][0-9.]*", re.DOTALL)
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
# What QUOTE() of the server and `rows.escaped` write, and nothing else that MySQL would take.
_ESCAPED: Final = {
    b"\\": b"\\",
    b"'": b"'",
    b"0": b"\0",
    b"n": b"\n",
    b"r": b"\r",
    b"Z": b"\x1a",
}
_HEAD: Final = re.compile(rb"INSERT INTO `(?:[^`]|``)+` \((.*)\)", re.DOTALL)
_NAME: Final = re.compile(rb"`((?:[^`]|``)+)`")


class MysqlDumpRows:
    """The tables of a stored dump; see `DumpRows`."""

    def __init__(self, reader: DumpReader) -> None:
        """Read the manifest.

        Args:
            reader: the stored dump.

        Raises:
            DatabaseError: it is not whole.
        """
        self._reader = reader
        self._streams = {table.name: table.stream for table in read_manifest(reader).tables}
        self.tables = frozenset(self._streams)

    def rows(
        self, table: str, column: str = "", among: Collection[Value] = frozenset()
    ) -> Iterator[Row]:
        """Read a table; see `DumpRows.rows`."""
        name = self._streams[table]
        script = ScriptReader(self._reader.chunks(name), name)
        for statement in script.statements():
            if statement.startswith(b"INSERT INTO "):
                yield from rows_of(statement, name, column, among)


def rows_of(
    statement: bytes, name: str, column: str = "", among: Collection[Value] = frozenset()
) -> Iterator[Row]:
    """Return the rows of an INSERT statement.

    Args:
        statement: the statement, without what ends it.
        name: the stream that it is from, for messages.
        column: a column to choose rows by; empty: all rows.
        among: what must stand there.

    Raises:
        DatabaseError: it is not as ocsnap writes them.
    """
    head, _, lines = statement.partition(b" VALUES\n")
    columns = column_names(head, name)
    if column and column not in columns:
        raise _odd(name)
    place = columns.index(column) if column else -1
    texts = lines.split(b"\n")
    for number, text in enumerate(texts, 1):
        last = number == len(texts)
        if not last and not text.endswith(b","):
            raise _odd(name)
        tokens = _tokens(text if last else text[:-1], name)
        if len(tokens) != len(columns):
            raise _odd(name)
        if place < 0 or _value(tokens[place], name) in among:
            values = (_value(token, name) for token in tokens)
            yield dict(zip(columns, values, strict=True))


def column_names(head: bytes, name: str) -> list[str]:
    """Return the columns that an INSERT names before its VALUES.

    Raises:
        DatabaseError: it is not as ocsnap writes it.
    """
    found = _HEAD.fullmatch(head)
    quoted = [] if found is None else [match[0] for match in _NAME.finditer(found[1])]
    if found is None or b", ".join(quoted) != found[1]:
        raise _odd(name)
    return [each[1:-1].replace(b"``", b"`").decode() for each in quoted]


def values_of(text: bytes, name: str) -> list[Value]:
    """Return the values of a row's text.

    Args:
        text: `(1,'a')`.
        name: the stream that it is from, for messages.

    Raises:
        DatabaseError: it is not as ocsnap writes them.
    """
    return [_value(token, name) for token in _tokens(text, name)]


def _tokens(text: bytes, name: str) -> list[bytes]:
    tokens: list[bytes] = _VALUE.findall(text)
    if b"(" + b",".join(tokens) + b")" != text:
        raise _odd(name)
    return tokens


def _value(token: bytes, name: str) -> Value:
    if token == b"NULL":
        return None
    if not token.endswith(b"'"):
        # What is no whole number stays text: a float would not be the same number.
        return int(token) if _INTEGER.fullmatch(token) else token.decode()
    data = token[token.index(b"'") + 1 : -1]
    if b"\\" in data:

        def plain(match: re.Match[bytes]) -> bytes:
            found = _ESCAPED.get(match[1])
            if found is None:
                raise _odd(name)
            return found

        data = _ESCAPE.sub(plain, data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _odd(name: str) -> DatabaseError:
    return DatabaseError(
        f"{name} of the database dump has a row that cannot be read.",
        hint="Run ocsnap verify --read-data; take another snapshot.",
    )
