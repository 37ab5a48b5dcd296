"""The compiled formatter and the one in Python write the same, and believe no length."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocsnap.database.mysql.columns import Form, Selection
from ocsnap.database.mysql.formatter import (
    CompiledFormatter,
    Formatter,
    PythonFormatter,
    Rows,
    is_compiled,
    new_formatter,
)
from ocsnap.database.mysql.rows import LONGEST_CHUNK_BYTES, Tally
from ocsnap.database.mysql.session import Block, Following
from ocsnap.errors import DatabaseError

FORMS = (None, Form.NUMBER, Form.BYTES, Form.UNICODE, Form.LONG_BYTES, Form.TIME)
AWKWARD = st.lists(st.sampled_from([*b"\\'\n\r\0\x1aab"]), max_size=60).map(bytes)
VALUES = st.binary(max_size=40) | AWKWARD | st.sampled_from([b"x" * 251, b"'" * 70_000, b"1"])


def _field(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    length = len(value)
    if length < 0xFB:
        return bytes([length]) + value
    if length < 1 << 16:
        return b"\xfc" + length.to_bytes(2, "little") + value
    return b"\xfd" + length.to_bytes(3, "little") + value


def _framed(packets: list[bytes]) -> bytes:
    return b"".join(len(packet).to_bytes(3, "little") + b"\7" + packet for packet in packets)


def _text(formatter: Formatter, rows: list[Rows], selection: Selection) -> tuple[bytes, Tally]:
    tally = Tally()
    chunks = list(formatter.inserts(rows, selection, b"INSERT INTO `t` (`a`) VALUES", tally))
    assert all(0 < len(chunk) <= LONGEST_CHUNK_BYTES for chunk in chunks)
    return b"".join(chunks), tally


@st.composite
def tables(draw: st.DrawFn) -> tuple[Selection, list[bytes]]:
    # A single expression that the server has written is a whole row for the formatter in Python.
    raw = draw(st.lists(st.sampled_from(FORMS), min_size=2, max_size=6))
    rows = draw(
        st.lists(
            st.tuples(*(VALUES if form is None else st.none() | VALUES for form in raw)),
            max_size=12,
        )
    )
    packets = [b"".join(map(_field, row)) for row in rows]
    return Selection(("x",) * len(raw), tuple(raw)), packets * draw(st.sampled_from([1, 1, 50]))


def test_this_installation_has_the_compiled_one() -> None:
    assert is_compiled()
    assert isinstance(new_formatter(), CompiledFormatter)


@settings(max_examples=50, deadline=None)
@given(table=tables(), cut=st.integers(1, 5))
def test_both_write_the_same(table: tuple[Selection, list[bytes]], cut: int) -> None:
    selection, packets = table
    packets = [packet for packet in packets if len(packet) < 200_000][:400]
    expected = _text(PythonFormatter(), [packets], selection)
    blocks = [_framed(packets[start : start + cut]) for start in range(0, len(packets), cut)]
    framed = [Block(block, framed=True) for block in blocks if block]
    assert _text(CompiledFormatter(), list(framed), selection) == expected
    alone = [Block(packet, framed=False) for packet in packets]
    assert _text(CompiledFormatter(), list(alone), selection) == expected
    assert CompiledFormatter().count(list(framed), selection) == expected[1]


@given(row=st.binary(min_size=1, max_size=60), columns=st.integers(1, 5))
def test_what_is_no_row_is_refused_or_read_alike(row: bytes, columns: int) -> None:
    selection = Selection(("x",) * columns, (Form.BYTES,) * columns)
    block = Block(row, framed=False)
    try:
        text, tally = _text(CompiledFormatter(), [block], selection)
    except DatabaseError:
        return
    assert tally.rows == 1
    assert (text, tally) == _text(PythonFormatter(), [[row]], selection)


@given(data=st.binary(max_size=80))
def test_only_what_is_whole_is_taken(data: bytes) -> None:
    try:
        whole = CompiledFormatter()._whole(bytearray(data), len(data))
    except DatabaseError:
        return
    assert 0 <= whole.size_bytes <= len(data)
    rest = data[whole.size_bytes :]
    if whole.following is Following.MORE:
        assert len(rest) <= 4 or len(rest) - 4 < int.from_bytes(rest[:3], "little")
    else:
        assert rest[4] in {0xFE, 0xFF} or rest[:3] == b"\xff\xff\xff"


def test_a_null_in_place_of_sql_is_refused() -> None:
    selection = Selection(("x", "y"), (None, None))
    with pytest.raises(DatabaseError, match="exceeds its limits"):
        _text(CompiledFormatter(), [Block(b"\xfb\1a", framed=False)], selection)
