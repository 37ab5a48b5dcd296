"""Homes whose etag is as before are not walked, and still nothing that users change is missed."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.backup.backup import BackupOptions
from ocsnap.repository.snapshot import RootKind
from tests.commands.host import FREEZING, LAST_CHANGES, LIVE_PASS, Host, make_host
from tests.servers.owncloud_changes import Changes
from tests.servers.owncloud_filecache import Filecache
from tests.servers.owncloud_tree import fill_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.mariadb import DatabaseServer

TRUSTED = ("files", "files_versions", "files_trashbin")
NEW_ETAG = (
    "upload",
    "overwrite",
    "overwrite_unseen",
    "edit_inside",
    "rename",
    "move",
    "copy",
    "make_folder",
    "delete",
    "restore_from_trash",
    "restore_version",
    "expire_version",
    "empty_trash",
)
SAME_ETAG = ("preview", "avatar")
DEEP = "files/Documents/2024 Verträge"
UNFROZEN = BackupOptions(maintenance=False)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Return a host that has backups already; each test leaves it backed up."""
    host = make_host(tmp_path_factory.mktemp("etags"))
    host.act("alice", "delete")  # so that there is something to restore
    host.backup()
    return host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host of one's own, backed up once."""
    host = make_host(tmp_path)
    host.backup()
    return host


def directories(home: Path) -> int:
    """Count the directories that a home's etag covers."""
    return sum(1 for name in TRUSTED for _ in os.walk(home / name))


def idle_directories(host: Host) -> int:
    """Count what a backup lists where no home changed: config once, the rest in two passes."""
    homes = set(host.site.homes.values())
    count = 0
    for path, names, _ in os.walk(host.site.data_dir):
        count += 1
        if Path(path) in homes:
            names[:] = [name for name in names if name not in {*TRUSTED, "cache", "uploads"}]
    return 1 + 2 * count


def deep_file(host: Host, user: str = "alice") -> Path:
    folder = host.site.homes[user] / DEEP
    return next(path for path in sorted(folder.iterdir()) if path.stat().st_size > 10)


def write_past_owncloud(path: Path) -> None:
    """Change a file in place, under the same size and mtime; the database knows nothing."""
    status = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def stay_within_owncloud(changes: Changes) -> None:
    """Leave out of the users' acts what they do past ownCloud."""
    changes._acts.remove(changes.write_past_owncloud)


def test_that_the_acts_are_all_there_are():
    acts = Changes({}, None, None, random.Random(0))._acts  # type: ignore[arg-type]
    names = {act.__name__ for act in acts}
    assert names == {*NEW_ETAG, *SAME_ETAG, "write_past_owncloud"}


# -- one act at a time -------------------------------------------------------------------------


@pytest.mark.parametrize("act", NEW_ETAG)
def test_each_act_is_found_and_only_the_home_concerned_is_walked(shared: Host, act: str):
    etag = shared.etag("alice")
    said = shared.act("alice", act)
    assert shared.etag("alice") != etag, said

    figures = shared.backup().statistics

    assert shared.differences() == [], said
    walked = directories(shared.site.homes["alice"])
    assert figures.directories_read == idle_directories(shared) + walked, said
    assert shared.home_root("alice").etag == shared.etag("alice")


@pytest.mark.parametrize("act", SAME_ETAG)
def test_what_etags_do_not_cover_is_found_all_the_same(shared: Host, act: str):
    etags = [shared.etag(user) for user in shared.site.users]
    said = shared.act("alice", act)
    assert [shared.etag(user) for user in shared.site.users] == etags

    figures = shared.backup().statistics

    assert shared.differences() == [], said
    assert figures.files_read == 2  # the other one is config.php, which each freeze writes
    assert figures.directories_read == idle_directories(shared)


def test_keys_of_the_encryption_app_are_found(shared: Host):
    key = shared.site.homes["alice"] / "files_encryption/OC_DEFAULT_MODULE/alice.privateKey"
    key.parent.mkdir(parents=True)
    for content in (b"first key", b"other key"):
        key.write_bytes(content)
        shared.backup()
        assert shared.differences() == []


