"""The stand-in itself: a test is worth what its stand-in is worth."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.servers.owncloud_changes import Changes
from tests.servers.owncloud_filecache import Filecache
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.owncloud_database import MysqlLogin, SiteDatabase

TREES = ("files", "files_versions", "files_trashbin")


@dataclass
class Acting:
    site: Site
    database: SiteDatabase
    changes: Changes

    def etags(self) -> dict[str, str]:
        rows = self.database.rows(
            "SELECT path, etag FROM oc_filecache f JOIN oc_storages s ON s.numeric_id = f.storage"
            " WHERE s.id = 'home::alice'"
        )
        return {path: etag for path, etag in rows if path in {"", *TREES}}


@pytest.fixture
def acting(site: Site) -> Iterator[Acting]:
    rng = random.Random(5)
    with site.connected() as database:
        changes = Changes(site.homes, database, Filecache(database, rng), rng)
        changes.act_as("alice")
        yield Acting(site, database, changes)


def assert_consistent(site: Site, *, written_past: bool) -> None:
    with site.connected() as database:
        rows = database.rows(
            "SELECT s.id, f.path, f.size, f.mimetype, f.checksum, f.fileid, f.path_hash, f.mtime"
            " FROM oc_filecache f JOIN oc_storages s ON s.numeric_id = f.storage"
        )
        sums = dict(database.rows("SELECT parent, SUM(size) FROM oc_filecache GROUP BY parent"))
    for user, home in site.homes.items():
        own = {row[1]: row for row in rows if row[0] == f"home::{user}"}
        on_disk = {
            str(path.relative_to(home))
            for tree in (*TREES, "thumbnails")
            for path in (home / tree).rglob("*")
            if path.suffix != ".part"
        }
        assert on_disk <= own.keys()
        for path, (_, _, size, mimetype, checksum, number, path_hash, mtime) in own.items():
            assert path_hash == hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
            assert (home / path).exists()
            if mimetype == 2:
                assert int(sums.get(number, 0)) == size
            elif not written_past:
                assert (home / path).stat().st_size == size
                assert int((home / path).stat().st_mtime) == mtime
                digest = hashlib.sha1((home / path).read_bytes(), usedforsecurity=False)
                assert checksum in {"", None} or checksum.startswith(f"SHA1:{digest.hexdigest()} ")


def is_named_after_now(path: Path, began: int) -> bool:
    """Return whether it is a version of a file that this very test has edited in place."""
    stamp = path.suffix.removeprefix(".v")
    return stamp.isdigit() and int(stamp) >= began


def test_the_same_seed_makes_the_same_site(tmp_path: Path):
    began = int(time.time())
    contents = []
    for name in ("one", "two"):
        site = make_site(tmp_path / name, data_dir=tmp_path / name / "d", files_per_user=10)
        site.mutate(3)
        contents.append(
            {
                str(path.relative_to(site.data_dir)): path.read_bytes()
                for path in site.data_dir.rglob("*")
                if path.is_file() and path != site.database and path.suffix != ".part"
                if not is_named_after_now(path, began)
            }
        )
    assert contents[0] == contents[1]
    assert len(contents[0]) > 40


def test_disk_and_database_agree(site: Site, monkeypatch: pytest.MonkeyPatch):
    assert_consistent(site, written_past=False)
    monkeypatch.setattr(Changes, "write_past_owncloud", Changes.upload)
    for seed in range(8):
        assert len(site.mutate(seed, changes=25)) == 25
        assert_consistent(site, written_past=False)


def test_disk_and_database_agree_with_mysql(tmp_path: Path, mysql_login: MysqlLogin):
    site = make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=6, prefix="q_")
    site.mutate(1, changes=60)
    assert_consistent(site, written_past=True)


@pytest.mark.parametrize(
    ("act", "changed"),
    [
        (Changes.upload, {"", "files"}),
        (Changes.make_folder, {"", "files"}),
        (Changes.rename, {"", "files"}),
        (Changes.move, {"", "files"}),
        (Changes.copy, {"", "files"}),
        (Changes.overwrite, {"", "files", "files_versions"}),
        (Changes.overwrite_unseen, {"", "files", "files_versions"}),
        (Changes.edit_inside, {"", "files", "files_versions"}),
        (Changes.restore_version, {"", "files", "files_versions"}),
        (Changes.delete, {"", "files", "files_trashbin"}),
        (Changes.restore_from_trash, {"", "files", "files_trashbin"}),
        (Changes.expire_version, {"", "files_versions"}),
        (Changes.empty_trash, {"", "files_trashbin"}),
        (Changes.preview, set()),
        (Changes.avatar, set()),
        (Changes.write_past_owncloud, set()),
    ],
)
def test_etags_change_as_in_owncloud(
    acting: Acting, act: Callable[[Changes], str], changed: set[str]
):
    if act is Changes.restore_from_trash:
        acting.changes.delete()
    if act is Changes.restore_version:
        acting.changes.overwrite()
    before = acting.etags()
    act(acting.changes)
    after = acting.etags()
    assert {path for path in before if before[path] != after[path]} == changed
    assert set(before) == {"", *TREES}


def test_an_unseen_overwrite_shows_in_inode_and_ctime_alone(acting: Acting):
    home = acting.site.homes["alice"]
    before = {path: path.stat() for path in (home / "files").rglob("*") if path.is_file()}
    told = acting.changes.overwrite_unseen()
    after = {path: path.stat() for path in before}
    different = [path for path in before if before[path].st_ino != after[path].st_ino]
    assert len(different) == 1
    assert str(different[0].relative_to(home)) in told
    old, new = before[different[0]], after[different[0]]
    assert (old.st_size, int(old.st_mtime)) == (new.st_size, int(new.st_mtime))
    assert old.st_ctime_ns != new.st_ctime_ns


def test_a_restored_version_keeps_the_inode(acting: Acting):
    acting.changes.overwrite()
    home = acting.site.homes["alice"]
    before = {path: path.stat().st_ino for path in (home / "files").rglob("*")}
    acting.changes.restore_version()
    assert {path: path.stat().st_ino for path in (home / "files").rglob("*")} == before
