"""What had begun before ownCloud was frozen: uploads and background jobs."""

from __future__ import annotations

import hashlib
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.monitor import SilentMonitor
from ocsnap.owncloud.cron import running_crons
from ocsnap.owncloud.homes import open_uploads
from ocsnap.owncloud.instance import Instance
from ocsnap.owncloud.locked_paths import locked_paths
from ocsnap.owncloud.maintenance import FreezeOptions, Maintenance
from ocsnap.owncloud.toggles import await_toggles, unfinished_toggles
from tests.owncloud.clock import StillClock
from tests.owncloud.conftest import Parts
from tests.owncloud.guardians import wait_until
from tests.servers.owncloud_site import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocsnap.clock import Clock
    from tests.servers.owncloud_database import MysqlLogin, SiteDatabase


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def php(parts: Parts, *arguments: str, seconds: float = 30) -> Iterator[subprocess.Popen[bytes]]:
    (parts.site.root / "cron.php").write_text(f"<?php usleep({int(seconds * 1e6)});")
    with subprocess.Popen(("php", *arguments), cwd=parts.site.root) as process:
        try:
            yield process
        finally:
            process.kill()


def draining(
    parts: Parts, state_dir: Path, clock: Clock, monitor: SilentMonitor, seconds: float
) -> Maintenance:
    return Maintenance(
        parts.instance,
        parts.occ,
        state_dir=state_dir,
        clock=clock,
        monitor=monitor,
        options=FreezeOptions(settle_seconds=0.0, drain_seconds=seconds),
    )


@pytest.mark.parametrize("form", ["absolute", "relative", "dotted", "linked"])
def test_a_running_cron_is_found_however_it_is_called(parts: Parts, tmp_path: Path, form: str):
    root = parts.site.root
    (tmp_path / "link").symlink_to(root)
    path = {
        "absolute": str(root / "cron.php"),
        "relative": "cron.php",
        "dotted": "./config/../cron.php",
        "linked": str(tmp_path / "link" / "cron.php"),
    }[form]
    with php(parts, "-f", path) as process:
        wait_until(lambda: running_crons(root) == (f"cron.php (process {process.pid})",))
    assert running_crons(root) == ()


def test_occ_system_cron_is_one_too(parts: Parts):
    with parts.site.fault("slow", "30"), php(parts, "occ", "system:cron") as process:
        wait_until(lambda: running_crons(parts.site.root) != ())
        assert running_crons(parts.site.root) == (f"occ system:cron (process {process.pid})",)


def test_what_only_looks_like_a_cron_is_none(parts: Parts, tmp_path: Path):
    other = make_site(tmp_path / "other", files_per_user=1)
    editor = ("sleep", "30")
    with (
        php(parts, "-f", "cron.php") as process,
        subprocess.Popen(editor, executable="/bin/sleep", cwd=other.root) as sleeper,
    ):
        wait_until(lambda: running_crons(parts.site.root) != ())
        (other.root / "cron.php").write_text("<?php")
        assert running_crons(other.root) == ()
        sleeper.kill()
        process.kill()


def test_a_cron_that_ends_in_time_is_waited_for(parts: Parts, state_dir: Path):
    monitor = SilentMonitor()
    with php(parts, "-f", "cron.php", seconds=3) as process:
        wait_until(lambda: running_crons(parts.site.root) != ())
        with draining(parts, state_dir, SystemClock(), monitor, 30).freeze() as freeze:
            assert process.poll() == 0
    assert freeze.drain_seconds > 0.2
    assert freeze.open_crons == ()
    assert monitor.notes == []


def test_a_cron_that_does_not_end_is_named(parts: Parts, state_dir: Path):
    monitor = SilentMonitor()
    with php(parts, "-f", "cron.php") as process:
        wait_until(lambda: running_crons(parts.site.root) != ())
        with draining(parts, state_dir, StillClock(), monitor, 14).freeze() as freeze:
            assert process.poll() is None
    assert freeze.drain_seconds == pytest.approx(14)
    assert freeze.open_crons == (f"cron.php (process {process.pid})",)
    told = f"cron.php (process {process.pid}) had not ended after 14 seconds;"
    assert monitor.notes == [f"{told} the backup goes on without them."]


def lock(database: SiteDatabase, name: str) -> str:
    key = "files/" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    ttl = int(time.time()) + 3600
    database.run("INSERT INTO oc_file_locks (`lock`, `key`, ttl) VALUES (-1, ?, ?)", key, ttl)
    return key


def a_file_of(database: SiteDatabase, storage: str) -> str:
    rows = database.rows(
        "SELECT path FROM oc_filecache f JOIN oc_storages s ON s.numeric_id = f.storage"
        f" WHERE s.id = '{storage}' AND SUBSTR(path, 1, 6) = 'files/' AND mimetype <> 2"
        " ORDER BY path"
    )
    return str(rows[0][0])


