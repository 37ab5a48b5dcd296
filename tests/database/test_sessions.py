"""Several sessions dump what one would, of the same state, or leave it to one."""

from __future__ import annotations

import random
import re
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.database.database import MANIFEST, TableInfo
from ocsnap.database.mysql import dump as dumping
from ocsnap.database.mysql import ranges, same_state
from ocsnap.database.mysql.formatter import CompiledFormatter, PythonFormatter, is_compiled
from ocsnap.database.mysql.row_loader import Batch, RowLoader
from ocsnap.database.mysql.same_state import begin_together
from ocsnap.database.mysql.schema import TableOrder, read_order, read_tables
from ocsnap.database.mysql.session import Session
from ocsnap.database.mysql.snapshot import begin, open_snapshot
from ocsnap.errors import DatabaseError
from tests.database.dumps import load, opened, read, take
from tests.owncloud.guardians import wait_until

if TYPE_CHECKING:
    from ocsnap.database.settings import DatabaseSettings
    from tests.database.dumps import MemoryDump
    from tests.servers.database_server import DatabaseServer

SESSIONS = 3
TABLES = {
    "composite": "a INT, b VARCHAR(9), v TEXT, PRIMARY KEY (a, b)",
    "empty": "id INT PRIMARY KEY, v TEXT",
    "by_name": "id VARCHAR(40) PRIMARY KEY, v TEXT",
    "gaps": "id BIGINT PRIMARY KEY, v TEXT",
    "keyless": "id INT, v TEXT",
    "negative": "id MEDIUMINT PRIMARY KEY, v TEXT",
    "one_far_away": "id BIGINT UNSIGNED PRIMARY KEY, v TEXT",
}
IN_RANGES = {"composite", "gaps", "negative", "one_far_away"}


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", 20_000)


@pytest.fixture(scope="module")
def database(server: DatabaseServer) -> str:
    name = server.new_database()
    dice = random.Random(5)
    texts = [f"'it''s {n}\\\\ {'x' * dice.randrange(200)}'" for n in range(2000)]
    far = [*range(1, 1999), 2**63, 2**64 - 1]
    keys: dict[str, list[str]] = {
        "composite": [f"{n // 300}, 'k{n:05}'" for n in range(2000)],
        "by_name": [f"'{n:07}'" for n in range(2000)],
        "gaps": [str(n**3 - 10**9) for n in range(2000)],
        "keyless": [str(n) for n in range(2000)],
        "negative": [str(n - 1000) for n in range(2000)],
        "one_far_away": [str(n) for n in far],
    }
    for table, columns in TABLES.items():
        server.run(name, f"CREATE TABLE {table} ({columns}) ENGINE=InnoDB")
    server.run(name, "CREATE TABLE old (id INT PRIMARY KEY, v TEXT) ENGINE=MyISAM")
    for table, listed in [*keys.items(), ("old", keys["negative"])]:
        rows = ", ".join(f"({key}, {text})" for key, text in zip(listed, texts, strict=True))
        server.run(name, f"INSERT INTO {table} VALUES {rows}", f"ANALYZE TABLE {table}")
    return name


def _settings(server: DatabaseServer, database: str) -> DatabaseSettings:
    return server.settings(database, sessions=SESSIONS)


def _readers(settings: DatabaseSettings) -> int:
    with closing(Session(settings, database=settings.name)) as session:
        snapshot = open_snapshot(session, settings)
        for reader in snapshot.readers:
            reader.close()
        return len(snapshot.readers)


def _content(dump: MemoryDump) -> object:
    """Return all but the server's estimates, which change by themselves."""
    return {name: text for name, text in dump.items() if name != MANIFEST}, dump.manifest.tables


