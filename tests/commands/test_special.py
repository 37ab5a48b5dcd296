"""Special set-ups are handled, told of, or refused: never passed over in silence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.commands.context import state_dir
from ocsnap.commands.site import open_site, site_findings
from ocsnap.errors import OwncloudError
from ocsnap.owncloud.finding import Finding, Severity
from ocsnap.repository.snapshot import RootKind
from tests.commands.host import Host, make_host

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.mariadb import DatabaseServer

EXTERNAL = """CREATE TABLE oc_external_mounts (mount_id INTEGER PRIMARY KEY,
    mount_point VARCHAR(128) NOT NULL, storage_backend VARCHAR(64) NOT NULL,
    auth_backend VARCHAR(64) NOT NULL, priority INTEGER DEFAULT 100 NOT NULL,
    type INTEGER NOT NULL)"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return make_host(tmp_path, files_per_user=2, large_bytes=0)


def found(host: Host) -> dict[str, Finding]:
    context = host.context()
    site = open_site(context, state_dir(context))
    return {each.topic: each for each in site_findings(context, site, freezes=True)}


def set_app_value(host: Host, app: str, **values: str) -> None:
    with host.site.connected() as database:
        for key, value in values.items():
            database.run(
                "INSERT INTO oc_appconfig (appid, configkey, configvalue) VALUES (?, ?, ?)",
                *(app, key.replace("__", "."), value),
            )


def add_external_storages(host: Host) -> None:
    with host.site.connected() as database:
        database.run(EXTERNAL)
        database.run_many(
            "INSERT INTO oc_external_mounts VALUES (?, ?, ?, 'password::password', 100, 1)",
            [
                (1, "/Archive", "local"),
                (2, "/Team", "smb"),
                (3, "/Old", "files_external::owncloud"),
            ],
        )


