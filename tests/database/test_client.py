"""The dump is nothing but SQL: Debian's own client restores it, without ocsnap."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.database.dumps import differing_rows, show_create, take

if TYPE_CHECKING:
    from pathlib import Path

    from tests.database.dumps import MemoryDump
    from tests.servers.database_server import DatabaseServer

AWKWARD = "\\x'\"\n\r\n\0\x1a;\n-- no comment\ndelimiter $$\n\\. `ü😀"


def _restore_by_hand(server: DatabaseServer, folder: Path, dump: MemoryDump) -> str:
    """Do what a person without ocsnap would: `cat *.sql | mysql database`."""
    database = server.new_database("latin1")
    options = folder / "client.cnf"
    options.touch(mode=0o600)
    options.write_text(
        f"[client]\nuser={server.user}\npassword={server.password}\nsocket={server.socket}\n"
    )
    tables = sorted(name for name in dump if name.startswith("tables/"))
    programs = ("routines.sql", "views.sql", "triggers.sql", "events.sql")
    text = b"".join(dump[name] for name in (*tables, *programs) if name in dump)
    result = subprocess.run(
        ["mysql", f"--defaults-file={options}", database],
        input=text,
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    return database


def test_the_client_restores_a_dump(server: DatabaseServer, tmp_path: Path) -> None:
    source = server.new_database()
    with server.connect(source) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ANSI_QUOTES'")
        cursor.execute("CREATE TABLE child (id INT PRIMARY KEY, parent INT NOT NULL) ENGINE=InnoDB")
        cursor.execute(
            "CREATE TABLE parent (id INT PRIMARY KEY, t LONGTEXT CHARACTER SET utf8mb4, b BLOB,"
            " l VARCHAR(9) CHARACTER SET latin1) ENGINE=InnoDB"
        )
        cursor.execute("ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent (id)")
        cursor.executemany(
            "INSERT INTO parent VALUES (%s, %s, %s, %s)",
            [(1, AWKWARD, bytes(range(256)), "été"), (2, "x" * 2_000_000, None, None)],
        )
        cursor.execute("INSERT INTO child VALUES (7, 1)")
        cursor.execute("CREATE VIEW seen AS SELECT id, t FROM parent")
        cursor.execute("CREATE VIEW above AS SELECT id FROM seen")
        cursor.execute(
            "CREATE TRIGGER tidy BEFORE INSERT ON child FOR EACH ROW BEGIN"
            " SET NEW.parent = 1; -- ; it's a comment\n SET NEW.id = NEW.id; END"
        )
        cursor.execute("CREATE FUNCTION price() RETURNS TEXT RETURN '$$;'")
    copy = _restore_by_hand(server, tmp_path, take(server.settings(source)))
    for table in ("parent", "child"):
        assert differing_rows(server, source, copy, table, "id") == 0
        assert show_create(server, copy, table) == show_create(server, source, table)
    server.run(copy, "INSERT INTO child VALUES (8, 999)")
    assert server.run(copy, "SELECT parent FROM child WHERE id = 8") == [(1,)]
    assert server.run(copy, "SELECT price(), (SELECT COUNT(*) FROM above)") == [("$$;", 2)]


def test_the_client_session_is_as_before(server: DatabaseServer, tmp_path: Path) -> None:
    source = server.new_database()
    server.run(source, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    dump = take(server.settings(source))
    dump["tables/zz.sql"] = (
        b"INSERT INTO t SELECT 2 FROM t WHERE @@foreign_key_checks = 1 AND @@unique_checks = 1"
        b" AND @@time_zone = @@global.time_zone AND @@sql_mode = @@global.sql_mode"
        b" AND @@character_set_client <> 'binary';\n"
    )
    copy = _restore_by_hand(server, tmp_path, dump)
    assert server.run(copy, "SELECT * FROM t ORDER BY id") == [(1,), (2,)]
