"""A connection that speaks raw bytes, and streams the rows of a table as fast as Python can.

PyMySQL parses a row field by field, in Python: 14 s for two million rows of oc_filecache. `packets`
takes the rows' packets off the connection in large blocks instead; together with letting the server
format the rows (see `columns.py`) this is faster than the server's own dump tool.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pymysql

from ocsnap.database.mysql.connection import connect
from ocsnap.database.mysql.failures import code_of, explained
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ocsnap.database.settings import DatabaseSettings

Row = tuple[bytes | None, ...]
Rows = TypeVar("Rows")

# Client/server protocol: three bytes of length, one of sequence; a packet of the greatest length
# goes on in the next one; 0xfe and less than nine bytes end the rows; 0xff is an error.
HEADER_BYTES = 4
LONGEST_PACKET = 0xFFFFFF
END_OF_ROWS = 0xFE
ERROR = 0xFF
BLOCK_BYTES = 256 * 1024

_UNKNOWN_VARIABLE = 1193
_READ_ONLY_VARIABLE = 1238
_NEEDS_PRIVILEGE = 1227
_YEAR_SECONDS = 31536000

# Set where the server has them, so that nothing an admin configured for other programs cuts a dump
# or a load short: a stalled upload, a long table, an hour between two statements.
STEADY: Mapping[str, str] = {
    "wait_timeout": str(_YEAR_SECONDS),
    "net_read_timeout": str(_YEAR_SECONDS),
    "net_write_timeout": str(_YEAR_SECONDS),
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
    "max_statement_time": "0",
    "max_execution_time": "0",
    "lock_wait_timeout": "60",
    "sql_select_limit": "18446744073709551615",
    "sql_big_selects": "1",
    "sql_auto_is_null": "0",
    "sql_safe_updates": "0",
    "sql_quote_show_create": "1",
    "sql_mode": "''",
    "time_zone": "'+00:00'",
    "completion_type": "0",
    "show_old_temporals": "0",
    "information_schema_stats_expiry": "0",
    "explain_format": "'TRADITIONAL'",
}


class Following(Enum):
    """What comes after the packets that are whole; the values are those of `formatter.c`."""

    MORE = 0
    LAST = 1
    REFUSED = 2
    GOES_ON = 3
    NO_ROW = 4


class Whole(NamedTuple):
    """How far packets are whole.

    Attributes:
        size_bytes: so far.
        following: what comes there.
    """

    size_bytes: int
    following: Following


class Block(NamedTuple):
    """Rows as they came off the connection.

    Attributes:
        data: whole packets with their headers, or one row without.
        framed: which of the two.
    """

    data: bytes
    framed: bool


class Session:
    """One connection that returns bytes as the server sent them."""

    def __init__(self, settings: DatabaseSettings, *, database: str | None) -> None:
        """Connect.

        Args:
            settings: where to go and how to log in.
            database: the database to use; None: none.

        Raises:
            DatabaseError: no connection came about.
        """
        self._connection: Any = connect(settings, database=database, raw=True)
        self._streaming = False
        with explained("preparing the session"):
            self.prepare()

    def prepare(self) -> None:
        """Set everything of the session that a dump or a load depends on."""
        self.settle(STEADY)
        self.execute("SET NAMES binary")

    def close(self) -> None:
        """Close the connection; whatever it held open is released by the server."""
        if self._connection.open:
            self._connection.close()

    def settle(self, variables: Mapping[str, str]) -> None:
        """Set session variables, those that the server does not have or not let be set excepted.

        Args:
            variables: names and values as SQL.
        """
        for name, value in variables.items():
            try:
                self.execute(f"SET SESSION {name} = {value}")
            except pymysql.err.MySQLError as error:
                if code_of(error) not in {_UNKNOWN_VARIABLE, _READ_ONLY_VARIABLE, _NEEDS_PRIVILEGE}:
                    raise

    def execute(self, sql: str | bytes) -> int:
        """Run a statement and drop its rows.

        Returns:
            How many warnings it left.
        """
        self._refuse_while_streaming()
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.warning_count)

    def rows(self, sql: str | bytes) -> list[Row]:
        """Run a statement and return all its rows, values as bytes."""
        self._refuse_while_streaming()
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def texts(self, sql: str) -> list[tuple[str, ...]]:
        """Run a statement whose values are UTF-8 text; NULL becomes an empty text."""
        return [
            tuple("" if value is None else value.decode() for value in row)
            for row in self.rows(sql)
        ]

    def packets(self, sql: str) -> Iterator[list[bytes]]:
        """Run a SELECT and return the raw packets of its rows, a block's worth at a time.

        A row is its fields one after the other, each as length-encoded bytes. Nothing else can be
        asked of the session before the last packet is read; abandoned half-way it is unusable.

        Args:
            sql: the statement.

        Raises:
            pymysql.err.MySQLError: the server refuses, or fails in the middle.
        """
        return self._stream(sql, _split)

    def blocks(self, sql: str, whole: Callable[[bytearray, int], Whole]) -> Iterator[Block]:
        """Run a SELECT and return its rows as they come off the connection; see `packets`.

        Args:
            sql: the statement.
            whole: finds the end of the packets that are whole in so many bytes.

        Raises:
            pymysql.err.MySQLError: the server refuses, or fails in the middle.
        """
        return self._stream(sql, lambda source: _blocks(source, whole))

    def _stream(self, sql: str, read: Callable[[Any], Iterator[Rows]]) -> Iterator[Rows]:
        self._refuse_while_streaming()
        connection = self._connection
        connection.query(sql, unbuffered=True)
        # From here on the rows are ours: PyMySQL must not try to read them when it tidies up.
        result, connection._result = connection._result, None  # noqa: SLF001 - see the module's text
        result.unbuffered_active = False
        result.connection = None
        self._streaming = True
        try:
            yield from read(connection._rfile)  # noqa: SLF001 - see the module's text
        except OSError as error:
            raise pymysql.err.OperationalError(
                pymysql.constants.CR.CR_SERVER_LOST, f"Lost connection during query: {error}"
            ) from error
        self._streaming = False

    def abort(self) -> None:
        """End the connection from another thread: whatever waits for the server there fails."""
        channel = self._connection._sock  # noqa: SLF001 - see the module's text
        if channel is not None:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def _refuse_while_streaming(self) -> None:
        if self._streaming:
            raise DatabaseError("The rows of a table were not read to their end.")


def _blocks(
    source: Any,  # noqa: ANN401 - PyMySQL's buffered socket
    whole: Callable[[bytearray, int], Whole],
) -> Iterator[Block]:
    buffer = bytearray(2 * BLOCK_BYTES)
    filled = 0
    while True:
        # Not readinto1, which waits for more where a small result is at hand already.
        data = source.read1(len(buffer) - filled)
        if not data:
            raise _lost()
        buffer[filled : filled + len(data)] = data
        filled += len(data)
        end, following = whole(buffer, filled)
        if end:
            yield Block(bytes(memoryview(buffer)[:end]), framed=True)
            buffer[: filled - end] = buffer[end:filled]
            filled -= end
        if following is Following.LAST:
            return
        if following is Following.REFUSED:
            pymysql.err.raise_mysql_exception(bytes(buffer[HEADER_BYTES:filled]))
        if following is Following.GOES_ON:
            begun = bytes(buffer[HEADER_BYTES:filled])
            yield Block(_long_packet(begun, LONGEST_PACKET, source), framed=False)
            filled = 0
        elif filled == len(buffer):
            # No packet is longer, so what goes on in the next one is never read too far.
            buffer += bytes(min(filled, LONGEST_PACKET + HEADER_BYTES - filled))


def _split(source: Any) -> Iterator[list[bytes]]:  # noqa: ANN401 - PyMySQL's buffered socket
    buffer = b""
    while True:
        block = source.read1(BLOCK_BYTES)
        if not block:
            raise _lost()
        buffer = buffer + block if buffer else block
        packets: list[bytes] = []
        position, end = 0, len(buffer)
        while position + HEADER_BYTES < end:
            length = buffer[position] | buffer[position + 1] << 8 | buffer[position + 2] << 16
            start = position + HEADER_BYTES
            position = start + length
            if position > end or length == LONGEST_PACKET:
                position = start - HEADER_BYTES
                if length >= BLOCK_BYTES:
                    packets.append(_long_packet(buffer[start:], length, source))
                    buffer, position, end = b"", 0, 0
                break
            first = buffer[start]
            if first >= END_OF_ROWS and (first == ERROR or length < 9):
                if first == ERROR:
                    pymysql.err.raise_mysql_exception(buffer[start:position])
                yield packets
                return
            packets.append(buffer[start:position])
        yield packets
        buffer = buffer[position:]


def _long_packet(begun: bytes, length: int, source: Any) -> bytes:  # noqa: ANN401 - as above
    """Read the rest of a packet that is longer than a block, and what continues it."""
    parts = [begun + _exactly(source, length - len(begun))]
    while length == LONGEST_PACKET:
        header = _exactly(source, HEADER_BYTES)
        length = int.from_bytes(header[:3], "little")
        parts.append(_exactly(source, length))
    return b"".join(parts)


def _exactly(source: Any, length: int) -> bytes:  # noqa: ANN401 - as above
    data: bytes = source.read(length)
    if len(data) < length:
        raise _lost()
    return data


def _lost() -> pymysql.err.OperationalError:
    return pymysql.err.OperationalError(
        pymysql.constants.CR.CR_SERVER_LOST, "Lost connection during query"
    )
