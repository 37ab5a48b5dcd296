"""Rows as SQL text, one line each, and their grouping into INSERT statements.

Where one INSERT ends and the next begins depends on the content of the rows alone: a row whose
CRC-32 is small for its length ends its statement. So a row that is added or removed moves no other
boundary, and the delta of a large table against its last dump stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from ocsnap.database.mysql.columns import Form
from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.database.mysql.columns import Selection

CHUNK_BYTES = 512 * 1024
LONGEST_CHUNK_BYTES = 1024 * 1024

# A row of n bytes ends its INSERT when its CRC-32 is below n << 15: every 2**17 bytes on average.
MEAN_SHIFT = 15
# Some content never ends its INSERT; MySQL 5.5 takes statements of 1 MiB at most by default.
LONGEST_INSERT_BYTES = 768 * 1024

CHECKSUM_MASK = (1 << 64) - 1


@dataclass
class Tally:
    """What went by.

    Attributes:
        rows: the number of rows.
        checksum: the sum of the CRC-32 of every row's text, modulo 2**64.
        largest_row_bytes: the length of the longest row.
    """

    rows: int = 0
    checksum: int = 0
    largest_row_bytes: int = 0


def escaped(value: bytes) -> bytes:
    """Return a value as it stands between single quotes, without a line break in it."""
    value = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0")
    return _on_one_line(value).replace(b"\x1a", b"\\Z")


def _on_one_line(text: bytes) -> bytes:
    return text.replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def row_texts(packets: Iterable[list[bytes]], selection: Selection) -> Iterator[list[bytes]]:
    """Turn packets into the text of rows, `(1,'a')`, some at a time.

    Args:
        packets: what the server sent for `selection`.
        selection: what was selected.

    Raises:
        DatabaseError: the server returned NULL where it was to write SQL.
    """
    if selection.raw == (None,):
        return map(_single, packets)
    return ([_joined(packet, selection.raw) for packet in block] for block in packets)


def _single(block: list[bytes]) -> list[bytes]:
    texts: list[bytes] = []
    append = texts.append
    for packet in block:
        first = packet[0]
        if first < 0xFB:
            text = packet[1:]
        elif first == 0xFC:
            text = packet[3:]
        elif first == 0xFD:
            text = packet[4:]
        else:
            text = _field(packet, 0)[0] or refuse_null()
        if b"\n" in text or b"\r" in text:
            text = _on_one_line(text)
        append(text)
    return texts


def _joined(packet: bytes, raw: tuple[Form | None, ...]) -> bytes:
    position = 0
    parts = []
    for form in raw:
        value, position = _field(packet, position)
        if form is None:
            parts.append(_on_one_line(refuse_null() if value is None else value))
        elif value is None:
            parts.append(b"NULL")
        elif form is Form.NUMBER:
            parts.append(_on_one_line(value))
        elif form is Form.UNICODE:
            parts.append(b"_utf8mb4'" + escaped(value) + b"'")
        else:
            parts.append(b"'" + escaped(value) + b"'")
    return b"(" + b",".join(parts) + b")"


def refuse_null() -> bytes:
    """Refuse a row that the server should have written as SQL.

    Raises:
        DatabaseError: always.
    """
    raise DatabaseError("The database server could not format a row: it exceeds its limits.")


def _field(packet: bytes, position: int) -> tuple[bytes | None, int]:
    """Return a length-encoded field and where the next one begins."""
    first = packet[position]
    if first < 0xFB:
        start, length = position + 1, first
    elif first == 0xFB:
        return None, position + 1
    else:
        width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
        start = position + 1 + width
        length = int.from_bytes(packet[position + 1 : start], "little")
    return packet[start : start + length], start + length


def inserts(texts: Iterable[list[bytes]], head: bytes, tally: Tally) -> Iterator[bytes]:
    """Group rows into INSERT statements.

    Args:
        texts: the rows' texts.
        head: what a statement begins with, up to and including VALUES.
        tally: counts along.

    Returns:
        The SQL text, in chunks.
    """
    opening = head + b"\n"
    limit = LONGEST_INSERT_BYTES - len(opening)
    is_open = False
    used = size = longest = checksum = 0
    lines: list[bytes] = []
    for block in texts:
        for text in block:
            length = len(text)
            if is_open and used + length < limit:
                lines.append(b",\n")
            else:
                lines.append(b";\n" + opening if is_open else opening)
                used = 0
            lines.append(text)
            used += length + 2
            crc = crc32(text)
            checksum += crc
            is_open = crc >= length << MEAN_SHIFT
            if not is_open:
                lines.append(b";\n")
            longest = max(longest, length)
            size += length
            if size >= CHUNK_BYTES:
                yield from in_pieces(b"".join(lines))
                lines, size = [], 0
        tally.rows += len(block)
    tally.checksum = checksum & CHECKSUM_MASK
    tally.largest_row_bytes = longest
    if is_open:
        lines.append(b";\n")
    yield from in_pieces(b"".join(lines))


def count(texts: Iterable[list[bytes]]) -> Tally:
    """Return the tally of rows without keeping their text."""
    tally = Tally()
    for block in texts:
        tally.rows += len(block)
        tally.checksum += sum(map(crc32, block))
        tally.largest_row_bytes = max(tally.largest_row_bytes, max(map(len, block), default=0))
    tally.checksum &= CHECKSUM_MASK
    return tally


def in_pieces(text: bytes) -> Iterator[bytes]:
    """Cut a text into pieces of at most `LONGEST_CHUNK_BYTES`; nothing for an empty one."""
    if len(text) <= LONGEST_CHUNK_BYTES:
        if text:
            yield text
        return
    view = memoryview(text)
    for start in range(0, len(text), LONGEST_CHUNK_BYTES):
        yield bytes(view[start : start + LONGEST_CHUNK_BYTES])
