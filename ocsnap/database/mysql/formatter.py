"""Formatters: the one that is compiled, and the one that lets the server and Python do the work.

Both write the same bytes. The first leaves the server no more to do than to read the rows, but it
needs a compiler when ocsnap is installed. Where there was none, the server puts rows together as
text (see `columns.py`), and Python does the rest.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from ocsnap.compiled import compiled
from ocsnap.database.mysql.columns import Form, Selection, select, select_separately
from ocsnap.database.mysql.rows import (
    CHECKSUM_MASK,
    CHUNK_BYTES,
    LONGEST_INSERT_BYTES,
    Tally,
    count,
    in_pieces,
    inserts,
    refuse_null,
    row_texts,
)
from ocsnap.database.mysql.session import Block, Following, Whole
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocsnap.database.mysql.columns import Column
    from ocsnap.database.mysql.session import Session

Rows: TypeAlias = "Block | list[bytes]"
"""Some rows as a session has read them: whole packets, or the packets one by one."""

_DONE, _FULL, _BROKEN, _NULL_FOR_SQL = range(4)
_WRITTEN, _NUMBER, _QUOTED, _UNICODE = range(4)
_FORMS: Final = {None: _WRITTEN, Form.NUMBER: _NUMBER, Form.UNICODE: _UNICODE}
_ROOM_BYTES: Final = 2 * CHUNK_BYTES


class Formatter(Protocol):
    """Reads rows and writes them as INSERT statements."""

    def select(self, columns: Sequence[Column], *, longest_bytes: int) -> Selection:
        """Plan what to SELECT.

        Args:
            columns: the columns, in the table's order.
            longest_bytes: the server's max_allowed_packet.
        """
        ...

    def read(self, session: Session, sql: str) -> Iterator[Rows]:
        """Run a SELECT; see `Session.packets`.

        Raises:
            pymysql.err.MySQLError: the server refuses, or fails in the middle.
        """
        ...

    def inserts(
        self, rows: Iterable[Rows], selection: Selection, head: bytes, tally: Tally
    ) -> Iterator[bytes]:
        """Write rows as INSERT statements; see `rows.inserts`.

        Args:
            rows: what `read` returned for `selection`, of one SELECT or of several.
            selection: what was selected.
            head: what a statement begins with, up to and including VALUES.
            tally: counts along.

        Raises:
            DatabaseError: the server returned NULL where it was to write SQL.
        """
        ...

    def count(self, rows: Iterable[Rows], selection: Selection) -> Tally:
        """Return the tally of rows without keeping their text."""
        ...


def size_bytes(rows: Rows) -> int:
    """Return how many bytes some rows take."""
    return len(rows.data) if isinstance(rows, Block) else sum(map(len, rows))


def new_formatter() -> Formatter:
    """Return the fastest formatter that this installation has."""
    return CompiledFormatter() if is_compiled() else PythonFormatter()


def is_compiled() -> bool:
    """Return whether this installation has the compiled formatter."""
    return _compiled() is not None


class PythonFormatter:
    """Lets the server format what it can; see `Formatter`."""

    def select(self, columns: Sequence[Column], *, longest_bytes: int) -> Selection:
        """Plan what to SELECT; see `Formatter.select`."""
        return select(columns, longest_bytes=longest_bytes)

    def read(self, session: Session, sql: str) -> Iterator[Rows]:
        """Run a SELECT; see `Formatter.read`."""
        return session.packets(sql)

    def inserts(
        self, rows: Iterable[Rows], selection: Selection, head: bytes, tally: Tally
    ) -> Iterator[bytes]:
        """Write rows as INSERT statements; see `Formatter.inserts`."""
        return inserts(row_texts(_packets(rows), selection), head, tally)

    def count(self, rows: Iterable[Rows], selection: Selection) -> Tally:
        """Return the tally of rows; see `Formatter.count`."""
        return count(row_texts(_packets(rows), selection))


def _packets(rows: Iterable[Rows]) -> Iterator[list[bytes]]:
    for some in rows:
        if isinstance(some, Block):
            raise TypeError("these rows were read for the compiled formatter")
        yield some


class CompiledFormatter:
    """Formats in `formatter.c`, without holding up other threads; see `Formatter`."""

    def __init__(self) -> None:
        """Load the compiled part."""
        self._module = _compiled()

    def select(self, columns: Sequence[Column], *, longest_bytes: int) -> Selection:  # noqa: ARG002 - the other formatter's
        """Plan what to SELECT; see `Formatter.select`."""
        return select_separately(columns)

    def read(self, session: Session, sql: str) -> Iterator[Rows]:
        """Run a SELECT; see `Formatter.read`."""
        return session.blocks(sql, self._whole)

    def inserts(
        self, rows: Iterable[Rows], selection: Selection, head: bytes, tally: Tally
    ) -> Iterator[bytes]:
        """Write rows as INSERT statements; see `Formatter.inserts`."""
        writer = _Writer(self._module, selection, head)
        for some in rows:
            if not isinstance(some, Block):
                raise TypeError("these rows were read for the formatter in Python")
            yield from writer.write(some)
        yield from writer.finish(tally)

    def count(self, rows: Iterable[Rows], selection: Selection) -> Tally:
        """Return the tally of rows; see `Formatter.count`."""
        tally = Tally()
        for _ in self.inserts(rows, selection, b"", tally):
            pass
        return tally

    def _whole(self, buffer: bytearray, filled: int) -> Whole:
        following = self._module.ffi.new("int *")
        with self._module.ffi.from_buffer(buffer) as data:
            size_bytes = self._module.lib.ocsnap_whole(data, filled, following)
        if following[0] == Following.NO_ROW.value:
            raise _broken()
        return Whole(size_bytes, Following(following[0]))


class _Writer:
    """Fills a buffer with the text of rows."""

    def __init__(self, module: Any, selection: Selection, head: bytes) -> None:  # noqa: ANN401 - cffi builds the module
        self._ffi, self._lib = module.ffi, module.lib
        self._opening = head + b"\n"
        self._forms = _forms(selection)
        self._tally = self._ffi.new("ocsnap_tally *")
        self._lengths = self._ffi.new("size_t[3]")
        self._room = bytearray(_ROOM_BYTES)
        self._filled = 0

    def write(self, block: Block) -> Iterator[bytes]:
        start = 0
        while start < len(block.data):
            outcome, taken, needed = self._format(block, start)
            start += taken
            if outcome == _NULL_FOR_SQL:
                refuse_null()
            if outcome == _BROKEN:
                raise _broken()
            if outcome == _FULL or self._filled >= CHUNK_BYTES:
                yield from self._take()
            if outcome == _FULL and needed > len(self._room):
                self._room = bytearray(needed)

    def finish(self, tally: Tally) -> Iterator[bytes]:
        tally.rows = self._tally.rows
        tally.checksum = self._tally.checksum & CHECKSUM_MASK
        tally.largest_row_bytes = self._tally.largest_row_bytes
        yield from self._take()
        if self._tally.open:
            yield b";\n"

    def _format(self, block: Block, start: int) -> tuple[int, int, int]:
        ffi, lengths = self._ffi, self._lengths
        with ffi.from_buffer(block.data) as data, ffi.from_buffer(self._room) as room:
            outcome: int = self._lib.ocsnap_insert(
                *(data + start, len(block.data) - start, block.framed),
                *(self._forms, len(self._forms), self._opening, len(self._opening)),
                *(LONGEST_INSERT_BYTES - len(self._opening), self._tally),
                *(room + self._filled, len(self._room) - self._filled),
                *(lengths, lengths + 1, lengths + 2),
            )
        self._filled += lengths[1]
        return outcome, lengths[0], lengths[2]

    def _take(self) -> Iterator[bytes]:
        text = bytes(memoryview(self._room)[: self._filled])
        self._filled = 0
        return in_pieces(text)


def _forms(selection: Selection) -> bytes:
    return bytes(_FORMS.get(form, _QUOTED) for form in selection.raw)


def _broken() -> DatabaseError:
    return DatabaseError("The database server sent a row that cannot be read.")


@cache
def _compiled() -> Any:  # noqa: ANN401 - cffi builds the module
    module = compiled("ocsnap.database.mysql._formatter")
    if module is not None:
        module.lib.ocsnap_prepare()
    return module
