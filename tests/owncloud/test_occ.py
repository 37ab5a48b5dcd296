from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.occ import Occ
from tests.owncloud.conftest import Parts
from tests.servers.owncloud_site import Site, make_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.mariadb import DatabaseServer
    from tests.servers.owncloud_database import MysqlLogin


def upgrade_pending(site: Site) -> None:
    code = site.root / "version.php"
    code.write_text(code.read_text().replace("[11, 0, 0, 0]", "[11, 0, 1, 0]"))


@pytest.mark.parametrize("version", ["11.0.0", "9.1.8"])
def test_the_mode_is_turned_on_and_off(tmp_path: Path, version: str):
    occ = Parts.of(make_site(tmp_path, version=version, files_per_user=1)).occ
    assert not occ.maintenance()
    for on in (True, True, False, False):
        occ.set_maintenance(on=on)
        assert occ.maintenance() is on


@pytest.mark.parametrize("maintenance", [True, False])
def test_status_is_found_among_other_lines(parts: Parts, *, maintenance: bool):
    upgrade_pending(parts.site)
    parts.occ.set_maintenance(on=maintenance)
    assert parts.occ.maintenance() is maintenance
    assert parts.occ.status()["versionstring"] == "11.0.0"


def test_the_fingerprint_is_confirmed(parts: Parts):
    parts.occ.data_fingerprint()
    assert "'data-fingerprint' => " in parts.site.config_path.read_text()


def test_the_fingerprint_works_in_maintenance(parts: Parts):
    parts.occ.set_maintenance(on=True)
    parts.occ.data_fingerprint()
    assert parts.occ.maintenance()


def failure(occ: Occ) -> OwncloudError:
    with pytest.raises(OwncloudError) as caught:
        occ.maintenance()
    with pytest.raises(OwncloudError):
        occ.set_maintenance(on=False)
    assert caught.value.hint
    return caught.value


def test_database_down(parts: Parts):
    with parts.site.fault("database-down"):
        error = failure(parts.occ)
    assert "Failed to connect to the database" in error.message
    assert "Stack trace" not in error.message
    assert "database server running" in error.hint


def test_a_real_database_that_refuses(
    tmp_path: Path, mysql_login: MysqlLogin, mariadb: DatabaseServer
):
    site = make_site(tmp_path, dbtype="mysql", mysql=mysql_login, files_per_user=1)
    parts = Parts.of(site)
    assert not parts.occ.maintenance()
    mariadb.run(None, f"DROP DATABASE `{mysql_login.name}`")
    error = failure(parts.occ)
    assert "Unknown database" in error.message
    assert mysql_login.password not in str(error)


def test_broken_config(parts: Parts):
    whole = parts.site.config_path.read_bytes()
    parts.site.config_path.write_bytes(whole[: len(whole) // 2])
    error = failure(parts.occ)
    assert "ParseError: syntax error" in error.message
    assert "status 255" in error.message
    assert "cut by a full disk" in error.hint


def test_config_cut_to_nothing(parts: Parts):
    parts.site.config_path.write_bytes(b"")
    assert "no commands defined" in failure(parts.occ).message


def test_broken_code(parts: Parts):
    (parts.site.root / "lib" / "instance.php").write_text("<?php class {")
    assert "syntax error" in failure(parts.occ).message


def test_missing_data_directory(parts: Parts):
    (parts.site.data_dir / ".ocdata").unlink()
    error = failure(parts.occ)
    assert "Your data directory is invalid" in error.message
    assert "mounted" in error.hint


def test_read_only_config(parts: Parts):
    parts.site.overlay("ro", config_is_read_only=True)
    with pytest.raises(OwncloudError, match="read-only") as caught:
        parts.occ.set_maintenance(on=True)
    assert "config_is_read_only" in caught.value.hint


def test_occ_that_is_not_there(parts: Parts):
    (parts.site.root / "occ").unlink()
    assert "Could not open input file" in failure(parts.occ).message
    assert "cannot be started" in failure(Occ(("/no/such/php",), parts.site.root)).message


def test_occ_that_hangs(parts: Parts):
    with parts.site.fault("slow", "5"):
        occ = Occ(parts.occ.command, parts.site.root, timeout_seconds=0.5)
        assert "did not end within 0.5 seconds" in failure(occ).message


def test_an_occ_that_says_nothing_is_not_believed(parts: Parts):
    for command in (("true",), ("sh", "-c", "echo Maintenance mode enabled")):
        occ = Occ(command, parts.site.root)
        with pytest.raises(OwncloudError, match="neither enabled nor disabled"):
            occ.maintenance()
        with pytest.raises(OwncloudError, match="no JSON"):
            occ.status()
    with pytest.raises(OwncloudError, match="no JSON"):
        Occ(("sh", "-c", "echo '{cut'"), parts.site.root).status()
    with pytest.raises(OwncloudError, match=r"ended by a signal: nothing\."):
        Occ(("sh", "-c", "kill -9 $$"), parts.site.root).maintenance()


def test_the_command_of_the_configuration_wins(site: Site):
    command = ("env", "X=1", "php", str(site.root / "occ"))
    parts = Parts.of(site, occ=command)
    assert parts.occ.command == command
    assert not parts.occ.maintenance()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_occ_runs_as_the_owner_of_config(public_folder: Path):
    parts = Parts.of(make_site(public_folder, files_per_user=1, owner=(33, 33)))
    assert parts.occ.command[:4] == ("runuser", "-u", "www-data", "--")
    parts.occ.set_maintenance(on=True)
    assert parts.occ.maintenance()
    status = parts.site.config_path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (33, 33, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give files away")
def test_the_wrong_user_is_told(public_folder: Path):
    site = make_site(public_folder, files_per_user=1, owner=(33, 33))
    parts = Parts.of(site, occ=("php", str(site.root / "occ")))
    error = failure(parts.occ)
    assert "Console has to be executed with the user that owns" in error.message
    assert "as that user" in error.hint
