"""What a table's definition may hold, beside its columns' types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.database.dumps import differing_rows, load, show_create, take

if TYPE_CHECKING:
    from tests.servers.database_server import DatabaseServer

DEFINITIONS = {
    "partitions": "(id INT PRIMARY KEY) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 3",
    "full text": "(id INT PRIMARY KEY, t TEXT, FULLTEXT KEY ft (t)) ENGINE=InnoDB",
    "prefix key": "(id VARCHAR(300), t BLOB, PRIMARY KEY (id(5), t(7))) ENGINE=InnoDB",
    "defaults": (
        "(id INT PRIMARY KEY DEFAULT 3, t VARCHAR(40) CHARACTER SET latin1 DEFAULT 'é\\'\\\\\\n',"
        " u VARCHAR(20) DEFAULT 'ソ表' COMMENT 'ü; \\n it\\'s', b BIT(3) DEFAULT b'101',"
        " e ENUM('ü','b') DEFAULT 'ü', s TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP"
        " ON UPDATE CURRENT_TIMESTAMP) COMMENT='a \\n table; `q` 😀'"
    ),
    "timestamps": "(id INT, a TIMESTAMP NOT NULL, b TIMESTAMP NOT NULL, c TIMESTAMP NULL)",
    "zero dates": "(id INT, a DATE NOT NULL DEFAULT '0000-00-00', b DATETIME DEFAULT 0)",
    "collations": "(id INT, a CHAR(3) COLLATE utf8_bin, b TEXT COLLATE utf8mb4_unicode_ci)"
    " DEFAULT CHARSET=latin1 COLLATE=latin1_german2_ci ROW_FORMAT=DYNAMIC",
    "spatial": "(id INT, g GEOMETRY NOT NULL, SPATIAL KEY (g)) ENGINE=MyISAM",
    "memory": "(id INT PRIMARY KEY) ENGINE=MEMORY",
}
MARIADB_DEFINITIONS = {
    "generated": (
        "(id INT PRIMARY KEY, n INT, v INT AS (n * 2) VIRTUAL, p INT AS (n + 1) PERSISTENT,"
        " KEY (p))"
    ),
    "expressions": "(id INT DEFAULT (1 + 2), u CHAR(36) DEFAULT (UUID()), CHECK (id < 1000))",
    "invisible": "(id INT PRIMARY KEY, n INT INVISIBLE DEFAULT 7)",
    "wide default": "(id INT, t VARCHAR(9) CHARACTER SET utf8mb4 DEFAULT '😀')",
}


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_definitions_come_back(server: DatabaseServer, definition: str) -> None:
    _there_and_back(server, definition)


@pytest.mark.parametrize("definition", MARIADB_DEFINITIONS.values(), ids=MARIADB_DEFINITIONS.keys())
def test_definitions_of_mariadb_come_back(mariadb: DatabaseServer, definition: str) -> None:
    _there_and_back(mariadb, definition)


def _there_and_back(server: DatabaseServer, definition: str) -> None:
    source = server.new_database()
    copy = f"{source}_copy"
    server.run(source, "SET sql_mode = ''", f"CREATE TABLE t {definition}")
    if "g GEOMETRY NOT NULL" in definition:
        server.run(source, "INSERT INTO t VALUES (1, POINT(1, 2))")
    else:
        server.run(source, "SET sql_mode = ''", "INSERT INTO t (id) VALUES (1), (2), (0)")
    load(server.settings(copy), take(server.settings(source)))
    assert show_create(server, copy, "t") == show_create(server, source, "t")
    assert differing_rows(server, source, copy, "t", "id") == 0


def test_zero_in_a_counting_column_stays_zero(server: DatabaseServer) -> None:
    source = server.new_database()
    server.run(
        source,
        "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 500",
        "INSERT INTO t VALUES (0), (9)",
    )
    load(server.settings(f"{source}_copy"), take(server.settings(source)))
    server.run(f"{source}_copy", "INSERT INTO t VALUES (NULL)")
    rows = server.run(f"{source}_copy", "SELECT id FROM t ORDER BY id")
    assert rows == [(0,), (9,), (500,)]


def test_rows_older_than_a_check_come_back(mariadb: DatabaseServer) -> None:
    source = mariadb.new_database()
    mariadb.run(
        source,
        "CREATE TABLE t (id INT, CHECK (id > 5))",
        "SET check_constraint_checks = 0",
        "INSERT INTO t VALUES (1)",
    )
    load(mariadb.settings(f"{source}_copy"), take(mariadb.settings(source)))
    assert mariadb.run(f"{source}_copy", "SELECT id FROM t") == [(1,)]


def test_generated_columns_are_not_dumped(mariadb: DatabaseServer) -> None:
    source = mariadb.new_database()
    mariadb.run(source, "CREATE TABLE t (a INT AS (1), b INT, c INT AS (2) STORED)")
    mariadb.run(source, "INSERT INTO t (b) VALUES (5)")
    assert b"INSERT INTO `t` (`b`) VALUES\n(5);\n" in take(mariadb.settings(source))["tables/t.sql"]


def test_text_made_in_other_character_sets_runs_as_before(server: DatabaseServer) -> None:
    source = server.new_database()
    copy = f"{source}_copy"
    server.run(source, "CREATE TABLE t (id INT, v VARCHAR(40) CHARACTER SET utf8mb4)")
    with server.connect(source, charset="latin1") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE VIEW narrow AS SELECT 'été' AS v")
        cursor.execute("CREATE FUNCTION narrow() RETURNS VARCHAR(20) CHARSET utf8 RETURN 'été'")
        cursor.execute("CREATE TRIGGER narrow BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'été'")
    with server.connect(source) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'")
        cursor.execute("CREATE VIEW wide AS SELECT 'ソ😀' || v AS \"v'`\" FROM narrow")
        cursor.execute(
            'CREATE PROCEDURE "odd`name"(IN "x y" INT) COMMENT \'ü\' SELECT \'ソ\' || "x y" -- end'
        )
    load(server.settings(copy), take(server.settings(source)))
    for database in (source, copy):
        assert server.run(database, "SELECT * FROM wide") == [("ソ😀été",)]
        assert server.run(database, "SELECT narrow()") == [("été",)]
        server.run(database, "INSERT INTO t VALUES (1, '')")
        assert server.run(database, "SELECT v FROM t") == [("été",)]
        assert server.run(database, "CALL `odd``name`(7)") == [("ソ7",)]
    for kind in ("VIEW narrow", "VIEW wide", "FUNCTION narrow", "PROCEDURE `odd``name`"):
        shown = [server.run(database, f"SHOW CREATE {kind}") for database in (source, copy)]
        assert shown[0] == shown[1]


def test_triggers_keep_their_order(mariadb: DatabaseServer) -> None:
    source = mariadb.new_database()
    event = "BEFORE INSERT ON t FOR EACH ROW"
    mariadb.run(
        source,
        "CREATE TABLE t (v VARCHAR(9))",
        f"CREATE TRIGGER b {event} SET NEW.v = CONCAT(NEW.v, 'b')",
        f"CREATE TRIGGER c {event} FOLLOWS b SET NEW.v = CONCAT(NEW.v, 'c')",
        f"CREATE TRIGGER a {event} PRECEDES b SET NEW.v = CONCAT(NEW.v, 'a')",
    )
    load(mariadb.settings(f"{source}_copy"), take(mariadb.settings(source)))
    mariadb.run(f"{source}_copy", "INSERT INTO t VALUES ('>')")
    assert mariadb.run(f"{source}_copy", "SELECT v FROM t") == [(">abc",)]
