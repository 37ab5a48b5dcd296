"""One moment of the database, whatever writers and administrators do meanwhile."""

from __future__ import annotations

import random
import re
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pymysql
import pytest

from ocsnap.database.mysql.schema import read_tables
from ocsnap.database.mysql.session import Session
from ocsnap.database.mysql.snapshot import begin, filled_meanwhile, open_snapshot, pin
from ocsnap.errors import DatabaseError
from tests.database.dumps import opened, read, take

if TYPE_CHECKING:
    from tests.servers.database_server import DatabaseServer

ACCOUNTS = 200
MONEY = 1000


def _bank(server: DatabaseServer) -> str:
    database = server.new_database()
    rows = ", ".join(f"({number}, {MONEY}, REPEAT('x', 500))" for number in range(ACCOUNTS))
    for table in ("a_accounts", "z_accounts"):
        server.run(
            database,
            f"CREATE TABLE {table} (id INT PRIMARY KEY, money INT, pad TEXT) ENGINE=InnoDB",
            f"INSERT INTO {table} VALUES {rows}",
        )
    return database


def _total(dump: dict[str, bytes]) -> int:
    text = dump["tables/a_accounts.sql"] + dump["tables/z_accounts.sql"]
    return sum(int(money) for money in re.findall(rb"^\(\d+,(-?\d+),", text, re.MULTILINE))


def test_money_moves_and_none_is_lost(server: DatabaseServer) -> None:
    database = _bank(server)
    stop = threading.Event()
    moved = [0]

    def move() -> None:
        dice = random.Random(7)
        with server.connect(database, autocommit=False) as connection:
            while not stop.is_set():
                with connection.cursor() as cursor:
                    source, sink = dice.sample(("a_accounts", "z_accounts"), 2)
                    account = dice.randrange(ACCOUNTS)
                    cursor.execute(f"UPDATE {source} SET money = money - 5 WHERE id = {account}")
                    cursor.execute(f"UPDATE {sink} SET money = money + 5 WHERE id = {account}")
                connection.commit()
                moved[0] += 1

    writer = threading.Thread(target=move)
    writer.start()
    try:
        for _ in range(5):
            before = moved[0]
            with opened(server.settings(database)).freeze() as frozen:
                while moved[0] < before + 20:
                    assert writer.is_alive()
                first = read(frozen)
                again = read(frozen)
            assert _total(first) == 2 * ACCOUNTS * MONEY
            assert again == first
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE z_accounts ADD COLUMN more INT DEFAULT 1",
        "TRUNCATE TABLE z_accounts",
        "DROP TABLE z_accounts",
        "RENAME TABLE z_accounts TO elsewhere",
    ],
)
def test_definitions_hold_still_while_frozen(server: DatabaseServer, change: str) -> None:
    database = _bank(server)
    with opened(server.settings(database)).freeze() as frozen:
        with server.connect(database) as other, other.cursor() as cursor:
            cursor.execute("SET lock_wait_timeout = 1")
            with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"):
                cursor.execute(change)
        assert _total(read(frozen)) == 2 * ACCOUNTS * MONEY
    server.run(database, change)


@pytest.mark.parametrize(
    "change", ["ALTER TABLE t ENGINE=InnoDB, ADD COLUMN more INT", "DROP TABLE t"]
)
def test_a_change_just_before_the_first_read_is_seen(server: DatabaseServer, change: str) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT) ENGINE=InnoDB", "INSERT INTO t VALUES (1)")
    with closing(Session(server.settings(database), database=database)) as session:
        begin(session)
        tables = read_tables(session)
        server.run(database, change)
        with pytest.raises(pymysql.err.MySQLError):
            pin(session, tables)


def test_opening_outlasts_a_busy_administrator(server: DatabaseServer) -> None:
    database = _bank(server)
    stop = threading.Event()

    def alter() -> None:
        with server.connect(database) as connection, connection.cursor() as cursor:
            while not stop.wait(0.3):
                cursor.execute("ALTER TABLE z_accounts ADD COLUMN more INT DEFAULT 1, FORCE")
                cursor.execute("ALTER TABLE z_accounts DROP COLUMN more, FORCE")

    administrator = threading.Thread(target=alter)
    administrator.start()
    try:
        for _ in range(3):
            try:
                dump = take(server.settings(database))
            except DatabaseError as error:
                assert "altered all the time" in error.message  # noqa: PT017 - either is right
            else:
                assert _total(dump) == 2 * ACCOUNTS * MONEY
    finally:
        stop.set()
        administrator.join()