def test_uploads_and_caches_are_left_out_by_design(shared: Host):
    home = shared.site.homes["alice"]
    (home / "uploads/4712").mkdir(parents=True)
    (home / "uploads/4712/000000000000000-000000000000099").write_bytes(b"a chunk")
    (home / "cache/more.tmp").write_bytes(b"made again")
    (home / DEEP / "killed.bin.ocTransferId816.part").write_bytes(b"cut off")
    shared.act("alice", "upload")

    shared.backup()

    assert shared.differences() == []
    with shared.restored() as target:
        names = {path.name for path in target.rglob("*")}
    assert not names & {"uploads", "cache", "killed.bin.ocTransferId816.part"}


def test_shares_and_favourites_touch_no_directory(shared: Host):
    with shared.site.connected() as database:
        database.run("INSERT INTO oc_share (share_type, uid_owner) VALUES (0, 'alice')")

    report = shared.backup()

    assert report.statistics.directories_read == idle_directories(shared)
    assert report.dump_new_bytes > 0


def test_what_another_user_does_in_a_share_is_found_in_both_homes(shared: Host):
    alice, bob = (shared.site.homes[user] for user in ("alice", "bob"))
    theirs = deep_file(shared)
    name = f"{theirs.name}.d1650000000"
    path = str(theirs.relative_to(alice))
    # Who deletes in a share of somebody else's gets a copy into the trash, and so does the owner.
    shutil.copy2(theirs, bob / "files_trashbin/files" / name)
    theirs.rename(alice / "files_trashbin/files" / name)
    with shared.site.connected() as database:
        filecache = Filecache(database, random.Random(5))
        storages = [filecache.storage(f"home::{user}") for user in ("alice", "bob")]
        filecache.moved(storages[0], path, f"files_trashbin/files/{name}")
        filecache.changed(storages[1], bob, f"files_trashbin/files/{name}")

    figures = shared.backup().statistics

    assert shared.differences() == []
    walked = directories(alice) + directories(bob)
    assert figures.directories_read == idle_directories(shared) + walked


# -- any sequence of acts ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_missed_in_any_sequence(tmp_path: Path, seed: int):
    host = make_host(tmp_path)
    host.random.seed(seed)
    _compare_again_and_again(host, rounds=6)


def test_nothing_is_missed_with_mysql(tmp_path: Path, mariadb: DatabaseServer):
    host = make_host(tmp_path, dbtype="mysql", mysql=mariadb.login(mariadb.new_database()))
    _compare_again_and_again(host, rounds=4)


def _compare_again_and_again(host: Host, *, rounds: int) -> None:
    """Let users work before each backup, and between its live pass and its window."""
    rng = host.random

    def work() -> None:
        with host.acting("alice") as changes:
            stay_within_owncloud(changes)
            said.extend(changes.one() for _ in range(rng.randrange(1, 12)))

    for _ in range(rounds):
        said: list[str] = []
        if rng.random() < 0.7:
            work()
        host.backup(acts={FREEZING: work} if rng.random() < 0.7 else {})
        assert host.differences() == [], said


# -- past ownCloud -----------------------------------------------------------------------------


def test_a_write_past_owncloud_waits_for_the_next_full_walk(host: Host):
    file = deep_file(host)
    before = host.portrait()
    write_past_owncloud(file)

    host.backup()
    # The price of trusting etags. Should this ever find it, so much the better: then this test
    # and the sentence in the documentation have to go.
    assert host.differences(before) == []

    host.clock.ahead_seconds += 6.9 * 86_400
    host.backup()
    assert host.differences(before) == []

    host.clock.ahead_seconds += 0.2 * 86_400
    figures = host.backup().statistics
    assert host.differences() == []
    walked = sum(directories(home) for home in host.site.homes.values())
    assert figures.directories_read == idle_directories(host) + walked
    assert host.backup().statistics.directories_read == idle_directories(host)


def test_no_trust_finds_a_write_past_owncloud_at_once(host: Host):
    host.set("scan", trust_etags="never")
    write_past_owncloud(deep_file(host))
    host.backup()
    assert host.differences() == []