def write(path: Path, content: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_a_plain_owncloud_has_nothing_special(host: Host):
    assert found(host) == {}
    assert host.backup().notes == ()


# -- object storage --------------------------------------------------------------------------

S3 = {"class": "OCA\\Files_Primary_S3\\S3Storage", "arguments": {"bucket": "oc-files"}}


@pytest.mark.parametrize("key", ["objectstore", "objectstore_multibucket"])
def test_files_in_an_object_store_are_refused(host: Host, key: str):
    host.site.overlay("store", **{key: S3})
    with pytest.raises(OwncloudError, match=r"bucket oc-files \(S3Storage\)") as caught:
        host.backup()
    assert "owncloud.accept_objectstore = true" in caught.value.hint
    assert "Freezing ownCloud" not in host.monitor.steps


def test_with_consent_database_and_config_are_backed_up_and_each_report_says_so(host: Host):
    host.site.overlay("store", objectstore=S3)
    host.set("owncloud", accept_objectstore=True)
    for _ in range(2):
        (note,) = host.backup().notes
        assert "NOT in this backup" in note
    assert {kind for kind, _ in host.roots()} >= {RootKind.CONFIG, RootKind.DATABASE}


# -- encryption ------------------------------------------------------------------------------


def test_keys_are_in_the_backup_whatever_is_to_be_left_out(host: Host):
    set_app_value(host, "core", encryption_enabled="yes", encryption_key_storage_root="own/keys")
    home, data = host.site.homes["alice"], host.site.data_dir
    module = "OC_DEFAULT_MODULE"
    keys = [
        home / "files_encryption" / "keys" / "files" / "film.iso" / module / "fileKey",
        home / "files_encryption" / module / "alice.privateKey",
        data / "files_encryption" / module / "master_1.privateKey",
        data / "own" / "keys" / "alice" / "files_encryption" / module / "secret.part",
    ]
    for key in [*keys, home / "files" / "film.iso", data / "own" / "film.iso"]:
        write(key, str(key))
    host.set("backup", exclude=["*.iso", "*Key", "files_encryption", "/own", "**/keys", "*/OC_*"])
    report = host.backup()
    with host.restored() as target:
        restored = {str(path.relative_to(target / "data")) for path in target.rglob("*")}
    assert {os.path.relpath(key, data) for key in keys} <= restored
    assert not {"alice/files/film.iso", "own/film.iso"} & restored
    assert report.notes == ()


def test_encryption_is_told_with_what_a_restore_needs(host: Host):
    set_app_value(host, "core", encryption_enabled="yes")
    assert found(host)["encryption"].severity is Severity.NOTE
    assert "each user's password" in found(host)["encryption"].text
    set_app_value(host, "encryption", useMasterKey="1", hsm__url="http://localhost:8513")
    (note,) = host.backup().notes
    assert "hardware security module" in note


def test_keys_that_are_not_where_they_should_be_are_told(host: Host):
    set_app_value(host, "core", encryption_enabled="yes", encryption_key_storage_root="/gone")
    (note,) = host.backup().notes
    assert f"{host.site.data_dir}/gone" in note


# -- elsewhere -------------------------------------------------------------------------------


def test_external_storages_are_named(host: Host):
    add_external_storages(host)
    (note,) = host.backup().notes
    assert "NOT in the backup" in note
    assert "/Archive (local), /Old (owncloud), /Team (smb)" in note


def test_external_storages_are_found_with_mysql(tmp_path: Path, mariadb: DatabaseServer):
    login = mariadb.login(mariadb.new_database())
    host = make_host(tmp_path, dbtype="mysql", mysql=login, files_per_user=1, large_bytes=0)
    add_external_storages(host)
    set_app_value(host, "core", encryption_enabled="yes")
    assert {"external-storage", "encryption"} <= found(host).keys()


def test_old_external_storages_are_told(host: Host):
    write(host.site.data_dir / "mount.json", "{}")
    assert "mount.json" in found(host)["external-storage"].text


def test_homes_elsewhere_are_in_the_backup(host: Host, tmp_path: Path):
    elsewhere = tmp_path / "disk2" / "bob"
    elsewhere.parent.mkdir()
    host.site.homes["bob"].rename(elsewhere)
    with host.site.connected() as database:
        database.run("UPDATE oc_accounts SET home = ? WHERE user_id = ?", str(elsewhere), "bob")
    finding = found(host)["homes"]
    assert (finding.severity, "bob's" in finding.text) == (Severity.NOTE, True)
    report = host.backup()
    assert report.notes == ()
    assert host.home_root("bob").path == os.fsencode(elsewhere)


def test_code_that_did_not_come_along_is_named(host: Host, tmp_path: Path):
    root, more = host.site.root, tmp_path / "apps-external"
    write(root / "core" / "shipped.json", '{"shippedApps": ["files", "dav"]}')
    write(root / "apps" / "music" / "appinfo" / "info.xml")
    write(more / "calendar" / "appinfo" / "info.xml")
    write(root / "themes" / "corporate" / "core" / "img" / "logo.svg")
    (root / "themes" / "example").mkdir()
    write(tmp_path / "skeleton" / "Welcome.txt")
    paths = [{"path": str(root / "apps")}, {"path": str(more), "writable": True}]
    host.site.overlay("code", apps_paths=paths, skeletondirectory=str(tmp_path / "skeleton"))
    named = found(host)
    assert f"calendar (in {more}), music." in named["apps"].text
    assert "corporate." in named["themes"].text
    assert str(tmp_path / "skeleton") in named["skeleton"].text
    assert all(each.severity is Severity.WARNING and each.hint for each in named.values())
    assert len(host.backup().notes) == 3


def test_a_config_that_occ_cannot_write_is_refused_before_the_work(host: Host):
    host.site.overlay("fixed", config_is_read_only=True)
    with pytest.raises(OwncloudError, match="config_is_read_only"):
        host.backup()
    assert not any("Storing" in step for step in host.monitor.steps)