def test_they_write_the_same_bytes(
    server: DatabaseServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(server, database)
    wait_until(lambda: _readers(settings) == SESSIONS)
    alone = take(replace(settings, sessions=1))
    assert _content(take(settings)) == _content(alone)
    monkeypatch.setattr(dumping, "new_formatter", PythonFormatter)
    assert _content(take(replace(settings, sessions=1))) == _content(alone)
    assert _content(take(settings)) == _content(alone)
    assert is_compiled()
    monkeypatch.setattr(dumping, "new_formatter", CompiledFormatter)
    assert _content(take(settings)) == _content(alone)
    assert {table.name: table.rows for table in alone.manifest.tables} == {
        **dict.fromkeys(TABLES, 2000),
        "empty": 0,
        "old": 2000,
    }


def test_ranges_are_many_and_hold_each_row_once(server: DatabaseServer, database: str) -> None:
    settings = _settings(server, database)
    with closing(Session(settings, database=database)) as session:
        for table in read_tables(session):
            order = read_order(session, table)
            wheres = ranges.conditions(session, table, order)
            assert (len(wheres) > 4) == (table.name in IN_RANGES), (table, wheres)
            counts = [
                int(session.texts(f"SELECT COUNT(*) FROM {table.name} WHERE {where or '1'}")[0][0])
                for where in wheres
            ]
            assert sum(counts) == (0 if table.name == "empty" else 2000)
            if table.name in {"gaps", "negative", "one_far_away"}:
                assert max(counts) < 1000


def test_a_range_whose_estimate_never_shrinks_ends_all_the_same() -> None:
    asked = 0

    class Server:
        def texts(self, _: str) -> list[tuple[str]]:
            return [("bigint",)]

        def rows(self, sql: str) -> list[tuple[bytes, ...]]:
            nonlocal asked
            if sql.startswith("EXPLAIN"):
                asked += 1
                return [(*[b""] * 8, b"999999999", b"")]
            return [(b"-9223372036854775808", b"9223372036854775807")]

    table = TableInfo(
        name="t", engine="InnoDB", transactional=True, estimate_rows=10**6, estimate_bytes=10**9
    )
    wheres = ranges.conditions(Server(), table, TableOrder(("id",), clustered=True))  # type: ignore[arg-type]
    assert asked < 1200
    assert len(wheres) < 5000


def test_money_moves_and_all_sessions_see_the_same(server: DatabaseServer) -> None:
    database = server.new_database()
    rows = ", ".join(f"({number}, 1000, REPEAT('x', 500))" for number in range(400))
    for table in ("a", "z"):
        server.run(
            database,
            f"CREATE TABLE {table} (id INT PRIMARY KEY, money INT, pad TEXT) ENGINE=InnoDB",
            f"INSERT INTO {table} VALUES {rows}",
        )
    stop = threading.Event()

    def move() -> None:
        dice = random.Random(7)
        with server.connect(database, autocommit=False) as connection:
            while not stop.is_set():
                with connection.cursor() as cursor:
                    source, sink = dice.sample(("a", "z"), 2)
                    for table, sign in ((source, "-"), (sink, "+")):
                        account = dice.randrange(400)
                        cursor.execute(
                            f"UPDATE {table} SET money = money {sign} 5 WHERE id = {account}"
                        )
                connection.commit()
                stop.wait(dice.choice([0, 0, 0, 0.3]))

    writer = threading.Thread(target=move)
    writer.start()
    settings = _settings(server, database)
    together = 0
    try:
        for _ in range(60):
            with opened(settings).freeze() as frozen:
                together += bool(frozen._readers)  # type: ignore[attr-defined]
                dump = read(frozen)
            text = dump["tables/a.sql"] + dump["tables/z.sql"]
            money = re.findall(rb"^\(\d+,(-?\d+),", text, re.MULTILINE)
            assert sum(map(int, money)) == 800 * 1000
            if together > 3:
                break
    finally:
        stop.set()
        writer.join()
    assert together


def test_rows_stay_in_order_whatever_columns_are_called(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (v INT, c0 INT PRIMARY KEY) ENGINE=InnoDB")
    server.run(database, "INSERT INTO t VALUES (3, 1), (1, 2), (2, 3)")
    dump = take(_settings(server, database))
    (text,) = (dump[table.stream] for table in dump.manifest.tables)
    assert re.findall(rb"^\((.+)\)[,;]$", text, re.MULTILINE) == [b"3,1", b"1,2", b"2,3"]


def test_what_others_have_not_committed_is_in_no_snapshot(
    server: DatabaseServer, database: str
) -> None:
    settings = _settings(server, database)
    before = take(settings)
    with server.connect(database, autocommit=False) as writer, writer.cursor() as cursor:
        cursor.execute("DELETE FROM gaps LIMIT 1")
        with opened(settings).freeze() as frozen:
            writer.rollback()
            assert _content(read(frozen)) == _content(before)


def test_a_commit_between_two_snapshots_is_seen(
    server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT) ENGINE=InnoDB", "INSERT INTO t VALUES (0)")
    settings = server.settings(database)
    with (
        server.connect(database, autocommit=False) as writer,
        writer.cursor() as cursor,
        closing(Session(settings, database=database)) as first,
        closing(Session(settings, database=database)) as second,
    ):

        def begin_and_commit(session: Session) -> None:
            begin(session)
            if session is first:
                writer.commit()

        with monkeypatch.context() as once:
            once.setattr(same_state, "ATTEMPTS", 1)
            once.setattr(same_state, "PAUSE_SECONDS", 0)
            for _ in range(200):
                # All is written before the first look, but for the commit itself.
                cursor.execute("INSERT INTO t VALUES (1)")
                assert not begin_together(first, [second], begin_and_commit)
        wait_until(lambda: begin_together(first, [second], begin))


@pytest.mark.parametrize(
    ("version", "counts_ids"),
    [
        ("5.5.68-MariaDB", False),
        ("10.2.44-MariaDB-log", False),
        ("10.3.0-MariaDB", True),
        ("11.4.2-MariaDB-ubu2404", True),
        ("5.6.51", False),
        ("8.4.0", False),
    ],
)
def test_what_only_inserts_counts_as_ended_only_on_later_mariadbs(
    version: str, *, counts_ids: bool
) -> None:
    assert (same_state.name_of_count(version) == "Innodb_max_trx_id") == counts_ids


def test_nobody_else_may_be_at_work_when_it_begins(server: DatabaseServer) -> None:
    database = server.new_database()
    settings = server.settings(database)
    with server.connect(database) as other, closing(Session(settings, database=database)) as first:
        sleeping = threading.Thread(target=other.query, args=("SELECT SLEEP(1)",))
        sleeping.start()
        try:
            assert not begin_together(first, [first], begin)
        finally:
            sleeping.join()
        wait_until(lambda: begin_together(first, [first], begin))


def _limited(server: DatabaseServer, rights: str, *, connections: int) -> str:
    """Make a user who may open so many connections; return the name."""
    user = f"few{random.randrange(10**9)}"
    account = f"'{user}'@'localhost'"
    server.run(
        None,
        f"CREATE USER {account} IDENTIFIED BY 'secret'",
        f"GRANT {rights} TO {account} WITH MAX_USER_CONNECTIONS {connections}",
    )
    return user


def test_one_session_dumps_where_no_more_are_to_be_had(
    server: DatabaseServer, database: str
) -> None:
    rights = f"SELECT, SHOW VIEW, TRIGGER, EVENT ON {database}.*"
    user = _limited(server, rights, connections=SESSIONS + 1)
    settings = replace(_settings(server, database), user=user, password="secret")
    wait_until(lambda: _readers(replace(settings, sessions=SESSIONS - 1)) == SESSIONS - 1)
    more = replace(settings, sessions=SESSIONS + 1)
    assert _readers(more) == 0
    assert take(more).manifest.tables == take(_settings(server, database)).manifest.tables


def test_a_killed_session_fails_the_dump(server: DatabaseServer, database: str) -> None:
    with opened(_settings(server, database)).freeze() as frozen:
        streams = frozen.streams()
        next(next(streams).chunks)
        for (number,) in server.run(
            None, f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{database}'"
        ):
            server.run(None, f"KILL {number}")
        with pytest.raises(DatabaseError):
            read(frozen)
    assert not _threads("read-")


def test_nothing_goes_on_after_a_dump_that_was_given_up(
    server: DatabaseServer, database: str
) -> None:
    connections = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{database}'"
    with opened(_settings(server, database)).freeze() as frozen:
        chunks = next(frozen.streams()).chunks
        next(chunks)
        assert server.run(None, connections)[0][0] in {1, SESSIONS + 1}
    assert not _threads("read-")
    wait_until(lambda: server.run(None, connections)[0][0] == 0)


def _threads(start: str) -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith(start)]


def test_they_load_the_same(server: DatabaseServer, database: str) -> None:
    dump = take(_settings(server, database))
    copy = f"{database}_copy"
    report = load(server.settings(copy, sessions=SESSIONS), dump)
    assert report.rows == 2000 * len(TABLES)
    assert _content(take(server.settings(copy))) == _content(dump)
    # Nobody loads in place, and what stood there is kept.
    again = load(server.settings(copy, sessions=SESSIONS), dump)
    assert again.kept is not None
    assert not _threads("load-")
    server.run(None, f"DROP DATABASE {copy}", f"DROP DATABASE {again.kept}")


@pytest.mark.parametrize(
    ("table", "damage", "instead"),
    [
        ("gaps", b"INSERT INTO `gaps`", b"INSERT INTO `nowhere`"),
        ("negative", b",\n(-999,", b",\n(-1000,"),
        ("one_far_away", b"-- completed", b"-- cut"),
    ],
)
def test_a_failure_in_one_session_leaves_nothing(
    server: DatabaseServer, database: str, table: str, damage: bytes, instead: bytes
) -> None:
    dump = take(_settings(server, database))
    name = f"tables/{table}.sql"
    assert damage in dump[name]
    dump[name] = dump[name].replace(damage, instead, 1)
    copy = f"{database}_copy"
    with pytest.raises(DatabaseError, match=f"loading the table '{table}'|breaks off"):
        load(server.settings(copy, sessions=SESSIONS), dump)
    assert server.databases(copy) == []
    assert not _threads("load-")


def test_one_session_loads_where_no_more_are_to_be_had(
    server: DatabaseServer, database: str
) -> None:
    user = _limited(server, "ALL ON *.*", connections=2)
    dump = take(_settings(server, database))
    copy = f"{database}_copy"
    settings = replace(server.settings(copy, sessions=SESSIONS), user=user, password="secret")
    assert load(settings, dump).rows == 2000 * len(TABLES)
    server.run(None, f"DROP DATABASE {copy}", f"DROP USER '{user}'@'localhost'")


def test_a_batch_that_the_server_gives_up_is_loaded_again(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(
        database,
        "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
        "INSERT INTO t VALUES (1, 0), (2, 0)",
    )
    batch = Batch("t", ())
    for statement in (
        b"INSERT INTO t VALUES (3, 0)",
        b"UPDATE t SET v = v + 1 WHERE id = 2",
        b"UPDATE t SET v = v + 1 WHERE id = 1",
    ):
        batch.add(statement)
    waiting = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"

    def is_one_waiting() -> bool:
        # Whoever asks again within a tenth of a second is told the same as before.
        time.sleep(0.2)
        return server.run(None, waiting)[0][0] == 1

    with (
        closing(Session(server.settings(database), database=database)) as session,
        closing(RowLoader([session])) as loader,
        server.connect(database, autocommit=False) as other,
        other.cursor() as cursor,
    ):
        # The other one has written more, so it is not the one to be given up.
        rows = ", ".join(f"({n}, 0)" for n in range(10, 500))
        cursor.execute(f"INSERT INTO t VALUES {rows}")
        cursor.execute("UPDATE t SET v = v + 10 WHERE id = 1")
        loader.submit(batch)
        wait_until(is_one_waiting)
        cursor.execute("UPDATE t SET v = v + 10 WHERE id = 2")
        other.commit()
        loader.wait()
    found = server.run(database, "SELECT id, v FROM t WHERE id < 10")
    assert found == [(1, 11), (2, 11), (3, 0)]
