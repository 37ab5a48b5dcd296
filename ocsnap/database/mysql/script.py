"""The SQL scripts that a dump consists of, and their way back into statements.

A script is what the `mysql` client understands. So that it can be taken apart again without a
parser of SQL, every statement that is not one plain line follows a comment that tells its length:

    -- statement: 120 bytes
    CREATE TABLE ...

and the rows of an INSERT, one a line, contain no line break: only its last line ends with `;`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LENGTH_MARK = b"-- statement: "
_SUMMARY_MARK = b"-- completed: "
_LENGTH = re.compile(rb"(\d{1,10}) bytes\n")
_LONGEST_BYTES = 2**30
"""No server takes a longer statement (MySQL 5.6 Reference Manual, max_allowed_packet)."""

_END = b";\n"
_DELIMITER = b"$$"
_SKIPPED = (b"--", b"DELIMITER ", _DELIMITER, b"\n")

# Restored at the end, so that several scripts may be read in one session.
_SAVED = (
    "sql_mode",
    "time_zone",
    "foreign_key_checks",
    "unique_checks",
    "sql_notes",
    "character_set_client",
    "character_set_results",
    "collation_connection",
)


def opening(sql_mode: str, *, extra: tuple[str, ...] = ()) -> bytes:
    """Return the statements that a script begins with.

    Args:
        sql_mode: the mode to set.
        extra: further statements, for the server the script was made on.
    """
    lines = [
        "SET " + ", ".join(f"@ocsnap_{name} = @@SESSION.{name}" for name in _SAVED),
        "SET NAMES utf8mb4",
        f"SET SESSION sql_mode = '{sql_mode}', time_zone = '+00:00'",
        "SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_notes = 0",
        *extra,
    ]
    return b"".join(line.encode() + _END for line in lines)


def closing(summary: str, *, extra: tuple[str, ...] = ()) -> bytes:
    """Return what a script ends with: settings restored, and a comment with `summary`."""
    restored = "SET " + ", ".join(f"{name} = @ocsnap_{name}" for name in _SAVED)
    lines = b"".join(line.encode() + _END for line in (*extra, restored))
    return lines + _SUMMARY_MARK + summary.encode() + b"\n"


def comment(text: str) -> bytes:
    """Return a comment line; line breaks in `text` are made visible."""
    return b"-- " + text.replace("\r", "\\r").replace("\n", "\\n").encode() + b"\n"


def framed(statement: bytes) -> bytes:
    """Return a statement of any content, with its length before it."""
    return _LENGTH_MARK + b"%d bytes\n" % len(statement) + statement + _END


def framed_programs(statements: Iterable[bytes]) -> bytes:
    """Return statements that may contain `;`, with a delimiter that none of them contains."""
    listed = list(statements)
    delimiter = _DELIMITER
    while any(delimiter in statement for statement in listed):
        delimiter += b"$"
    lines = [b"DELIMITER " + delimiter + b"\n"]
    for statement in listed:
        lines.append(_LENGTH_MARK + b"%d bytes\n" % len(statement))
        lines.append(statement + b"\n" + delimiter + b"\n")
    return b"".join([*lines, b"DELIMITER ;\n"])


class ScriptReader:
    """Takes a script apart, with no more than one statement in memory.

    Attributes:
        summary: what the script's last line says; None before it was read.
        size_bytes: how much was read so far.
    """

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        """Begin.

        Args:
            chunks: the script's bytes.
            name: what to call it in messages.
        """
        self._chunks = iter(chunks)
        self._name = name
        self._buffer = bytearray()
        self.summary: str | None = None
        self.size_bytes = 0

    def statements(self) -> Iterator[bytes]:
        """Return the statements, one after the other, without what ends them.

        Raises:
            DatabaseError: the script breaks off, has no summary at its end, or tells a length that
                no statement has.
        """
        while (line := self._line()) is not None:
            if line.startswith(_LENGTH_MARK):
                yield self._exactly(self._length(line.removeprefix(_LENGTH_MARK)))
                self._until(b"\n")
            elif line.startswith(_SUMMARY_MARK):
                summary = line.removeprefix(_SUMMARY_MARK).rstrip(b"\n")
                self.summary = summary.decode("utf-8", "backslashreplace")
            elif line.startswith(_SKIPPED):
                continue
            elif line.endswith(_END):
                yield line[: -len(_END)]
            else:
                yield line + self._until(_END)[: -len(_END)]
        if self.summary is None:
            raise self._broken()

    def _length(self, text: bytes) -> int:
        told = _LENGTH.fullmatch(text)
        length = int(told[1]) if told else _LONGEST_BYTES + 1
        if length > _LONGEST_BYTES:
            raise DatabaseError(
                f"{self._name} of the database dump has a statement of no possible length.",
                hint="Restore another snapshot.",
            )
        return length

    def _line(self) -> bytes | None:
        if not self._buffer and not self._more():
            return None
        return self._until(b"\n")

    def _until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`."""
        searched = 0
        while (end := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark) + 1)
            if not self._more():
                raise self._broken()
        return self._take(end + len(mark))

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not self._more():
                raise self._broken()
        return self._take(length)

    def _take(self, length: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return taken

    def _more(self) -> bool:
        for chunk in self._chunks:
            self.size_bytes += len(chunk)
            self._buffer += chunk
            if chunk:
                return True
        return False

    def _broken(self) -> DatabaseError:
        return DatabaseError(
            f"{self._name} of the database dump breaks off.", hint="Restore another snapshot."
        )
