"""Single rows come out of a dump as they are in the database."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.database.mysql.row_parser import MysqlDumpRows, rows_of, values_of
from ocsnap.database.mysql.rows import escaped
from ocsnap.database.open import open_rows, open_transaction
from ocsnap.database.settings import DatabaseSettings
from ocsnap.errors import DatabaseError
from tests.database.dumps import name, opened, read, take
from tests.database.test_any_rows import tables

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.database.rows import Value
    from tests.servers.database_server import DatabaseServer

# What the server's CAST shows otherwise than a dump writes it, see `columns`.
OTHER_TEXTS = ("FLOAT", "DOUBLE", "BIT", "ENUM", "POINT", "SET", "GENERATED", "UUID", "INET6")

VALUES = st.none() | st.integers(-(2**63), 2**64) | st.text() | st.binary()


def sql(value: Value) -> bytes:
    if value is None:
        return b"NULL"
    if isinstance(value, int | float):
        return str(value).encode()
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return b"'" + escaped(data) + b"'"


def plain(value: Value) -> Value:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


@given(rows=st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_is_written_is_read(rows: list[list[Value]]):
    texts = [b"(" + b",".join(map(sql, row)) + b")" for row in rows]
    statement = b"INSERT INTO `t` (`a`, `b``,c`) VALUES\n" + b",\n".join(texts)
    found = list(rows_of(statement, "t.sql"))
    assert found == [dict(zip(["a", "b`,c"], map(plain, row), strict=True)) for row in rows]


@given(rows=st.lists(st.tuples(st.integers(0, 5), VALUES), min_size=1, max_size=9))
def test_rows_can_be_chosen_by_a_column(rows: list[tuple[int, Value]]):
    texts = [b"(" + b",".join(map(sql, row)) + b")" for row in rows]
    statement = b"INSERT INTO `t` (`a`, `b`) VALUES\n" + b",\n".join(texts)
    found = [row["a"] for row in rows_of(statement, "t.sql", "a", {1, 4})]
    assert found == [number for number, _ in rows if number in {1, 4}]
    with pytest.raises(DatabaseError):
        list(rows_of(statement, "t.sql", "c", {1}))


@pytest.mark.parametrize(
    "text",
    [
        b"(1,2",
        b"1,2)",
        b"(1,,2)",
        b"(1 ,2)",
        b"('a''b',1)",
        b"('a\\x',1)",
        b"('a',1);DROP",
        b"(NOW(),1)",
        b"(0x41,1)",
        b"('a\\',1)",
        b"(_latin1'a',1)",
        b"(1e5,1)",
        b"",
    ],
)
def test_anything_else_is_refused(text: bytes):
    with pytest.raises(DatabaseError, match="cannot be read"):
        list(rows_of(b"INSERT INTO `t` (`a`, `b`) VALUES\n" + text, "t.sql"))


@pytest.mark.parametrize("head", [b"(`a`,`b`)", b"(a, b)", b"(`a`, `b)", b"(`a`, `b`, 1)"])
def test_odd_columns_are_refused(head: bytes):
    with pytest.raises(DatabaseError, match="cannot be read"):
        list(rows_of(b"INSERT INTO `t` " + head + b" VALUES\n(1,2)", "t.sql"))


@given(text=st.binary(max_size=40) | st.text("(),'\\\\N\\nUL0-9_utf8mb4 ").map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes):
    try:
        values = values_of(text, "t.sql")
    except DatabaseError:
        return
    assert (text[:1], text[-1:]) == (b"(", b")")
    assert text.count(b",") >= len(values) - 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_row_is_read_as_the_server_has_it(server: DatabaseServer, data: st.DataObject):
    table = data.draw(tables(mariadb=server.kind == "mariadb"))
    database = server.new_database()
    try:
        server.run(database, "SET sql_mode = '', time_zone = '+00:00'", *table.statements())
        found = list(MysqlDumpRows(take(server.settings(database))).rows(table.name))
        columns = ["id", *(each for each, kind in table.columns if not _shows_otherwise(kind))]
        listed = ", ".join(f"CAST({name(column)} AS BINARY)" for column in columns)
        rows = server.run(
            database, "SET time_zone = '+00:00'", f"SELECT {listed} FROM {name(table.name)}"
        )
        wanted = {int(row[0]): dict(zip(columns, row, strict=True)) for row in rows}
        assert len(found) == len(wanted) == len(table.rows)
        for row in found:
            for column in columns:
                assert _is(row[column], wanted[int(str(row["id"]))][column]), (column, row)
    finally:
        server.run(None, f"DROP DATABASE {database}")


def _shows_otherwise(kind: str) -> bool:
    return any(word in kind for word in OTHER_TEXTS)


def _is(value: Value, shown: bytes | None) -> bool:
    if value is None or shown is None:
        return value is shown
    if isinstance(value, int):
        return Decimal(value) == Decimal(shown.decode())
    return (value.encode() if isinstance(value, str) else value) == shown


def test_a_row_goes_from_a_dump_into_another_database(server: DatabaseServer):
    database, other = server.new_database(), server.new_database()
    create = "CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR(40), b LONGBLOB, c DATETIME)"
    odd = "'\\\n\r\0\x1a%?😀"
    settings = server.settings(other)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(create)
        cursor.execute(
            "INSERT INTO t VALUES (0, %s, %s, '2026-01-01 12:00:00'), (2, NULL, %s, NULL)",
            (odd, b"\xff\x00'", odd.encode()),
        )
    server.run(other, create)
    dump = take(server.settings(database))
    rows = list(MysqlDumpRows(dump).rows("t"))
    with open_transaction(settings, tables=["t", "missing"]) as transaction:
        assert transaction.columns("t") == ("id", "a", "b", "c")
        assert transaction.columns("missing") == ()
        for row in rows:
            transaction.execute("INSERT INTO t VALUES (?, ?, ?, ?)", list(row.values()))
        assert transaction.query("SELECT id FROM t WHERE a = ?", (odd,)) == [(0,)]
    assert take(settings).manifest.tables[0].checksum == dump.manifest.tables[0].checksum


def test_an_error_gives_the_whole_transaction_up(server: DatabaseServer):
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB")
    with (  # noqa: PT012 - the second statement is the one
        pytest.raises(DatabaseError, match="Duplicate"),
        open_transaction(server.settings(database), tables=["t"]) as transaction,
    ):
        transaction.execute("INSERT INTO t VALUES (1)")
        transaction.execute("INSERT INTO t VALUES (1)")
    assert server.run(database, "SELECT * FROM t") == []


def test_tables_without_transactions_are_refused(server: DatabaseServer):
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT) ENGINE=MyISAM")
    with (
        pytest.raises(DatabaseError, match="The tables t know no transactions"),
        open_transaction(server.settings(database), tables=["t"]),
    ):
        pass


def test_sqlite_does_the_same(tmp_path: Path):
    import sqlite3

    settings = DatabaseSettings(kind="sqlite3", name=str(tmp_path / "oc.db"))
    with sqlite3.connect(settings.name) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
        connection.execute("INSERT INTO t VALUES (1, 'ü', x'ff00')")
    connection.close()
    from ocsnap.database.open import open_database

    with open_database(settings, scratch_dir=tmp_path).freeze() as dump:
        stored = read(dump)
    with open_rows(stored, scratch_dir=tmp_path) as rows:
        assert rows.tables == {"t"}
        assert list(rows.rows("t")) == [{"id": 1, "a": "ü", "b": b"\xff\x00"}]
    assert [path.name for path in tmp_path.iterdir()] == ["oc.db"]
    with open_transaction(settings, tables=["t"]) as transaction:
        assert transaction.columns("t") == ("id", "a", "b")
        transaction.execute("INSERT INTO t (a) VALUES (?)", ("x",))
    with (  # noqa: PT012 - the second statement is the one
        pytest.raises(DatabaseError, match="UNIQUE"),
        open_transaction(settings, tables=["t"]) as transaction,
    ):
        transaction.execute("INSERT INTO t (a) VALUES (?)", ("y",))
        transaction.execute("INSERT INTO t (id) VALUES (?)", (1,))
    with open_transaction(settings, tables=["t"]) as transaction:
        assert transaction.query("SELECT a FROM t WHERE id > ?", (1,)) == [("x",)]
    assert opened(settings).query("SELECT COUNT(*) FROM t") == [(2,)]
