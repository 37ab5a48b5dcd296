"""Back up, change, back up, destroy, restore, compare: on each kind of database and storage."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.installation import Installation, install
from tests.cli.state import State, differing, files, left_out, rows
from tests.servers.owncloud_database import MysqlLogin, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer
    from tests.servers.s3 import S3Server

KINDS = ["sqlite-file", "mariadb-s3", "mysql56-file"]
# Both write config.php when it says `maintenance` for the first time, and it is read again since.
CONFIG_PHP = 1
A_FEW_OBJECTS_BYTES = 20_000


@dataclass
class History:
    """An installation with three backups.

    Attributes:
        installation: it.
        server: its database server, if it has one.
        reports: what the backups told.
        first: the ownCloud at the first backup.
        last: the ownCloud at the third; the second had nothing new.
        between: a time after the second backup and before the third.
    """

    installation: Installation
    server: DatabaseServer | None
    reports: list[dict[str, Any]]
    first: State
    last: State
    between: float

    @property
    def site(self) -> Any:  # noqa: ANN401 # Site
        return self.installation.site

    def destroy(self) -> None:
        """Lose the disk and the database."""
        shutil.rmtree(self.site.data_dir.parent)
        shutil.rmtree(self.site.root / "config")
        if isinstance(self.site.database, MysqlLogin):
            self._on_server(f"DROP DATABASE `{self.site.database.name}`")

    def run_away(self, seed: int) -> State:
        """Let the users go on from the last backup; return what there is then."""
        self.restore()
        self.site.mutate(seed, changes=8)
        return State.of(self.site)

    def restore(self, *arguments: str | Path) -> dict[str, Any]:
        """Restore; nothing may fail, and config.php comes back byte for byte."""
        report = self.installation.json("restore", "--yes", "--no-fingerprint", *arguments)
        assert report["failed"] == []
        return report

    def rows_of(self, database: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of another database: a file, or a name on the same server."""
        place = self.site.database
        place = replace(place, name=database) if self.server else Path(database)
        with connected(place, self.site.prefix) as opened:
            return rows(opened)

    def _on_server(self, statement: str) -> None:
        assert self.server is not None
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(scope="module", params=KINDS)
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    folder = tmp_path_factory.mktemp(request.param)
    database, storage = request.param.split("-")
    server = _server(request, database)
    made: dict[str, Any] = {}
    if server is not None:
        made = {"dbtype": "mysql", "mysql": server.login(server.new_database(), tcp=True)}
    installation = install(folder, **made)
    if storage == "s3":
        s3 = _s3(request)
        installation.settings["repository"] = s3.settings(s3.new_bucket(), "oc/cloud", folder)
    _hide_surprises(installation)
    first = State.of(installation.site)
    reports = [installation.json("backup"), installation.json("backup")]
    between = time.time()
    installation.site.mutate(7)
    last = State.of(installation.site)
    reports.append(installation.json("backup"))
    yield History(installation, server, reports, first, last, between)
    if server is not None:
        for name in server.databases(installation.site.database.name):  # type: ignore[union-attr]
            server.run(None, f"DROP DATABASE `{name}`")


def _server(request: pytest.FixtureRequest, database: str) -> DatabaseServer | None:
    if database == "mariadb" and shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    fixture = {"mariadb": "mariadb", "mysql56": "old_mysql"}.get(database)
    return request.getfixturevalue(fixture) if fixture else None


def _s3(request: pytest.FixtureRequest) -> S3Server:
    from tests.servers.s3 import rclone

    try:
        rclone()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return request.getfixturevalue("s3")


def _hide_surprises(installation: Installation) -> None:
    """Put what is rare into a home: links of both kinds, strange names, rights and times."""
    home = installation.site.homes["alice"] / "files"
    (home / "to nowhere").symlink_to("../../not/there")
    (home / "absolute").symlink_to("/etc/hostname")
    (home / "second name").hardlink_to(home / "large.bin")
    odd = home / "line\nbreak \x1b[31m 'q' \"d\" \\ .txt"
    odd.write_text("strange")
    odd.chmod(0o2751)
    (home / "before 1970").write_text("old")
    Path(home / "before 1970").chmod(0o400)
    (Path(str(home).encode().decode()) / "latin\udce9").write_bytes(b"\xe9")
    (home / "sparse").touch()
    with (home / "sparse").open("r+b") as file:
        file.truncate(5_000_000)