def test_locks_are_resolved_to_users_and_paths(parts: Parts):
    data = f"local::{parts.site.data_dir}/"
    with parts.site.connected() as database:
        path = a_file_of(database, "home::bob")
        avatars = str(
            database.rows("SELECT path FROM oc_filecache WHERE path LIKE 'avatars/%'")[0][0]
        )
        keys = [
            lock(database, f"home::bob::{path}"),
            lock(database, f"{data}::{avatars}"),
            lock(database, "home::bob::files/new.txt"),
        ]
        found = locked_paths(database, parts.instance, [*keys, "other/key", "files/x"])
        assert found == {keys[0]: ("bob", path), keys[1]: (data, avatars)}
        assert locked_paths(database, parts.instance, []) == {}
        assert set(keys) <= set(open_uploads(database, "oc_", now=time.time()))


def test_the_same_from_mysql(tmp_path: Path, mysql_login: MysqlLogin):
    parts = Parts.of(make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=3))
    with parts.site.connected() as database:
        path = a_file_of(database, "home::alice")
        key = lock(database, f"home::alice::{path}")
        assert locked_paths(database, parts.instance, [key]) == {key: ("alice", path)}


def test_a_long_name_is_locked_by_the_whole_of_it(tmp_path: Path):
    user = "a.very.long.name@" + "x" * 45 + ".example"
    parts = Parts.of(make_site(tmp_path, users=(user,), files_per_user=2))
    with parts.site.connected() as database:
        stored = hashlib.md5(f"home::{user}".encode(), usedforsecurity=False).hexdigest()
        path = a_file_of(database, stored)
        key = lock(database, f"home::{user}::{path}")
        assert locked_paths(database, parts.instance, [key]) == {key: (user, path)}


def test_a_large_file_cache_is_read_page_by_page(parts: Parts, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    with parts.site.connected() as database:
        path = a_file_of(database, "home::alice")
        key = lock(database, f"home::alice::{path}")

        def query(sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
            asked.append(sql)
            return database(sql, parameters)

        monkeypatch.setattr("ocsnap.owncloud.locked_paths._PAGE_ROWS", 10)
        assert locked_paths(query, parts.instance, [key]) == {key: ("alice", path)}
        pages = sum("filecache" in sql for sql in asked)
        younger = database.rows(
            "SELECT COUNT(*) FROM oc_filecache WHERE fileid >= (SELECT f.fileid FROM oc_filecache f"
            " JOIN oc_storages s ON s.numeric_id = f.storage WHERE s.id = 'home::alice'"
            f" AND f.path = '{path}')"
        )
        assert pages == -(-int(younger[0][0]) // 10) > 3
        monkeypatch.setattr("ocsnap.owncloud.locked_paths._MOST_ROWS", 20)
        assert locked_paths(query, parts.instance, [key]) == {}


def test_what_was_open_is_named_by_user_and_path(parts: Parts, state_dir: Path):
    with parts.site.connected() as database:
        path = a_file_of(database, "home::carol@example.org")
        known = lock(database, f"home::carol@example.org::{path}")
        new = lock(database, "home::bob::files/new.txt")

    def open_locks() -> list[str]:
        with parts.site.connected() as database:
            return open_uploads(database, "oc_", now=time.time())

    def paths_of(keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        with parts.site.connected() as database:
            return locked_paths(database, parts.instance, keys)

    monitor = SilentMonitor()
    maintenance = Maintenance(
        parts.instance,
        parts.occ,
        state_dir=state_dir,
        clock=SystemClock(),
        monitor=monitor,
        options=FreezeOptions(settle_seconds=0.0, drain_seconds=0.0),
        open_locks=open_locks,
        paths_of=paths_of,
    )
    with maintenance.freeze() as freeze:
        assert set(freeze.open_uploads) == {known, new}
    assert freeze.open_paths == (("carol@example.org", path),)
    assert set(freeze.open_uploads) == {f"carol@example.org: {path}", new}
    assert monitor.notes[0].startswith("2 uploads had not ended after 0 seconds")


def test_an_occ_that_hangs_is_killed_in_the_end(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ocsnap.owncloud.toggles._PATIENCE_SECONDS", 3.0)
    occ = parts.site.root / "occ"
    occ.write_text("<?php sleep(30);")
    command = ("php", str(occ), "--no-ansi", "maintenance:mode", "--on")
    elsewhere = make_site(tmp_path / "other", files_per_user=1)
    with (
        subprocess.Popen(command, cwd=parts.site.root) as mine,
        subprocess.Popen(command, cwd=elsewhere.root) as other,
    ):
        wait_until(lambda: len(unfinished_toggles(elsewhere.root)) == 1)
        wait_until(lambda: len(unfinished_toggles(parts.site.root)) == 1)
        clock = StillClock()
        await_toggles(parts.site.root, clock)
        assert mine.wait(10) == -9
        assert other.poll() is None
        assert 2.9 < clock.seconds - 1_700_000_000 < 3.2
        other.kill()


def test_an_instance_of_old_has_its_homes_in_the_data_directory(tmp_path: Path):
    parts = Parts.of(make_site(tmp_path, version="9.1.8", files_per_user=2))
    old = replace(parts.instance, installed_version="9.1.8.0")
    assert isinstance(old, Instance)
    with parts.site.connected() as database:
        path = a_file_of(database, "home::alice")
        key = lock(database, f"home::alice::{path}")
        assert locked_paths(database, old, [key]) == {key: ("alice", path)}
