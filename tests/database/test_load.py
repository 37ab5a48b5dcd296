"""A load replaces a database as a whole or leaves it as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocsnap.database.database import MANIFEST
from ocsnap.errors import DatabaseError
from ocsnap.monitor import SilentMonitor
from tests.database.dumps import differing_rows, load, show_create, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.database.dumps import MemoryDump
    from tests.servers.database_server import DatabaseServer


def _shop(server: DatabaseServer) -> str:
    """Make a database that has one of everything."""
    database = server.new_database("latin1")
    server.run(
        database,
        "CREATE TABLE parent (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20)) ENGINE=InnoDB",
        "CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT up FOREIGN KEY (parent)"
        " REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB",
        "CREATE TABLE loop_ (id INT PRIMARY KEY, other INT, CONSTRAINT self FOREIGN KEY (other)"
        " REFERENCES loop_ (id)) ENGINE=InnoDB",
        "CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=MyISAM",
        "INSERT INTO parent VALUES (1, 'one'), (2, 'two')",
        "ALTER TABLE parent AUTO_INCREMENT = 77",
        "INSERT INTO child VALUES (10, 1), (11, 2)",
        "INSERT INTO loop_ VALUES (1, NULL), (2, 1)",
        "INSERT INTO plain VALUES (5)",
        "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
        "CREATE PROCEDURE fill() BEGIN INSERT INTO plain VALUES (6); END",
        "CREATE VIEW zz_base AS SELECT id, twice(id) AS n FROM parent",
        "CREATE VIEW aa_top AS SELECT n FROM zz_base",
        f"CREATE TRIGGER {database}.shout BEFORE INSERT ON {database}.parent"
        " FOR EACH ROW SET NEW.t = UPPER(NEW.t)",
        "CREATE EVENT tidy ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01 00:00:00'"
        " DO DELETE FROM plain",
    )
    return database


def _works(server: DatabaseServer, database: str) -> None:
    """See that everything of `_shop` does its work in `database`, and nowhere else."""
    run = server.run
    assert run(database, "SELECT n FROM aa_top ORDER BY n") == [(2,), (4,)]
    run(database, "INSERT INTO parent (t) VALUES ('three')")
    assert run(database, "SELECT id, t FROM parent WHERE t = 'THREE'") == [(77, "THREE")]
    run(database, "CALL fill()")
    assert run(database, "SELECT COUNT(*) FROM plain") == [(2,)]
    with pytest.raises(Exception, match="foreign key constraint fails"):
        run(database, "INSERT INTO child VALUES (12, 999)")
    with pytest.raises(Exception, match="foreign key constraint fails"):
        run(database, "INSERT INTO loop_ VALUES (12, 999)")
    run(database, "DELETE FROM parent WHERE id = 1")
    assert run(database, "SELECT id FROM child") == [(11,)]
    events = f"FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{database}'"
    assert run(database, f"SELECT EVENT_NAME, STATUS {events}") == [("tidy", "ENABLED")]


def _everything(server: DatabaseServer, database: str) -> dict[str, bytes]:
    """Return all that is in a database, as bytes to compare."""
    dump = take(server.settings(database))
    del dump[MANIFEST]
    return dump


def _statements(script: bytes) -> list[bytes]:
    return [line for line in script.split(b"\n") if not line.startswith(b"--")]


TABLES = ("child", "loop_", "parent", "plain")


def test_everything_comes_back_in_a_new_place(server: DatabaseServer) -> None:
    source = _shop(server)
    dump = take(server.settings(source))
    report = load(server.settings(f"{source}_new"), dump)
    assert (report.kept, report.tables, report.rows) == (None, 4, 7)
    assert report.size_bytes == sum(len(dump[f"tables/{table}.sql"]) for table in TABLES)
    for table in TABLES:
        assert show_create(server, f"{source}_new", table) == show_create(server, source, table)
    assert _everything(server, f"{source}_new") == _everything(server, source)
    server.run(None, f"DROP DATABASE {source}")
    _works(server, f"{source}_new")
    assert server.run(
        None,
        "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA"
        f" WHERE SCHEMA_NAME = '{source}_new'",
    ) == [("latin1",)]


def test_an_empty_database_is_loaded_in_place(server: DatabaseServer) -> None:
    dump = take(server.settings(_shop(server)))
    target = server.new_database("utf8mb4")
    assert load(server.settings(target), dump).kept is None
    assert server.databases(target) == [target]
    _works(server, target)


def test_what_stood_there_is_kept_and_works(server: DatabaseServer) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    server.run(
        target,
        "INSERT INTO plain VALUES (100)",
        "CREATE TABLE newer (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))"
        " ENGINE=InnoDB",
        "CREATE VIEW newer_view AS SELECT id FROM newer",
    )
    before = _everything(server, target)
    monitor = SilentMonitor()
    report = load(server.settings(target), dump, monitor)
    assert report.kept is not None
    assert monitor.problems == []
    assert server.databases(target) == [target, report.kept]
    kept = _everything(server, report.kept)
    switched_off = _statements(before.pop("events.sql").replace(b" ENABLE ", b" DISABLE "))
    assert _statements(kept.pop("events.sql")) == switched_off
    assert kept == before
    del dump[MANIFEST]
    assert _everything(server, target) == dump
    _works(server, target)
    # The kept one stands on its own feet: its keys point to its own tables.
    server.run(report.kept, "DELETE FROM parent WHERE id = 2")
    assert server.run(report.kept, "SELECT id FROM child") == [(10,)]
    assert server.run(target, "SELECT id FROM child") == [(11,)]


def _cut_off(dump: MemoryDump) -> None:
    dump["tables/parent.sql"] = dump["tables/parent.sql"][:-100]


def _lose_a_row(dump: MemoryDump) -> None:
    dump["tables/parent.sql"] = dump["tables/parent.sql"].replace(b"(1,'one'),\n", b"")


def _change_a_value(dump: MemoryDump) -> None:
    dump["tables/parent.sql"] = dump["tables/parent.sql"].replace(b"'one'", b"'eno'")


def _lose_a_table(dump: MemoryDump) -> None:
    del dump["tables/parent.sql"]


def _lose_a_create(dump: MemoryDump) -> None:
    dump["tables/plain.sql"] = dump["tables/child.sql"]


def _break_sql(dump: MemoryDump) -> None:
    dump["tables/child.sql"] = dump["tables/child.sql"].replace(b"(10,1)", b"(10,1")


def _break_a_view(dump: MemoryDump) -> None:
    dump["views.sql"] = dump["views.sql"].replace(b"from `parent`", b"from `parenx`")


def _break_a_trigger(dump: MemoryDump) -> None:
    dump["triggers.sql"] = dump["triggers.sql"].replace(b"UPPER", b"(PPER")


def _never_completed(dump: MemoryDump) -> None:
    del dump[MANIFEST]


def _newer_format(dump: MemoryDump) -> None:
    dump[MANIFEST] = dump[MANIFEST].replace(b'"format": 1', b'"format": 2')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_off, "breaks off"),
        (_lose_a_row, "1 rows were loaded, not 2"),
        (_change_a_value, "are not those of the dump"),
        (_lose_a_table, "lacks tables/parent.sql"),
        (_lose_a_create, "has not the tables of the dump: plain"),
        (_break_sql, "loading the table 'child'"),
        (_break_a_view, "loading views.sql"),
        (_break_a_trigger, "loading triggers.sql"),
        (_never_completed, "never completed"),
        (_newer_format, "format 2"),
    ],
)
def test_a_load_that_fails_leaves_all_as_it_was(
    server: DatabaseServer, damage: Callable[[MemoryDump], None], message: str
) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    server.run(target, "INSERT INTO plain VALUES (100)")
    before = _everything(server, target)
    damage(dump)
    for name in (target, f"{target}x"):
        monitor = SilentMonitor()
        with pytest.raises(DatabaseError, match=message):
            load(server.settings(name), dump, monitor)
        assert monitor.problems == []
    assert server.databases(target) == [target]
    assert _everything(server, target) == before


def test_a_swap_that_fails_half_way_is_undone(server: DatabaseServer) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    # Right in the scratch database, wrong in the target: noticed only after the tables moved.
    dump["views.sql"] = dump["views.sql"].replace(
        b" from `zz_base`", f" from `{target}`.`zz_lost`".encode().ljust(len(b" from `zz_base`"))
    )
    server.run(target, "CREATE VIEW zz_lost AS SELECT 1 AS n")
    text = dump["views.sql"]
    mark = b"CREATE ALGORITHM"
    start = text.index(mark)
    end = text.index(b"\n$$\n", start)
    length = text.rindex(b"-- statement: ", 0, start)
    dump["views.sql"] = (
        text[:length] + b"-- statement: %d bytes\n" % (end - start) + text[start:end] + text[end:]
    )
    before = _everything(server, target)
    with pytest.raises(DatabaseError, match=r"loading views\.sql"):
        load(server.settings(target), dump)
    assert server.databases(target) == [target]
    assert _everything(server, target) == before
    server.run(target, "DROP VIEW zz_lost")
    _works(server, target)


def test_an_account_that_may_not_make_databases(server: DatabaseServer) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    server.run(
        None,
        "CREATE USER 'cloud'@'localhost' IDENTIFIED BY 'x'",
        f"GRANT ALL PRIVILEGES ON `{target}`.* TO 'cloud'@'localhost'",
    )
    settings = server.settings(target, user="cloud", password="x")
    before = _everything(server, target)
    try:
        with pytest.raises(DatabaseError, match="'cloud'@'localhost' may not make") as failure:
            load(settings, dump)
        grant = failure.value.hint.split("administrator: ")[1].split("; or")[0]
        assert "[database] user and password_file" in failure.value.hint
        assert _everything(server, target) == before
        # With what the hint says the next obstacle shows: programs of another account.
        server.run(None, grant)
        with pytest.raises(DatabaseError, match="SUPER"):
            load(settings, dump)
        assert server.databases(target) == [target]
        assert _everything(server, target) == before
    finally:
        server.run(None, "DROP USER 'cloud'@'localhost'")


def test_programs_of_another_account_are_not_lost(server: DatabaseServer) -> None:
    target = _shop(server)
    plain = server.new_database()
    server.run(plain, "CREATE TABLE t (id INT)")
    server.run(
        None,
        "CREATE USER 'cloud'@'localhost' IDENTIFIED BY 'x'",
        "GRANT ALL PRIVILEGES ON `oc\\_%`.* TO 'cloud'@'localhost'",
        "GRANT SELECT ON mysql.proc TO 'cloud'@'localhost'",
    )
    before = _everything(server, target)
    try:
        with pytest.raises(DatabaseError, match=r"of admin@localhost, which .* may not move"):
            load(server.settings(target, user="cloud", password="x"), take(server.settings(plain)))
        assert server.databases(target) == [target]
        assert _everything(server, target) == before
    finally:
        server.run(None, "DROP USER 'cloud'@'localhost'")


def test_owncloud_s_own_account_may_replace_plain_tables(server: DatabaseServer) -> None:
    target = server.new_database()
    server.run(target, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    escaped = target.replace("_", "\\_")
    server.run(
        None,
        "CREATE USER 'cloud'@'localhost' IDENTIFIED BY 'x'",
        f"GRANT ALL PRIVILEGES ON `{escaped}`.* TO 'cloud'@'localhost'",
        f"GRANT ALL PRIVILEGES ON `{escaped}\\_%`.* TO 'cloud'@'localhost'",
    )
    settings = server.settings(target, user="cloud", password="x")
    try:
        dump = take(settings)
        server.run(target, "INSERT INTO t VALUES (2)")
        report = load(settings, dump)
        assert report.kept is not None
        assert server.run(target, "SELECT id FROM t") == [(1,)]
        assert server.run(report.kept, "SELECT id FROM t") == [(1,), (2,)]
    finally:
        server.run(None, "DROP USER 'cloud'@'localhost'")


def test_leftovers_of_a_killed_load_are_named(server: DatabaseServer) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    server.run(None, f"CREATE DATABASE {target}_ocsnap_20200101000000")
    monitor = SilentMonitor()
    load(server.settings(target), dump, monitor)
    assert monitor.notes == [
        f"The database {target}_ocsnap_20200101000000 was left by a load that was cut off: drop it."
    ]


def test_rows_of_some_megabytes(server: DatabaseServer) -> None:
    source = server.new_database()
    # MySQL 5.6 takes a tenth of its log at most in one transaction.
    size = 7_500_000 if server.kind == "mariadb" else 3_500_000
    with server.connect(source) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB) ENGINE=InnoDB")
        cursor.execute("INSERT INTO t VALUES (1, REPEAT('ü', 1500000), REPEAT(x'0027', 1000000))")
        cursor.execute(f"INSERT INTO t VALUES (2, REPEAT('y', {size}), REPEAT('z', {size}))")
        cursor.execute("INSERT INTO t VALUES (3, '', NULL)")
    dump = take(server.settings(source))
    assert dump.manifest.tables[0].largest_row_bytes > 2 * size
    load(server.settings(f"{source}_copy"), dump)
    assert differing_rows(server, source, f"{source}_copy", "t", "id") == 0
    server.run(None, f"DROP DATABASE {source}", f"DROP DATABASE {source}_copy")


def test_a_row_longer_than_a_packet_of_the_protocol(mariadb: DatabaseServer) -> None:
    source = mariadb.new_database()
    mariadb.run(None, "SET GLOBAL max_allowed_packet = 67108864")
    try:
        mariadb.run(
            source,
            "CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT) ENGINE=InnoDB",
            "INSERT INTO t VALUES (1, REPEAT('y', 20000000)), (2, REPEAT('z', 16777209)), (3, '')",
        )
        load(mariadb.settings(f"{source}_copy"), take(mariadb.settings(source)))
        assert differing_rows(mariadb, source, f"{source}_copy", "t", "id") == 0
    finally:
        mariadb.run(None, "SET GLOBAL max_allowed_packet = 16777216")
        mariadb.run(None, f"DROP DATABASE {source}", f"DROP DATABASE IF EXISTS {source}_copy")


def test_a_broken_view_is_named_and_stops_nothing(server: DatabaseServer) -> None:
    target = _shop(server)
    server.run(
        target,
        "CREATE TABLE gone (id INT)",
        "CREATE VIEW broken AS SELECT id FROM gone",
        "DROP TABLE gone",
    )
    dump = take(server.settings(target))
    (note,) = dump.manifest.info.notes
    assert note.startswith("The view 'broken' is broken")
    assert set(dump.manifest.others["views.sql"]) == {"aa_top", "zz_base"}
    monitor = SilentMonitor()
    load(server.settings(target), dump, monitor)
    assert monitor.notes == ["The view 'broken' is broken: it stays where it is."]
    _works(server, target)


def test_rows_that_the_server_does_not_take(server: DatabaseServer) -> None:
    source = server.new_database()
    with server.connect(source) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT) ENGINE=InnoDB")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, "x" * 3000) for n in range(400)])
    small = take(server.settings(source))
    server.run(source, "INSERT INTO t VALUES (900, REPEAT('x', 90000))")
    large = take(server.settings(source))
    server.run(None, "SET GLOBAL max_allowed_packet = 65536")
    try:
        # An INSERT longer than the server takes goes in row by row.
        load(server.settings(f"{source}_copy"), small)
        server.run(source, "DELETE FROM t WHERE id = 900")
        assert differing_rows(server, source, f"{source}_copy", "t", "id") == 0
        with pytest.raises(DatabaseError, match=r"has a row of 9\d{4} bytes") as failure:
            load(server.settings(f"{source}_large"), large)
        assert "max_allowed_packet = 1M" in failure.value.hint
        assert server.databases(f"{source}_l") == []
    finally:
        server.run(None, "SET GLOBAL max_allowed_packet = 16777216")


def test_a_dump_of_another_kind_is_refused(server: DatabaseServer) -> None:
    target = _shop(server)
    dump = take(server.settings(target))
    dump[MANIFEST] = dump[MANIFEST].replace(b'"kind": "mysql"', b'"kind": "sqlite3"')
    with pytest.raises(DatabaseError, match="of the kind sqlite3"):
        load(server.settings(target), dump)