def test_no_day_between_full_walks_finds_a_write_past_owncloud_at_once(host: Host):
    host.set("scan", full_walk_days=0)
    write_past_owncloud(deep_file(host))
    host.backup()
    assert host.differences() == []


def test_a_write_past_owncloud_beside_the_top_folders_is_found_at_once(host: Host):
    (host.site.homes["alice"] / "files" / "copied here").write_bytes(b"by an admin")
    (host.site.homes["bob"] / "files_versions").rename(host.site.homes["bob"] / "put aside")
    host.backup()
    assert host.differences() == []


def test_a_clock_set_back_does_not_put_off_the_full_walk(host: Host):
    host.clock.ahead_seconds = 400 * 86_400
    host.set("scan", full_walk_days=0)
    host.backup()
    host.set("scan", full_walk_days=7)
    host.clock.ahead_seconds = 0
    write_past_owncloud(deep_file(host))
    host.backup()
    assert host.differences() == []


# -- other rules, other places, other users ----------------------------------------------------


def test_other_excludes_are_honoured_though_etags_are_the_same(host: Host):
    home = host.site.homes["alice"]
    (home / DEEP / "notes.bak").write_bytes(b"deep below")
    host.act("alice", "upload")
    host.backup()
    assert host.differences() == []

    host.set("backup", exclude=["*.bak", "/bob/files/Music"])
    host.backup()
    with host.restored() as target:
        assert not list(target.rglob("*.bak"))
        assert not (target / "data/bob/files/Music").exists()
        assert (target / "data/alice/files/Music").exists()

    host.set("backup", exclude=[])
    host.backup()
    assert host.differences() == []


def test_a_home_that_moved_is_walked(host: Host):
    old = host.site.homes["alice"]
    new = host.folder / "another disk" / "alice"
    shutil.copytree(old, new, symlinks=True)
    shutil.rmtree(old)
    file = deep_file(host, "bob").name
    (new / DEEP / f"{file} moved").write_bytes(b"came on the way")
    with host.site.connected() as database:
        database.run("UPDATE oc_accounts SET home = ? WHERE user_id = 'alice'", str(new))

    figures = host.backup().statistics

    assert figures.errors == 0
    assert host.home_root("alice").path == os.fsencode(new)
    with host.restored() as target:
        restored = target / "homes/alice" / DEEP / f"{file} moved"
        assert restored.read_bytes() == b"came on the way"
        assert not (target / "data/alice").exists()


def test_a_home_that_was_deleted_is_gone(host: Host):
    files = host.home_root("bob").files
    shutil.rmtree(host.site.homes["bob"])
    _forget_user(host, "bob")

    report = host.backup()

    assert (RootKind.HOME, "bob") not in host.roots()
    assert report.statistics.deleted_files >= files
    assert report.statistics.errors == 0
    assert host.differences() == []


def test_a_home_without_its_user_is_part_of_the_data_directory(host: Host):
    _forget_user(host, "bob")
    write_past_owncloud(deep_file(host, "bob"))
    del host.site.homes["bob"]  # type: ignore[attr-defined]

    host.backup()

    assert (RootKind.HOME, "bob") not in host.roots()
    wanted = host.portrait()
    # No home any more: what ownCloud makes again by itself is not left out there.
    assert b"bob/uploads" in wanted
    assert host.differences(wanted) == []


def test_a_new_user_is_found(host: Host):
    home = host.site.data_dir / "dave"
    _add_user(host, "dave")
    host.backup()  # a user who never logged in has no home
    fill_home(home, random.Random(4), files=10, mean_bytes=100, large=0)
    host.site.homes["dave"] = home  # type: ignore[index]

    host.backup()
    assert host.home_root("dave").etag is None
    assert host.differences() == []

    # ownCloud has not looked into it: there is no etag to trust.
    write_past_owncloud(deep_file(host, "dave"))
    host.backup()
    assert host.differences() == []

    with host.site.connected() as database:
        filecache = Filecache(database, random.Random(6))
        filecache.scan(filecache.storage("home::dave"), home, below=TRUSTED)
    host.backup()
    assert host.home_root("dave").etag == host.etag("dave")
    assert host.differences() == []


