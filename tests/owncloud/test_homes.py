from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import OwncloudConfig
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.homes import Home, homes, open_uploads
from ocsnap.owncloud.instance import Instance
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.owncloud.conftest import Parts
    from tests.servers.owncloud_database import MysqlLogin


def homes_of(site: Site) -> list[Home]:
    instance = Instance.discover(OwncloudConfig(root=site.root))
    with site.connected() as database:
        return homes(database, instance)


def test_every_user_has_a_home_with_an_etag(site: Site):
    found = homes_of(site)
    assert [home.user for home in found] == ["alice", "bob", "carol@example.org"]
    assert [home.path for home in found] == [site.data_dir / user for user in site.users]
    etags = {home.root_etag for home in found}
    assert len(etags) == 3
    assert all(etag and len(etag) == 32 for etag in etags)


def test_the_same_from_mysql(tmp_path: Path, mysql_login: MysqlLogin):
    site = make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=3, prefix="x_")
    found = homes_of(site)
    assert [home.path for home in found] == [site.data_dir / user for user in site.users]
    assert all(home.root_etag for home in found)


def test_homes_may_lie_outside_the_data_directory(site: Site, tmp_path: Path):
    outside = tmp_path / "other disk" / "bob"
    shutil.move(site.data_dir / "bob", outside)
    with site.connected() as database:
        database.run("UPDATE oc_accounts SET home = ? WHERE user_id = 'bob'", str(outside))
    assert {home.user: home.path for home in homes_of(site)}["bob"] == outside


def test_a_user_who_never_logged_in_has_no_home(site: Site):
    shutil.rmtree(site.data_dir / "bob")
    assert [home.user for home in homes_of(site)] == ["alice", "carol@example.org"]


def test_a_home_that_owncloud_never_looked_into_has_no_etag(site: Site):
    with site.connected() as database:
        database.run("DELETE FROM oc_filecache WHERE path = ''")
    assert [home.root_etag for home in homes_of(site)] == [None, None, None]


def test_a_home_stored_as_local_storage_has_its_etag(site: Site):
    with site.connected() as database:
        storage = f"local::{site.data_dir / 'alice'}/"
        if len(storage) > 64:
            storage = hashlib.md5(storage.encode(), usedforsecurity=False).hexdigest()
        before = homes(database, Instance.discover(OwncloudConfig(root=site.root)))[0]
        database.run("UPDATE oc_storages SET id = ? WHERE id = 'home::alice'", storage)
    assert homes_of(site)[0] == before


def test_long_user_ids_have_hashed_storages(tmp_path: Path):
    user = "a.very.long.name@" + "x" * 45 + ".example"
    site = make_site(tmp_path, users=(user,), files_per_user=2)
    with site.connected() as database:
        stored = [name for (name,) in database.rows("SELECT id FROM oc_storages ORDER BY id")]
    assert f"home::{user}" not in stored
    assert homes_of(site)[0].root_etag


def test_a_relative_home_is_an_error(site: Site):
    with site.connected() as database:
        database.run("UPDATE oc_accounts SET home = 'data/bob' WHERE user_id = 'bob'")
    with pytest.raises(OwncloudError, match="'bob'"):
        homes_of(site)


@pytest.mark.parametrize("version", ["8.2.11", "9.1.8"])
def test_old_versions_have_no_accounts(tmp_path: Path, version: str):
    site = make_site(tmp_path, version=version, files_per_user=2)
    (site.data_dir / "ldap-user").mkdir()
    with site.connected() as database:
        database.run("INSERT INTO oc_storages (id) VALUES ('home::ldap-user')")
    found = homes_of(site)
    assert [home.user for home in found] == ["alice", "bob", "carol@example.org", "ldap-user"]
    assert [bool(home.root_etag) for home in found] == [True, True, True, False]


def test_texts_may_come_as_bytes(parts: Parts):
    with parts.site.connected() as database:

        def raw(sql: str, parameters: object = ()) -> list[tuple[object, ...]]:
            rows = database(sql)
            return [
                tuple(item.encode() if isinstance(item, str) else item for item in row)
                for row in rows
            ]

        assert homes(raw, parts.instance) == homes(database, parts.instance)


def test_open_uploads_are_exclusive_locks_that_have_not_ended(site: Site):
    now = time.time()
    with site.connected() as database:
        database.run(
            "INSERT INTO oc_file_locks (`lock`, `key`, ttl) VALUES (-1, 'files/u', ?)",
            int(now) + 100,
        )
        assert open_uploads(database, "oc_", now=now) == ["files/u"]
        assert len(open_uploads(database, "oc_", now=0)) == 2
        assert open_uploads(database, "oc_", now=now + 200) == []


def test_open_uploads_from_mysql(tmp_path: Path, mysql_login: MysqlLogin):
    site = make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=1)
    with site.connected() as database:
        assert open_uploads(database, "oc_", now=0) == ["files/" + "a" * 32]


def test_the_version_of_the_database_decides_on_accounts(parts: Parts):
    pending = replace(parts.instance, version="10.0.3", installed_version="9.1.8.1")
    assert not pending.has_accounts
