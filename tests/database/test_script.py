"""Scripts come apart into the statements that they were made of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.database.mysql import script
from ocsnap.database.mysql.names import beside, table_stream
from ocsnap.database.mysql.trigger_text import trigger_body
from ocsnap.errors import DatabaseError

STATEMENTS = st.lists(
    st.binary(max_size=80) | st.sampled_from([b"$$", b";\n", b"-- statement: 9 bytes\n"])
)


def _pieces(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(plain=STATEMENTS, programs=STATEMENTS, size=st.integers(1, 200))
def test_what_is_framed_comes_back(plain: list[bytes], programs: list[bytes], size: int) -> None:
    text = (
        script.comment("a\ntable")
        + b"".join(script.framed(each) for each in plain)
        + b"INSERT INTO t VALUES\n(1),\n(2);\n"
        + script.framed_programs(programs)
        + script.closing("2 rows")
    )
    reader = script.ScriptReader(_pieces(text, size), "x.sql")
    found = list(reader.statements())
    assert found[:-1] == [*plain, b"INSERT INTO t VALUES\n(1),\n(2)", *programs]
    assert found[-1].startswith(b"SET sql_mode")
    assert (reader.summary, reader.size_bytes) == ("2 rows", len(text))


@given(st.data())
def test_a_script_that_breaks_off_is_noticed(data: st.DataObject) -> None:
    text = script.framed(b"CREATE TABLE t (id INT)") + b"INSERT INTO t VALUES\n(1);\n"
    text += script.closing("1 rows")
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DatabaseError, match=r"x\.sql of the database dump breaks off"):
        list(script.ScriptReader([text[:end]], "x.sql").statements())


@pytest.mark.parametrize(
    "length", [b"", b"many", b"-5", b"1.5", b"2000000000", b"9" * 5000, b"\xff", b"5 5"]
)
def test_a_length_that_no_statement_has_is_refused(length: bytes) -> None:
    text = b"-- statement: " + length + b" bytes\nDROP;\n" + script.closing("0 rows")
    with pytest.raises(DatabaseError, match="no possible length"):
        list(script.ScriptReader([text], "x.sql").statements())


@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(
            [b"-- statement: ", b"-- completed: ", b"5 bytes\n", b";\n", b"DELIMITER "]
        )
    ),
    st.integers(1, 50),
)
def test_any_bytes_are_statements_or_a_script_that_breaks_off(
    parts: list[bytes], size: int
) -> None:
    try:
        list(script.ScriptReader(_pieces(b"".join(parts), size), "x.sql").statements())
    except DatabaseError as error:
        assert error.message  # noqa: PT017 - any other error ends the test


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)))
def test_tables_have_streams_with_plain_names(tables: list[str]) -> None:
    streams = {table_stream(table) for table in tables}
    assert len(streams) == len(set(tables))
    for stream in streams:
        assert re.fullmatch(r"tables/[\w%$~-][\w%$.~-]{0,180}\.sql", stream, re.ASCII)


def test_names_beside_a_long_one_fit() -> None:
    assert beside("owncloud", "before", "20250101120000") == "owncloud_before_20250101120000"
    assert len(beside("n" * 64, "ocsnap", "20250101120000")) == 64


@pytest.mark.parametrize(
    ("statement", "body"),
    [
        (b"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a = 1", b"SET @a = 1"),
        (b"create trigger `db`.`for each row` after update on `db`.x\nfor  each\nrow begin end",
         b"begin end"),
        (b"CREATE TRIGGER /* FOR EACH ROW */ t BEFORE INSERT ON x FOR EACH -- row\nROW SET @b = 1",
         b"SET @b = 1"),
        (b'CREATE TRIGGER "for each row" BEFORE INSERT ON x FOR EACH ROW FOLLOWS `o t` SET @c = 1',
         b"SET @c = 1"),
        (b"CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW PRECEDES o BEGIN /* a */ END",
         b"BEGIN /* a */ END"),
        (b"CREATE TRIGGER \xc3\xbc BEFORE INSERT ON x FOR EACH ROW FOR_EACH: BEGIN END",
         b"FOR_EACH: BEGIN END"),
    ],
)  # fmt: skip
def test_the_body_of_a_trigger_is_found(statement: bytes, body: bytes) -> None:
    assert trigger_body(statement) == body


def test_a_trigger_without_a_body_is_an_error() -> None:
    with pytest.raises(DatabaseError, match="no FOR EACH ROW"):
        trigger_body(b"CREATE TRIGGER t BEFORE INSERT ON `FOR EACH ROW`")