def test_a_backup_without_changes_reads_and_stores_next_to_nothing(history: History):
    second = history.reports[1]
    assert second["parent"] == history.reports[0]["snapshot"]
    figures = second["statistics"]
    assert figures["files_read"] <= CONFIG_PHP
    assert (figures["new_files"], figures["deleted_files"]) == (0, 0)
    assert figures["changed_files"] <= CONFIG_PHP
    assert figures["errors"] == 0
    assert 0 < second["put_bytes"] < A_FEW_OBJECTS_BYTES
    assert second["dump_new_bytes"] < A_FEW_OBJECTS_BYTES


def test_a_change_costs_what_changed(history: History):
    first, third = history.reports[0], history.reports[2]
    assert third["statistics"]["errors"] == 0
    assert third["statistics"]["changed_files"] > 0
    assert third["put_bytes"] < first["put_bytes"] / 4


def test_snapshots_are_listed_oldest_first(history: History):
    listed = history.installation.json("snapshots")["snapshots"]
    assert [item["id"] for item in listed] == [report["snapshot"] for report in history.reports]
    text = history.installation.run("snapshots")
    assert text.status == 0
    assert [line.split()[0] for line in text.out.splitlines()[1:]] == [
        report["snapshot"][:8] for report in history.reports
    ]


@pytest.mark.parametrize("how", [(), ("--read-data",)], ids=["quick", "read"])
def test_what_was_stored_is_found_sound(history: History, how: tuple[str, ...]):
    told = history.installation.json("verify", *how)
    assert told["sound"] is True
    assert told["report"]["snapshots"] == 3
    assert (told["report"]["read_objects"] > 0) == bool(how)


def test_what_was_destroyed_comes_back_as_it_was(history: History):
    history.destroy()
    report = history.restore()
    assert report["snapshot"] == history.reports[2]["snapshot"]
    assert report["kept"] == []
    _assert_is(history, history.last)
    # And once more, over what is there now.
    report = history.restore()
    assert len(report["kept"]) == 2
    _assert_is(history, history.last)


@pytest.mark.parametrize("named", ["id", "time"])
def test_an_older_snapshot_replaces_and_keeps_what_was_there(history: History, named: str):
    before = history.run_away(11)
    moment = datetime.fromtimestamp(history.between, UTC).isoformat()
    # Both are of the same files; the second also has what the first wrote into config.php.
    wanted = moment if named == "time" else history.reports[0]["snapshot"][:10]
    report = history.restore("--snapshot", wanted)
    chosen = 1 if named == "time" else 0
    assert report["snapshot"] == history.reports[chosen]["snapshot"]
    now = State.of(history.site)
    assert differing(now.files, history.first.files) == {}
    assert now.rows == history.first.rows
    assert (now.config == history.first.config) == (named == "id")
    old_data = next(Path(path) for path in report["kept"] if path.endswith("/data"))
    moved = replace(history.site, data_dir=old_data, homes=_below(history, old_data))
    assert differing(files(old_data, leave_out=left_out(moved)), before.files) == {}
    assert old_data.parent.stat().st_mode & 0o077 == 0, "the web server could hand it out"
    kept_rows = report["kept_database"] or str(old_data / "owncloud.db")
    assert history.rows_of(kept_rows) == before.rows


def _below(history: History, data_dir: Path) -> dict[str, Path]:
    return {user: data_dir / user for user in history.site.homes}


def test_the_database_alone(history: History):
    before = history.run_away(12)
    report = history.restore("--db")
    now = State.of(history.site)
    assert now.rows == history.last.rows
    # SQLite's file lies in the data directory, and so does the one that was replaced.
    moved = {name for name in differing(now.files, before.files) if not name.startswith("owncloud")}
    assert moved <= ({"."} if history.server is None else set())
    assert report["places"] == report["kept"] == []
    assert report["kept_database"]
    assert history.rows_of(report["kept_database"]) == before.rows
    assert _settings(now.config) == _settings(before.config)


def test_the_files_alone(history: History):
    before = history.run_away(13)
    report = history.restore("--data")
    now = State.of(history.site)
    ignored = {} if history.server else {"."}  # SQLite's file was carried into it
    assert set(differing(now.files, history.last.files)) <= set(ignored)
    assert now.rows == before.rows
    assert report["database"] is None
    assert _settings(now.config) == _settings(before.config)


