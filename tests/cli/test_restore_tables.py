"""Some tables of a snapshot, beside the database in use."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import Installation, install
from tests.servers.owncloud_database import MysqlLogin, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer


def rows(installation: Installation, database: str | None, table: str) -> list[tuple[Any, ...]]:
    place = installation.site.database
    if database is not None:
        place = replace(place, name=database) if isinstance(place, MysqlLogin) else Path(database)
    with connected(place) as opened:
        return sorted(opened.rows(f"SELECT * FROM {table}"))


def tables(installation: Installation, database: str) -> list[str]:
    place = installation.site.database
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'oc%'"
    if isinstance(place, MysqlLogin):
        with connected(replace(place, name=database)) as opened:
            return [name for (name,) in opened.rows("SHOW TABLES")]
    with connected(Path(database)) as opened:
        return [name for (name,) in opened.rows(sql)]


@pytest.fixture(params=["sqlite3", "mariadb", "old_mysql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    made: dict[str, Any] = {"files_per_user": 3, "large_bytes": 0}
    server: DatabaseServer | None = None
    if request.param != "sqlite3":
        if request.param == "mariadb" and shutil.which("mariadb-install-db") is None:
            pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
        server = request.getfixturevalue(request.param)
        made |= {"dbtype": "mysql", "mysql": server.login(server.new_database(), tcp=True)}
    installation = install(tmp_path, **made)
    assert installation.run("backup").status == 0
    yield installation
    if server is not None:
        for name in server.databases(installation.site.database.name):  # type: ignore[union-attr]
            server.run(None, f"DROP DATABASE `{name}`")


def test_tables_come_into_a_database_of_their_own(installation: Installation):
    before = {name: rows(installation, None, name) for name in ("oc_filecache", "oc_appconfig")}
    with installation.site.connected() as database:
        database.run("DELETE FROM oc_appconfig")
    command = ("restore", "--db", "--table", "oc_filecache", "--table", "appconfig")
    told = installation.json(*command)
    place = told["database"]
    assert sorted(tables(installation, place)) == ["oc_appconfig", "oc_filecache"]
    for name, wanted in before.items():
        assert rows(installation, place, name) == wanted
        assert told["tables"][name] == len(wanted)
    assert rows(installation, None, "oc_appconfig") == []
    rehearsed = installation.json(*command, "--dry-run")
    assert (rehearsed["tables"], rehearsed["dry_run"]) == (told["tables"], True)
    if isinstance(installation.site.database, Path):
        assert not Path(rehearsed["database"]).exists()
    assert installation.json(*command)["database"] != place
    again = installation.run(*command, "--database-name", place)
    assert (again.status, "already" in again.err) == (14, True)
    assert rows(installation, place, "oc_filecache") == before["oc_filecache"]


@pytest.mark.parametrize("installation", ["sqlite3"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--db", "--table", "oc_nonsense"], 14, "no table 'oc_nonsense'"),
        (["--table", "oc_users"], 2, "--table goes with --db"),
        (["--db", "--data", "--table", "oc_users"], 2, "--table goes with --db"),
        (["--db", "--table", "oc_users", "--snapshot", "1999-01-01"], 13, "no snapshot as old"),
    ],
)
def test_what_cannot_be_is_told(
    installation: Installation, arguments: list[str], status: int, words: str
):
    result = installation.run("restore", *arguments)
    assert (result.status, words in result.err) == (status, True), result


@pytest.mark.parametrize("installation", ["sqlite3"], indirect=True)
def test_it_speaks_to_people(installation: Installation):
    result = installation.run("restore", "--db", "--table", "users")
    assert result.out.startswith("oc_users: 3 rows\nLoaded from snapshot ")
    assert "ownCloud's own database is as it was" in result.out
    foreseen = installation.json("restore", "--db", "--table", "users", "--dry-run")["estimate"]
    assert foreseen["fetch_packs"] >= 1
    assert foreseen["write_bytes"] > 0
    assert "to fetch" in installation.run("restore", "--db", "--table", "users", "-n").out