def _add_user(host: Host, user: str) -> None:
    with host.site.connected() as database:
        database.run(
            "INSERT INTO oc_accounts (user_id, lower_user_id, backend, home) VALUES (?, ?, ?, ?)",
            *(user, user, "OC\\User\\Database", str(host.site.data_dir / user)),
        )


def _forget_user(host: Host, user: str) -> None:
    with host.site.connected() as database:
        database.run("DELETE FROM oc_accounts WHERE user_id = ?", user)
        database.run("DELETE FROM oc_users WHERE uid = ?", user)
        database.run("DELETE FROM oc_storages WHERE id = ?", f"home::{user}")


# -- while users work --------------------------------------------------------------------------


def test_a_change_between_etag_and_walk_of_the_live_pass_is_in_the_snapshot(host: Host):
    def change() -> None:
        host.act("alice", "overwrite")
        host.act("bob", "delete")

    def arm() -> None:
        host.clock.at_next_look = change

    host.backup(acts={LIVE_PASS: arm})
    assert host.differences() == []
    assert host.home_root("alice").etag == host.etag("alice")


def test_a_change_between_etag_and_walk_of_the_last_pass_is_seen_by_the_next_backup(host: Host):
    """Nobody froze ownCloud, or an upload outlived the drain."""
    etag = host.etag("alice")
    wanted: list[dict[bytes, object]] = []

    def change() -> None:
        host.act("alice", "overwrite")
        wanted.append({**host.portrait()})

    def arm() -> None:
        host.clock.at_next_look = change

    host.backup(UNFROZEN, acts={LAST_CHANGES: arm})
    assert wanted
    assert host.home_root("alice").etag == etag != host.etag("alice")

    host.backup()
    assert host.differences() == []


def test_a_change_after_the_walk_is_seen_by_the_next_backup(host: Host):
    """Alice's home is walked before Bob's, whose new file is read meanwhile."""
    wanted = host.portrait()

    def upload() -> None:
        host.act("bob", "upload")
        wanted.update(host.portrait())
        host.monitor.at_next_file = lambda: host.act("alice", "overwrite")

    host.backup(UNFROZEN, acts={LAST_CHANGES: upload})
    assert host.home_root("alice").etag != host.etag("alice")
    assert host.differences(wanted) == []

    host.backup()
    assert host.differences() == []


@pytest.mark.parametrize("act", ["overwrite_unseen", "delete", "restore_version", *SAME_ETAG])
def test_an_act_between_live_pass_and_window_is_in_the_snapshot(shared: Host, act: str):
    shared.backup(acts={FREEZING: lambda: shared.act("carol@example.org", act)})
    assert shared.differences() == []


# -- what could not be read --------------------------------------------------------------------


def test_what_cannot_be_read_is_told_again_and_again_though_the_etag_is_the_same(host: Host):
    with _too_deep(host.site.homes["alice"] / DEEP):
        host.act("alice", "upload")
        for _ in range(3):
            assert host.backup().statistics.errors == 1
            assert len(host.monitor.problems) == 1
    assert host.backup().statistics.errors == 0
    assert host.differences() == []


@contextmanager
def _too_deep(folder: Path) -> Iterator[None]:
    """Make folders deeper than a backup goes (reach.LONGEST_BYTES)."""
    top = folder / ("d" * 200)
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(330):
        os.mkdir(top.name, dir_fd=descriptor)
        inner = os.open(top.name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    try:
        yield
    finally:
        shutil.rmtree(top)


def test_a_home_that_is_deleted_during_the_live_pass_stops_nothing(host: Host):
    def delete() -> None:
        shutil.rmtree(host.site.homes["bob"])
        _forget_user(host, "bob")

    def arm() -> None:
        host.clock.at_next_look = delete

    report = host.backup(acts={LIVE_PASS: arm})

    assert report.statistics.errors == 0
    assert (RootKind.HOME, "bob") not in host.roots()
    assert host.differences() == []