def test_a_table_emptied_without_an_error_is_seen(old_mysql: DatabaseServer) -> None:
    database = old_mysql.new_database()
    old_mysql.run(database, "CREATE TABLE t (id INT) ENGINE=InnoDB", "INSERT INTO t VALUES (1)")
    settings = old_mysql.settings(database)
    with closing(Session(settings, database=database)) as session:
        begin(session)
        tables = read_tables(session)
        # No row and no error: what MySQL 5.6 does on TRUNCATE, 5.5 does on ALTER TABLE.
        old_mysql.run(database, "TRUNCATE TABLE t", "INSERT INTO t VALUES (2)")
        empty = pin(session, tables)
        assert empty == {"t"}
        assert filled_meanwhile(settings, empty)
        session.execute("ROLLBACK")
        open_snapshot(session, settings)
        assert session.texts("SELECT id FROM t") == [("2",)]


def test_an_empty_table_made_anew_is_looked_at_again(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT) ENGINE=InnoDB")
    settings = server.settings(database)
    with closing(Session(settings, database=database)) as session:
        assert [table.name for table in open_snapshot(session, settings).tables] == ["t"]
        assert session.texts("SELECT COUNT(*) FROM t") == [("0",)]
        server.run(database, "INSERT INTO t VALUES (1)")
        assert session.texts("SELECT COUNT(*) FROM t") == [("0",)]


def test_a_myisam_table_that_grows_fails_the_dump(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT) ENGINE=MyISAM", "INSERT INTO t VALUES (1), (2)")
    with opened(server.settings(database)).freeze() as frozen:
        assert not frozen.transactional
        streams = frozen.streams()
        chunks = next(streams).chunks
        next(chunks)
        next(chunks)
        with server.connect(database) as other:
            # The open transaction blocks definitions, not rows: MyISAM knows no snapshot.
            other.query("INSERT INTO t VALUES (3)")
        with pytest.raises(DatabaseError, match="has 3 rows, but 2 were dumped"):
            list(chunks)


def test_a_stream_not_read_to_its_end_makes_no_manifest(server: DatabaseServer) -> None:
    database = _bank(server)
    with opened(server.settings(database)).freeze() as frozen:
        assert frozen.transactional
        streams = frozen.streams()
        next(next(streams).chunks)
        with pytest.raises(DatabaseError, match="not read to its end"):
            next(streams)


def test_a_killed_connection_fails_the_dump(server: DatabaseServer) -> None:
    database = _bank(server)
    with opened(server.settings(database)).freeze() as frozen:
        for (number,) in server.run(
            None, f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{database}'"
        ):
            server.run(None, f"KILL {number}")
        with pytest.raises(DatabaseError, match="dumping the table 'a_accounts'"):
            read(frozen)


def test_rows_can_be_left_out(server: DatabaseServer) -> None:
    database = _bank(server)
    server.run(
        database, "CREATE TABLE locks (id INT) ENGINE=MyISAM", "INSERT INTO locks VALUES (1)"
    )
    settings = server.settings(database)
    with opened(settings, frozenset({"locks", "nowhere"})).freeze() as frozen:
        assert frozen.transactional
        dump = read(frozen)
    assert b"CREATE TABLE `locks`" in dump["tables/locks.sql"]
    assert b"INSERT INTO" not in dump["tables/locks.sql"]
    assert {table.name: table.rows for table in dump.manifest.tables} == {
        "a_accounts": ACCOUNTS,
        "locks": 0,
        "z_accounts": ACCOUNTS,
    }


def test_what_must_be_read_inside_the_window_is_known_before(server: DatabaseServer) -> None:
    """One table without snapshots, and the whole dump is made while users are locked out."""
    database = _bank(server)
    assert opened(server.settings(database)).held_bytes() == 0
    server.run(
        database,
        "CREATE TABLE odd (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT) ENGINE=MyISAM",
        *["INSERT INTO odd (v) VALUES (REPEAT('x', 900000))"] * 4,
    )
    assert opened(server.settings(database)).held_bytes() > 4 * 900_000
    left_out = opened(server.settings(database), frozenset({"odd"}))
    assert left_out.held_bytes() == 0
