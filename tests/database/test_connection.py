"""Who cannot get in is told why, and what to change."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import DatabaseError, ExitStatus
from tests.database.dumps import opened
from tests.servers.database_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.database_server import DatabaseServer

SECRET = "s3cret-päss"


def test_a_wrong_password(server: DatabaseServer) -> None:
    database = opened(server.settings(server.new_database(), password=SECRET))
    with pytest.raises(DatabaseError) as failure:
        database.check()
    assert failure.value.exit_status is ExitStatus.DATABASE
    assert "rejects the user 'admin' or its password" in failure.value.message
    assert "config.php" in failure.value.hint
    assert SECRET not in f"{failure.value!r} {failure.value} {failure.value.__cause__!r}"


def test_an_unknown_database(server: DatabaseServer) -> None:
    with pytest.raises(DatabaseError, match="no database 'oc_nowhere'") as failure:
        opened(server.settings("oc_nowhere")).check()
    assert "dbname" in failure.value.hint


def test_a_database_that_the_account_may_not_see(server: DatabaseServer) -> None:
    server.run(None, "CREATE USER 'stranger'@'localhost' IDENTIFIED BY 'x'")
    settings = server.settings(server.new_database(), user="stranger", password="x")
    try:
        with pytest.raises(DatabaseError, match="shows the user 'stranger' no database"):
            opened(settings).check()
    finally:
        server.run(None, "DROP USER 'stranger'@'localhost'")


def test_nobody_listens(server: DatabaseServer, tmp_path: Path) -> None:
    nowhere = opened(server.settings("oc", socket=tmp_path / "none"))
    with pytest.raises(DatabaseError, match=r"answers at .*/none: No such file"):
        nowhere.check()
    port = free_port()
    refused = opened(server.settings("oc", socket=None, host="127.0.0.1", port=port))
    with pytest.raises(DatabaseError, match=f"127.0.0.1:{port}: Connection refused"):
        refused.query("SELECT 1")
    unknown = opened(server.settings("oc", socket=None, host="nowhere.invalid", port=port))
    with pytest.raises(DatabaseError, match=r"answers at nowhere\.invalid:"):
        unknown.query("SELECT 1")


def test_something_else_listens(server: DatabaseServer) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]

        def hang_up() -> None:
            other.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(DatabaseError, match=f"127.0.0.1:{port}"):
            opened(server.settings("oc", socket=None, host="127.0.0.1", port=port)).check()
        thread.join()


def test_loopback_works_as_the_socket_does(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(database, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    settings = server.settings(database, socket=None, host="127.0.0.1", port=server.port)
    assert opened(settings).query("SELECT id FROM t WHERE id > ?", (1,)) == [(2,)]


def test_a_query_returns_text_and_numbers(server: DatabaseServer) -> None:
    settings = server.settings(server.new_database())
    rows = opened(settings).query("SELECT ?, 7, 'ü' LIKE '%ü%', NULL", ("50 % of 'ü'",))
    assert rows == [("50 % of 'ü'", 7, 1, None)]
    with pytest.raises(DatabaseError, match="answering a query"):
        opened(settings).query("SELECT * FROM nowhere")


def test_check_describes_the_server(server: DatabaseServer) -> None:
    database = server.new_database("latin1")
    server.run(
        database, "CREATE TABLE a (id INT) ENGINE=InnoDB", "CREATE TABLE b (id INT) ENGINE=MyISAM"
    )
    info = opened(server.settings(database)).check()
    assert (info.charset, info.collation) == ("latin1", "latin1_swedish_ci")
    assert info.server_charset == "utf8mb4"
    assert ("MariaDB" in info.version) == (server.kind == "mariadb")
    assert [(t.name, t.transactional) for t in info.tables] == [("a", True), ("b", False)]
    assert info.max_allowed_packet_bytes == 16 * 1024 * 1024
    assert info.notes == ()


def test_what_the_account_cannot_see_is_said(server: DatabaseServer) -> None:
    database = server.new_database()
    server.run(
        None,
        "CREATE USER 'reader'@'localhost' IDENTIFIED BY 'x'",
        f"GRANT SELECT, SHOW VIEW ON `{database}`.* TO 'reader'@'localhost'",
    )
    try:
        info = opened(server.settings(database, user="reader", password="x")).check()
        assert ["TRIGGER" in info.notes[0], "EVENT" in info.notes[1]] == [True, True]
        assert len(info.notes) == 2
    finally:
        server.run(None, "DROP USER 'reader'@'localhost'")


def test_a_sequence_is_refused(mariadb: DatabaseServer) -> None:
    database = mariadb.new_database()
    mariadb.run(database, "CREATE SEQUENCE s")
    with pytest.raises(DatabaseError, match="has a sequence, 's'"):
        opened(mariadb.settings(database)).check()
    with (
        pytest.raises(DatabaseError, match="has a sequence, 's'"),
        opened(mariadb.settings(database)).freeze(),
    ):
        pass


def test_a_versioned_table_is_refused(mariadb: DatabaseServer) -> None:
    database = mariadb.new_database()
    mariadb.run(database, "CREATE TABLE v (id INT) WITH SYSTEM VERSIONING")
    with pytest.raises(DatabaseError, match="cannot dump its history"):
        opened(mariadb.settings(database)).check()
