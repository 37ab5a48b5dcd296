"""A small change of a table is a small change of its dump."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.database.dumps import take

if TYPE_CHECKING:
    from tests.servers.database_server import DatabaseServer


def _filled(server: DatabaseServer, rows: int, engine: str = "InnoDB") -> str:
    database = server.new_database()
    dice = random.Random(1)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(999)) ENGINE={engine}")
        cursor.executemany(
            "INSERT INTO t VALUES (%s, %s)",
            [(2 * n, f"{dice.random()}" * dice.randrange(1, 30)) for n in range(rows)],
        )
    return database


def _table(server: DatabaseServer, database: str) -> bytes:
    return take(server.settings(database))["tables/t.sql"]


def test_unchanged_is_the_same_bytes(server: DatabaseServer) -> None:
    database = _filled(server, 100)
    assert _table(server, database) == _table(server, database)


def test_one_row_more_moves_no_boundary(server: DatabaseServer) -> None:
    database = _filled(server, 6000)
    before = _table(server, database)
    assert before.count(b"INSERT INTO ") > 5
    for row in (1, 3001, 9001):
        server.run(database, f"INSERT INTO t VALUES ({row}, 'one more')")
        after = _table(server, database)
        added = set(after.split(b"\n")) - set(before.split(b"\n"))
        removed = set(before.split(b"\n")) - set(after.split(b"\n"))
        # The row and the summary; an INSERT more when the row happens to end its statement.
        assert len(added) == 2
        assert len(removed) == 1
        assert 0 <= after.count(b"INSERT INTO ") - before.count(b"INSERT INTO ") <= 1
        before = after


def test_a_row_less_and_a_row_changed(server: DatabaseServer) -> None:
    database = _filled(server, 6000)
    before = _table(server, database).split(b"\n")
    server.run(database, "DELETE FROM t WHERE id = 500", "UPDATE t SET v = 'new' WHERE id = 7000")
    after = _table(server, database).split(b"\n")
    assert len(set(after) - set(before)) == 2
    assert len(set(before) - set(after)) == 3


def test_rows_come_in_the_order_of_the_key(server: DatabaseServer) -> None:
    for engine in ("InnoDB", "MyISAM"):
        database = server.new_database()
        server.run(
            database,
            f"CREATE TABLE t (v INT, a INT, b VARCHAR(5), PRIMARY KEY (b, a)) ENGINE={engine}",
            "INSERT INTO t VALUES (1, 3, 'b'), (2, 1, 'b'), (3, 2, 'a'), (4, 9, 'B')",
        )
        text = _table(server, database)
        rows = [line for line in text.split(b"\n") if line.startswith(b"(")]
        assert [row[1:2] for row in rows] == [b"3", b"2", b"1", b"4"]
        assert b"-- rows: in the order of the primary key\n" in text


def test_no_statement_is_longer_than_an_old_server_takes(server: DatabaseServer) -> None:
    database = server.new_database()
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT) ENGINE=InnoDB")
        cursor.executemany(
            "INSERT INTO t VALUES (%s, %s)",
            [(number, "y" * (number % 60) * 1000) for number in range(300)],
        )
    statements = _table(server, database).split(b"INSERT INTO ")
    assert len(statements) > 20
    assert max(map(len, statements)) < 1_000_000