def test_files_and_database_without_the_configuration(history: History):
    before = history.run_away(14)
    history.restore("--db", "--data")
    now = State.of(history.site)
    assert differing(now.files, history.last.files) == {}
    assert now.rows == history.last.rows
    assert _settings(now.config) == _settings(before.config)


def test_under_another_name_the_database_is_loaded_beside_the_running_one(history: History):
    before = history.run_away(15)
    name = f"{Path(str(getattr(history.site.database, 'name', 'x'))).name}_look"
    report = history.restore("--db", "--database-name", name)
    assert Path(report["database"]).name == name
    assert history.rows_of(report["database"]) == history.last.rows
    now = State.of(history.site)
    assert now.rows == before.rows
    if history.server is None:
        Path(report["database"]).unlink()


def test_elsewhere_nothing_that_runs_is_touched(history: History, tmp_path: Path):
    before = history.run_away(16)
    target = tmp_path / "new" / "look inside"
    history.restore("--target", target)
    assert State.of(history.site) == before
    moved = replace(history.site, data_dir=target / "data", homes=_below(history, target / "data"))
    found = files(target / "data", leave_out=left_out(moved))
    assert differing(found, history.last.files) == {}
    assert (target / "config" / "config.php").read_bytes() == history.last.config
    assert target.stat().st_mode & 0o077 == 0
    assert (target / "database" / "manifest.json").is_file()


def test_the_dump_loads_without_ocsnap(history: History, tmp_path: Path):
    history.restore("--db", "--target", tmp_path / "dump")
    dump = tmp_path / "dump" / "database"
    if history.server is None:
        (database,) = dump.glob("*.sqlite*")  # SQLite's dump is a database
        assert history.rows_of(str(database)) == history.last.rows
        return
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None:
        pytest.skip("there is no client: apt-get install mariadb-client")
    assert history.server is not None
    name = history.server.new_database()
    login = tmp_path / "login.cnf"
    login.write_text(
        f"[client]\nuser={history.server.user}\npassword={history.server.password}\n"
        f"socket={history.server.socket}\n"
    )
    login.chmod(0o600)
    for script in [*sorted((dump / "tables").glob("*.sql")), *sorted(dump.glob("*.sql"))]:
        with script.open("rb") as text:
            command = [client, f"--defaults-file={login}", name]
            done = subprocess.run(command, stdin=text, capture_output=True, check=False)
        assert done.returncode == 0, (script, done.stderr)
    try:
        assert history.rows_of(name) == history.last.rows
    finally:
        history.server.run(None, f"DROP DATABASE `{name}`")


def test_a_wrong_password_for_the_database_changes_nothing(history: History):
    if history.server is None:
        pytest.skip("SQLite has no passwords")
    wrong = history.installation.folder / "wrong-password"
    wrong.write_text("not this one\n")
    history.installation.set("database", password_file=str(wrong))
    before = State.of(history.site)
    try:
        for command in (("backup",), ("restore", "--yes"), ("restore", "--db", "--yes")):
            result = history.installation.run(*command)
            assert result.status == 6, result
            assert State.of(history.site).files == before.files
    finally:
        history.installation.settings["database"] = {}
    now = State.of(history.site)
    assert _settings(now.config) == _settings(before.config)
    assert now.rows == before.rows


def test_a_database_that_is_down_stops_a_backup_before_anything_is_touched(history: History):
    if history.server is None:
        pytest.skip("SQLite has no server")
    before = State.of(history.site)
    history.installation.set("database", host="127.0.0.1", port=1)
    try:
        result = history.installation.run("backup")
    finally:
        history.installation.settings["database"] = {}
    assert result.status == 6, result
    assert len([line for line in result.lines if line.startswith("ocsnap: ")]) == 1
    assert State.of(history.site) == before


def _assert_is(history: History, wanted: State) -> None:
    now = State.of(history.site)
    assert differing(now.files, wanted.files) == {}
    assert now.rows == wanted.rows
    assert now.config == wanted.config


def _settings(config: bytes) -> bytes:
    """Return config.php without the line that ownCloud itself adds and keeps."""
    return b"\n".join(line for line in config.splitlines() if b"'maintenance'" not in line)
