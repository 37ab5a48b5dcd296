"""SQLite: a consistent copy beside a writer, and a load that replaces the file as a whole."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.database.database import MANIFEST
from ocsnap.database.open import open_database
from ocsnap.database.settings import DatabaseSettings
from ocsnap.errors import DatabaseError, LocalIOError
from tests.database.dumps import MemoryDump, load, read
from tests.servers.disks import small_disk

if TYPE_CHECKING:
    from collections.abc import Callable

MONEY = 100


def _settings(path: Path) -> DatabaseSettings:
    return DatabaseSettings(kind="sqlite3", name=str(path))


def _take(path: Path, structure_only: frozenset[str] = frozenset()) -> MemoryDump:
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    database = open_database(_settings(path), scratch_dir=scratch, structure_only=structure_only)
    with database.freeze() as frozen:
        assert not frozen.transactional
        (copy,) = scratch.iterdir()
        assert copy.stat().st_mode & 0o777 == 0o600
        dump = read(frozen)
    assert list(scratch.iterdir()) == []
    return dump


def test_a_copy_that_its_disk_does_not_take_is_no_dump(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once, at the end, while users wait: SQLite itself would ask eight times."""
    asked: list[int] = []

    def fails(descriptor: int) -> None:
        asked.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    database = open_database(_settings(bank), scratch_dir=scratch)
    with pytest.raises(DatabaseError, match="copying failed: Input/output error"):
        database.freeze().__enter__()
    assert len(asked) == 1
    assert list(scratch.iterdir()) == []


