"""Maintenance as it was found, whatever happens, and a restore that leaves no gap in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install
from tests.cli.state import State, differing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.installation import Installation
    from tests.servers.owncloud_site import Site

WWW_DATA = (33, 33)


def occ(site: Site, *arguments: str) -> str:
    done = subprocess.run(
        ["php", str(site.root / "occ"), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout


def settings(site: Site) -> dict[str, object]:
    """Return what config.php says, but for the mode: occ writes it anew in its own layout.

    And but for what tells sync clients of a restore.
    """
    program = f"include '{site.config_path}'; echo json_encode($CONFIG);"
    done = subprocess.run(["php", "-r", program], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    assert found.pop("maintenance", False) in (True, False)
    found.pop("data-fingerprint", None)
    return found


def is_on(site: Site) -> bool:
    return "currently enabled" in occ(site, "maintenance:mode")


def test_off_before_is_off_after_and_costs_no_settings(installation: Installation):
    before = settings(installation.site)
    for _ in range(2):
        report = installation.json("backup")
        assert report["window"]["found_on"] is False
        assert not is_on(installation.site)
    assert settings(installation.site) == before


def test_on_before_is_on_after(installation: Installation):
    occ(installation.site, "maintenance:mode", "--on")
    before = installation.site.config_path.read_bytes()
    report = installation.json("backup")
    assert report["window"]["found_on"] is True
    assert report["window"]["total_seconds"] == 0
    assert installation.site.config_path.read_bytes() == before
    installation.json("restore", "--yes")
    assert is_on(installation.site)


def test_the_admins_own_maintenance_outlasts_a_restore(installation: Installation):
    wanted = settings(installation.site)
    installation.json("backup")
    occ(installation.site, "maintenance:mode", "--on")
    installation.json("restore", "--yes")
    assert is_on(installation.site)
    assert settings(installation.site) == wanted


def test_off_after_a_failure(installation: Installation):
    before = settings(installation.site)
    in_the_way = installation.folder / "no-folder"
    in_the_way.write_text("in the way")
    installation.set("backup", spool_dir=str(in_the_way))
    result = installation.run("-q", "backup")
    assert result.status == 15, result
    assert str(in_the_way) in result.err
    assert not is_on(installation.site)
    assert settings(installation.site) == before


def test_an_overlay_that_hides_the_mode_fails_and_leaves_it_off(installation: Installation):
    overlay = installation.site.overlay("zz", maintenance=False)
    result = installation.run("-q", "backup")
    assert result.status == 5, result
    assert overlay.name in result.err
    overlay.unlink()
    assert not is_on(installation.site)


def test_a_restore_brings_config_php_back_byte_for_byte(installation: Installation):
    path = installation.site.config_path
    text = path.read_text().replace("<?php\n", "<?php\n// The admin's own words, at odd places.\n")
    path.write_text(text.replace("\n", "\r\n"))
    path.chmod(0o600)
    wanted, found = path.read_bytes(), path.stat()
    installation.json("backup")
    assert path.read_bytes() != wanted, "occ rewrites it"
    installation.json("restore", "--yes", "--no-fingerprint")
    now = path.stat()
    assert path.read_bytes() == wanted
    assert (now.st_mode, now.st_mtime_ns) == (found.st_mode, found.st_mtime_ns)


def test_nobody_gets_in_while_a_restore_is_loading(installation: Installation):
    """The restored config.php knows of no maintenance, and the database is not there yet."""
    site = installation.site
    installation.json("backup")
    watched = installation.folder / "watched"
    # Every call of occ says what config.php says at that moment, and whether it is the new one.
    original = (site.root / "occ").read_text()
    watcher = (
        "<?php $CONFIG = array(); include __DIR__ . '/config/config.php';"
        f" file_put_contents('{watched}', json_encode(array($argv, $CONFIG['maintenance'] ?? null))"
        ' . "\\n", FILE_APPEND); ?>'
    )
    assert original.startswith("#!")
    (site.root / "occ").write_text(original.replace("<?php", watcher + "<?php", 1))
    installation.json("restore", "--yes")
    calls = watched.read_text().splitlines()
    (on,) = [number for number, line in enumerate(calls) if '"--on"' in line]
    (warned,) = [number for number, line in enumerate(calls) if '"maintenance:data-finger' in line]
    assert on < warned
    assert all(line.endswith(",true]") for line in calls[on + 1 : warned + 1]), "the new one too"
    assert not is_on(site)


@pytest.mark.parametrize("lost", ["database", "config", "data", "all"])
def test_whatever_is_lost_comes_back(installation: Installation, lost: str):
    site = installation.site
    wanted = State.of(site)
    installation.json("backup")
    if lost in ("database", "all"):
        site.database.unlink()  # type: ignore[union-attr]
    if lost in ("config", "all"):
        shutil.rmtree(site.root / "config")
    if lost in ("data", "all"):
        shutil.rmtree(site.data_dir)
    result = installation.run("restore", "--yes", "--no-fingerprint")
    assert result.status == 0, result
    now = State.of(site)
    assert now.config == wanted.config
    assert differing(now.files, wanted.files) == {}
    assert now.rows == wanted.rows
    assert not is_on(site)


def test_only_the_database_file_is_lost(installation: Installation):
    wanted = State.of(installation.site)
    installation.json("backup")
    installation.site.database.unlink()  # type: ignore[union-attr]
    report = installation.json("restore", "--db", "--yes")
    assert report["kept_database"] is None
    assert State.of(installation.site).rows == wanted.rows


def test_owners_and_folders_above_let_the_web_server_through(open_folder: Path):
    installation = install(open_folder, owner=WWW_DATA)
    wanted = State.of(installation.site)
    installation.json("backup")
    shutil.rmtree(installation.site.data_dir.parent)
    installation.json("restore", "--yes", "--no-fingerprint")
    now = State.of(installation.site)
    assert differing(now.files, wanted.files) == {}
    assert now.config == wanted.config
    database = installation.site.database
    as_web_server = ["setpriv", "--reuid=33", "--regid=33", "--clear-groups", "test", "-w"]
    assert subprocess.run([*as_web_server, str(database)], check=False).returncode == 0


def test_links_to_config_data_and_homes_are_followed_and_kept(installation: Installation):
    """As in ownCloud's container image, and where homes were moved to another disk."""
    site = installation.site
    elsewhere = installation.folder / "volume"
    elsewhere.mkdir()
    config = site.root / "config"
    shutil.move(config, elsewhere / "config")
    config.symlink_to(elsewhere / "config")
    shutil.move(site.homes["alice"], elsewhere / "alice")
    site.homes["alice"].symlink_to(elsewhere / "alice")
    shutil.move(site.data_dir, elsewhere / "data")
    site.data_dir.symlink_to(elsewhere / "data")
    before = State.of(site)
    homes = State.of(site).files
    inside = _walk(elsewhere)
    installation.json("backup")
    for path in ("config", "alice", "data"):
        shutil.rmtree(elsewhere / path)
    report = installation.json("restore", "--yes", "--no-fingerprint")
    assert report["failed"] == []
    assert State.of(site) == before
    assert State.of(site).files == homes
    assert {path: item for path, item in _walk(elsewhere).items() if path != "config"} == {
        path: item for path, item in inside.items() if path != "config"
    }
    assert config.is_symlink()
    assert site.homes["alice"].is_symlink()


def _walk(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        left_out = ("alice/uploads", "alice/cache", ".part", "owncloud.log", "owncloud.db")
        if any(part in name for part in (*left_out, "/uploads", "/cache")):
            continue
        status = path.lstat()
        found[name] = (status.st_mode, status.st_mtime_ns)
    return found