def _query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(params=["wal", "delete"])
def bank(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "cloud" / "owncloud.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
        with connection:
            connection.execute('CREATE TABLE "a ""b" (id INTEGER PRIMARY KEY, money INT, x BLOB)')
            connection.execute("CREATE TABLE locks (id INTEGER PRIMARY KEY AUTOINCREMENT)")
            connection.execute("INSERT INTO locks VALUES (7)")
            connection.executemany(
                'INSERT INTO "a ""b" VALUES (?, ?, ?)',
                [(n, MONEY, os.urandom(2000)) for n in range(1000)],
            )
    return path


def test_a_dump_is_loaded_in_a_new_place(bank: Path, tmp_path: Path) -> None:
    dump = _take(bank)
    assert dump.names() == ["owncloud.sqlite", MANIFEST]
    assert {table.name: table.rows for table in dump.manifest.tables} == {'a "b': 1000, "locks": 1}
    target = tmp_path / "new.db"
    report = load(_settings(target), dump)
    assert (report.kept, report.tables, report.rows) == (None, 2, 1001)
    assert target.stat().st_mode & 0o777 == 0o640
    sql = 'SELECT id, money, hex(x) FROM "a ""b" ORDER BY id'
    assert _query(target, sql) == _query(bank, sql)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_stood_there_is_kept_with_its_journal(bank: Path) -> None:
    dump = _take(bank)
    bank.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(bank, 12345, 54321)
    owner = bank.stat()
    with closing(sqlite3.connect(bank)) as open_elsewhere:
        with open_elsewhere:
            open_elsewhere.execute("INSERT INTO locks VALUES (99)")
        report = load(_settings(bank), dump)
        assert report.kept is not None
        present = bank.stat()
        assert (present.st_mode, present.st_uid, present.st_gid) == (
            owner.st_mode,
            owner.st_uid,
            owner.st_gid,
        )
        assert _query(bank, "SELECT id FROM locks") == [(7,)]
        assert _query(Path(report.kept), "SELECT id FROM locks") == [(7,), (99,)]


def test_money_moves_and_none_is_lost(bank: Path) -> None:
    stop = threading.Event()
    moved = [0]

    def move() -> None:
        with closing(sqlite3.connect(bank, timeout=30)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            while not stop.wait(0.002):
                with connection:
                    number = moved[0] % 999
                    for account, money in ((number, -5), (number + 1, 5)):
                        connection.execute(
                            'UPDATE "a ""b" SET money = money + ? WHERE id = ?', (money, account)
                        )
                moved[0] += 1

    writer = threading.Thread(target=move)
    writer.start()
    try:
        for round_ in range(5):
            before = moved[0]
            while moved[0] < before + 5:
                assert writer.is_alive()
            dump = _take(bank)
            target = bank.with_name(f"copy{round_}.db")
            load(_settings(target), dump)
            assert _query(target, 'SELECT SUM(money) FROM "a ""b"') == [(1000 * MONEY,)]
    finally:
        stop.set()
        writer.join()


def test_rows_can_be_left_out(bank: Path, tmp_path: Path) -> None:
    dump = _take(bank, frozenset({"locks", "nowhere"}))
    assert {table.name: table.rows for table in dump.manifest.tables} == {'a "b': 1000, "locks": 0}
    load(_settings(tmp_path / "new.db"), dump)
    assert _query(bank, "SELECT id FROM locks") == [(7,)]


def _cut_off(dump: MemoryDump) -> None:
    dump["owncloud.sqlite"] = dump["owncloud.sqlite"][:-8192]


def _overwrite(dump: MemoryDump) -> None:
    text = dump["owncloud.sqlite"]
    dump["owncloud.sqlite"] = text[:8192] + b"\xff" * 4096 + text[12288:]


def _other_rows(dump: MemoryDump) -> None:
    dump[MANIFEST] = dump[MANIFEST].replace(b'"rows": 1000', b'"rows": 1001')


def _no_database(dump: MemoryDump) -> None:
    dump["owncloud.sqlite"] = b"not at all" * 1000


def _other_kind(dump: MemoryDump) -> None:
    dump[MANIFEST] = dump[MANIFEST].replace(b'"kind": "sqlite3"', b'"kind": "mysql"')


@pytest.mark.parametrize("damage", [_cut_off, _overwrite, _other_rows, _no_database, _other_kind])
def test_a_load_that_fails_leaves_all_as_it_was(
    bank: Path, damage: Callable[[MemoryDump], None]
) -> None:
    dump = _take(bank)
    damage(dump)
    before = {path.name: path.read_bytes() for path in bank.parent.iterdir() if path.is_file()}
    with pytest.raises(DatabaseError):
        load(_settings(bank), dump)
    after = {path.name: path.read_bytes() for path in bank.parent.iterdir() if path.is_file()}
    assert after == before


def test_a_damaged_database_is_not_dumped(bank: Path) -> None:
    with closing(sqlite3.connect(bank)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name LIKE 'a%'"
        ).fetchone()
    with bank.open("r+b") as file:
        file.seek((page + 5) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(DatabaseError, match=r"is damaged|malformed"):
        _take(bank)


def test_who_cannot_get_in_is_told_why(tmp_path: Path) -> None:
    missing = open_database(_settings(tmp_path / "none.db"), scratch_dir=tmp_path)
    with pytest.raises(DatabaseError, match=r"none\.db: there is no such database file"):
        missing.check()
    (tmp_path / "text.db").write_text("hello, this is no database at all" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        open_database(_settings(tmp_path / "text.db"), scratch_dir=tmp_path).check()
    assert list(tmp_path.glob("none*")) == []


def test_a_query_and_the_description(bank: Path, tmp_path: Path) -> None:
    database = open_database(_settings(bank), scratch_dir=tmp_path)
    assert database.query("SELECT id, 'ü' FROM locks WHERE id = ?", (7,)) == [(7, "ü")]
    info = database.check()
    assert (info.kind, info.charset) == ("sqlite3", "UTF-8")
    assert [table.name for table in info.tables] == ['a "b', "locks"]


def test_a_stray_journal_is_not_applied_to_the_new_file(bank: Path, tmp_path: Path) -> None:
    dump = _take(bank)
    (tmp_path / "new.db-wal").write_bytes(b"from another time")
    with pytest.raises(DatabaseError, match="without its database"):
        load(_settings(tmp_path / "new.db"), dump)
    assert not (tmp_path / "new.db").exists()


def test_a_copy_that_has_no_room_is_known_before_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "owncloud.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (v BLOB)")
        connection.execute("INSERT INTO t VALUES (zeroblob(3000000))")
    with small_disk(tmp_path / "small", 4_000_000) as disk:
        database = open_database(_settings(path), scratch_dir=disk)
        with pytest.raises(LocalIOError, match="while ownCloud is frozen"):
            database.held_bytes()
    roomy = open_database(_settings(path), scratch_dir=tmp_path)
    assert roomy.held_bytes() == path.stat().st_size
