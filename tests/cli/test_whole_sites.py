"""A whole site from nothing but the repository and its key: to its old paths, and to others."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ocsnap.commands.restore.checks import refuse_inner_mounts
from ocsnap.errors import LocalIOError
from tests.cli.installation import REPOSITORY, Installation, Result, install
from tests.cli.keys import new_key
from tests.cli.state import State, differing, files, left_out, rows
from tests.cli.test_freezing import is_on, occ, settings
from tests.servers.owncloud_database import connected
from tests.servers.owncloud_site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer
    from tests.servers.s3 import S3Server


class Machine:
    """A machine that has the key, a way to the repository, and no configuration of ocsnap.

    Attributes:
        installation: what was backed up.
        folder: what it has of its own.
        store: the options that lead to the repository; None: it is a folder.
    """

    def __init__(
        self, installation: Installation, folder: Path, store: list[str] | None = None
    ) -> None:
        self.installation = installation
        self.store = store or ["--repository", f"file://{installation.repository}"]
        self.folder = folder
        self.state_dir = folder / "state"
        folder.mkdir()

    @property
    def options(self) -> list[str]:
        passphrase = str(self.installation.settings["encryption"]["passphrase_file"])
        return [
            *self.store,
            f"--passphrase-file={passphrase}",
            "--state-dir",
            str(self.state_dir),
        ]

    def run(self, *arguments: str | Path) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "ocsnap", *map(str, arguments), *self.options],
            cwd=REPOSITORY,
            env=self.installation.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - whatever it holds
        result = self.run("--json", *arguments)
        assert result.status == 0, result
        return result.json()


@pytest.fixture
def machine(installation: Installation, tmp_path: Path) -> Machine:
    installation.json("backup")
    return Machine(installation, tmp_path / "machine")


def _moved(site: Site, root: Path, data_dir: Path, database: Any = None) -> Site:  # noqa: ANN401
    homes = {user: data_dir / home.relative_to(site.data_dir) for user, home in site.homes.items()}
    place = database or data_dir / "owncloud.db"
    return Site(root, data_dir, place, site.prefix, site.users, homes)


def _stored(folder: Path) -> str:
    """Return the id of a folder's storage as ownCloud stores it."""
    name = f"local::{folder}/"
    return hashlib.md5(name.encode()).hexdigest() if len(name) > 64 else name  # noqa: S324


def _unpack(site: Site, root: Path) -> None:
    """Bring ownCloud's code to where there is none, as an admin does."""
    for path in site.root.iterdir():
        if path.name != "config":
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, root / path.name)


def test_without_a_configuration_snapshots_are_listed_looked_into_and_verified(machine: Machine):
    (listed,) = machine.json("snapshots")["snapshots"]
    assert machine.json("verify")["sound"]
    report = machine.json("restore", "--target", machine.folder / "look")
    assert report["snapshot"] == listed["id"]
    assert (machine.folder / "look" / "config" / "config.php").is_file()


def test_options_of_a_bare_machine_need_the_repository(installation: Installation):
    result = installation.run("snapshots", "--region", "eu-central-1")
    assert result.status == 4
    assert "--repository" in result.err


def test_from_nothing_to_the_same_paths(machine: Machine):
    """Nothing is there but the key and the bucket: no code, no configuration, no database."""
    site = machine.installation.site
    wanted = State.of(site)
    shutil.move(site.root, machine.folder / "code")
    shutil.rmtree(site.data_dir)
    report = machine.json("restore", "--yes")
    assert not report["is_open"]
    steps = "\n".join(report["steps"])
    assert re.search(r"Unpack ownCloud 11\.0\.0 into", steps)
    for command in ("data-fingerprint", "maintenance:mode --off", "files:checksums:verify"):
        assert command in steps
    for path in (machine.folder / "code").iterdir():
        if path.name != "config":
            shutil.move(path, site.root / path.name)
    assert is_on(site), "until the admin has done the rest"
    occ(site, "maintenance:mode", "--off")
    now = State.of(site)
    assert differing(now.files, wanted.files) == {}
    assert now.rows == wanted.rows


def test_from_nothing_out_of_a_bucket(s3: S3Server, mariadb: DatabaseServer, tmp_path: Path):
    """The database server is an empty one; code, configuration, files and state are gone."""
    login = mariadb.login(mariadb.new_database(), tcp=True)
    installation = install(tmp_path / "old", dbtype="mysql", mysql=login, files_per_user=6)
    site, bucket = installation.site, s3.new_bucket()
    installation.settings["repository"] = s3.settings(bucket, "cloud", tmp_path)
    installation.json("backup")
    site.mutate(3)
    installation.json("backup")
    wanted = State.of(site)
    config = s3.repository_config(bucket, "cloud", tmp_path)
    store = ["--repository", config.url, "--region", config.region or "", "--endpoint", s3.endpoint]
    store += ["--access-key-id", s3.access_key_id]
    store += ["--secret-access-key-file", str(config.secret_access_key_file)]
    machine = Machine(installation, tmp_path / "new", store)
    shutil.move(site.root, machine.folder / "code")
    shutil.rmtree(site.data_dir)
    shutil.rmtree(installation.state_dir)
    installation.config.unlink()
    mariadb.run(None, f"DROP DATABASE `{login.name}`")
    mariadb.run(None, f"CREATE DATABASE `{login.name}`")
    assert len(machine.json("snapshots")["snapshots"]) == 2
    told = machine.json("restore", "--dry-run")
    assert told["estimate"]["dollars"] > 0
    assert told["estimate"]["prices_of"]
    assert not site.data_dir.exists()
    report = machine.json("restore", "--yes")
    assert report["awaits_code"]
    shutil.copytree(machine.folder / "code", site.root, dirs_exist_ok=True, ignore=_no_config)
    assert is_on(site), "until the admin has done the rest"
    occ(site, "maintenance:mode", "--off")
    now = State.of(site)
    assert differing(now.files, wanted.files) == {}
    assert now.rows == wanted.rows
    assert machine.json("verify", "--cross-check", "--read-data")["sound"]


def _no_config(_folder: str, _names: list[str]) -> list[str]:
    return ["config"]


def test_where_the_code_is_there_sync_clients_are_warned_and_it_is_opened(machine: Machine):
    site = machine.installation.site
    shutil.rmtree(site.root / "config")
    shutil.rmtree(site.data_dir)
    report = machine.json("restore", "--yes")
    assert report["is_open"]
    assert not is_on(site)
    assert "data-fingerprint" in site.config_path.read_text()
    assert not any("Unpack" in step or "--off" in step for step in report["steps"])


def test_where_sync_clients_cannot_be_warned_it_stays_closed(machine: Machine):
    site = machine.installation.site
    program = (site.root / "occ").read_text()
    failing = "if (in_array('maintenance:data-fingerprint', $argv)) { echo 'no'; exit(1); }\n"
    (site.root / "occ").write_text(program.replace("require_once", failing + "require_once", 1))
    result = machine.run("restore", "--yes")
    assert result.status == 16, result
    assert "data-fingerprint" in result.out
    assert is_on(site)
    (site.root / "occ").write_text(program)
    assert machine.run("restore", "--undo", "--yes").status == 0, "without a configuration file"
    assert not is_on(site)


def test_ownclouds_before_9_1_know_no_fingerprint(tmp_path: Path):
    installation = install(tmp_path, version="9.0.9")
    installation.json("backup")
    report = installation.json("restore", "--yes")
    assert report["is_open"]
    assert "data-fingerprint" not in installation.site.config_path.read_text()


def test_a_copy_at_other_paths_never_touches_the_original(machine: Machine):
    site = machine.installation.site
    site.config_path.write_text(
        site.config_path.read_text().replace(
            "'installed' =>",
            f"'logfile' => '{site.data_dir}/owncloud.log',\n"
            f"  'tempdirectory' => '{site.root}/scratch',\n  'cache_path' => '/elsewhere',\n"
            "  'installed' =>",
        )
    )
    site.overlay("apps", apps_paths=[{"path": f"{site.root}/apps2", "url": "/apps2"}])
    machine.installation.json("backup")
    before, original = State.of(site), settings(site)
    copy = machine.folder / "copy"
    copy.mkdir()
    _unpack(site, copy)
    data = machine.folder / "other" / "data"
    report = machine.json("restore", "--root", copy, "--data-dir", data, "--yes")
    assert report["is_open"]
    there = _moved(site, copy, data)
    said = settings(there)
    assert said["datadirectory"] == str(data)
    assert said["logfile"] == f"{data}/owncloud.log"
    assert said["tempdirectory"] == f"{copy}/scratch"
    assert said["cache_path"] == "/elsewhere"
    with connected(there.database) as database:
        homes = {home for (home,) in database.rows("SELECT home FROM oc_accounts")}
        ids = {name for (name,) in database.rows("SELECT id FROM oc_storages")}
    assert homes == {str(home) for home in there.homes.values()}
    assert _stored(data) in ids
    for text in (copy / "config").glob("*.php"):
        last = subprocess.run(
            ["php", "-r", f"include '{text}'; echo json_encode($CONFIG);"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert str(site.root) not in last.replace("\\/", "/")
    there.mutate(5)
    assert State.of(site) == before
    assert settings(site) == original


def test_long_paths_whose_storages_are_stored_as_checksums(tmp_path: Path):
    deep = tmp_path / ("deep" * 12) / "data"
    installation = install(tmp_path, data_dir=deep, files_per_user=2, users=("alice",))
    site = installation.site
    with site.connected() as database:
        database.run("UPDATE oc_storages SET id = ? WHERE id LIKE 'local::%'", _stored(deep))
    installation.json("backup")
    data = tmp_path / "d"
    installation.json("restore", "--data-dir", data, "--yes", "--root", tmp_path / "r")
    with connected(data / "owncloud.db") as database:
        ids = {name for (name,) in database.rows("SELECT id FROM oc_storages")}
    assert _stored(data) in ids
    assert _stored(deep) not in ids


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--root", "/nowhere/copy"], "--data-dir"),
        (["--target", "/nowhere/t", "--root", "/nowhere/r"], "--target"),
        (["--db", "--root", "/nowhere/r"], "whole site"),
    ],
)
def test_what_would_share_with_the_original_is_refused(
    machine: Machine, arguments: list[str], named: str
):
    result = machine.run("restore", "--yes", *arguments)
    assert result.status in {2, 14}
    assert named in result.err
    assert not Path("/nowhere").exists()


@pytest.mark.parametrize("option", ["--root", "--data-dir", "--db-name", "--target"])
def test_what_an_unset_variable_leaves_replaces_nothing(tmp_path: Path, option: str):
    """An empty path would be the folder that the admin happens to be in."""
    done = subprocess.run(
        [sys.executable, "-m", "ocsnap", "-c", "none.toml", "restore", option, "", "--yes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done
    assert f"{option} is empty" in done.stderr


def test_with_the_secret_key_instead_of_a_passphrase(installation: Installation, tmp_path: Path):
    """The repository itself says whose key it is; the machine has nothing but that."""
    key = new_key(tmp_path / "admin", "Admin <admin@example.org>")
    installation.settings["encryption"] = {
        "recipients": [key.fingerprint],
        "key_files": [str(key.public_file)],
    }
    installation.json("backup")
    url, state = f"file://{installation.repository}", tmp_path / "bare"
    command = [sys.executable, "-m", "ocsnap", "--json", "restore", f"--repository={url}"]
    command += ["--key-file", str(key.secret_file), "--state-dir", str(state)]
    done = subprocess.run(
        [*command, "--target", str(tmp_path / "look")],
        cwd=REPOSITORY,
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert (tmp_path / "look" / "config" / "config.php").is_file()


def test_a_dry_run_says_all_and_changes_nothing(machine: Machine):
    site = machine.installation.site
    (site.homes["alice"] / "files" / "only here").write_text("x")
    (site.homes["alice"] / "files" / "large.bin").unlink()
    before = State.of(site)
    told = machine.json("restore", "--dry-run")
    assert told["dry_run"]
    assert str(site.data_dir) in told["replaced"]
    estimate = told["estimate"]
    assert estimate["delete_files"] >= 1
    assert estimate["fetch_packs"] >= 1
    assert estimate["write_bytes"] >= 1_500_000
    assert estimate["reuse_files"] > 10
    assert estimate["dollars"] == 0
    assert State.of(site) == before
    assert not (machine.state_dir / "restores").exists()
    text = machine.run("restore", "--dry-run").out
    assert "nothing was changed" in text


def test_what_is_right_already_is_not_fetched(machine: Machine):
    installation = machine.installation
    wanted = State.of(installation.site)
    installation.site.mutate(4)
    kept = State.of(installation.site)
    for how in ([], ["--checksum"]):
        report = installation.json("restore", "--yes", "--no-fingerprint", *how)
        assert report["reused_bytes"] > 1_500_000
        now = State.of(installation.site)
        assert differing(now.files, wanted.files) == {}
        assert now.rows == wanted.rows
        old = Path(next(path for path in report["kept"] if path.endswith("/data")))
        # ownCloud writes into the inode when it restores a version: the kept one must not change.
        for path in installation.site.data_dir.rglob("large.bin"):
            with path.open("r+b") as file:
                file.write(b"written in place")
        there = _moved(installation.site, installation.site.root, old)
        left = left_out(there)
        assert differing(files(old, leave_out=left), kept.files) == {} or how
        installation.json("restore", "--undo", "--yes")
        installation.json("restore", "--forget-kept", "--yes")


def test_same_size_and_time_but_another_content_is_fetched(machine: Machine):
    installation = machine.installation
    wanted = State.of(installation.site)
    path = installation.site.homes["alice"] / "files" / "large.bin"
    found = path.stat()
    path.write_bytes(os.urandom(found.st_size))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    installation.json("restore", "--yes", "--data")
    assert differing(State.of(installation.site).files, wanted.files).keys() <= {"."}


def test_undo_keeps_what_was_restored_and_forgetting_asks(machine: Machine):
    installation = machine.installation
    new = State.of(installation.site)
    installation.site.mutate(6)
    old = State.of(installation.site)
    installation.json("restore", "--yes")
    assert installation.run("restore", "--undo").status == 14, "nobody can be asked"
    both = State.of(installation.site)
    for way, verb in (("--undo", "Put back"), ("--forget-kept", "Remove")):
        told = installation.json("restore", way, "--dry-run", "--yes")
        assert any(act.startswith(f"{verb} {installation.folder}") for act in told["would"])
        assert "Nothing was done" in installation.run("restore", way, "-n").out
        assert installation.run("restore", way, "--data", "--yes").status == 2
    assert installation.run("restore", "--resume", "--dry-run").status == 14
    assert State.of(installation.site) == both
    done = installation.json("restore", "--undo", "--yes")
    now = State.of(installation.site)
    assert differing(now.files, old.files).keys() <= {"."}
    assert now.rows == old.rows
    assert not is_on(installation.site)
    kept = next(Path(path) for path in done["kept"] if path.endswith("/data"))
    there = _moved(installation.site, installation.site.root, kept)
    assert differing(files(kept, leave_out=left_out(there)), new.files).keys() <= {"."}
    assert installation.run("restore", "--undo", "--yes").status == 14
    assert installation.run("restore", "--forget-kept").status == 14
    gone = installation.json("restore", "--forget-kept", "--yes")
    assert gone["kept"] == []
    assert not kept.exists()
    assert installation.run("restore", "--forget-kept", "--yes").status == 0
    assert installation.run("restore", "--resume").status == 14


@pytest.mark.parametrize(("here", "there"), [("mariadb", "old_mysql"), ("old_mysql", "mariadb")])
def test_a_copy_on_another_kind_of_server(
    request: pytest.FixtureRequest, tmp_path: Path, here: str, there: str
):
    first: DatabaseServer = request.getfixturevalue(here)
    second: DatabaseServer = request.getfixturevalue(there)
    login = first.login(first.new_database(), tcp=True)
    installation = install(
        tmp_path, dbtype="mysql", mysql=login, files_per_user=4, users=("alice",)
    )
    site = installation.site
    installation.json("backup")
    before = State.of(site)
    copy = tmp_path / "copy"
    copy.mkdir()
    _unpack(site, copy)
    other = second.login(f"{login.name}_copy", tcp=True)
    password = tmp_path / "db-password"
    password.write_text(other.password + "\n")
    refused = installation.run("restore", "--root", copy, "--data-dir", tmp_path / "d", "--yes")
    assert refused.status == 14
    assert "--db-name" in refused.err
    database = ["--db-host", other.dbhost, "--db-name", other.name, "--db-user", other.user]
    report = installation.json(
        *("restore", "--root", copy, "--data-dir", tmp_path / "d", "--yes"),
        *(*database, "--db-password-file", password),
    )
    assert report["is_open"]
    said = settings(_moved(site, copy, tmp_path / "d", other))
    assert (said["dbname"], said["dbhost"]) == (other.name, other.dbhost)
    with connected(other) as opened:
        found = rows(opened)
    same = {name: found[name] for name in found if name not in {"oc_accounts", "oc_storages"}}
    assert same == {name: before.rows[name] for name in same}
    assert State.of(site) == before
    undone = installation.json("restore", "--undo", "--yes")
    assert undone["snapshot"] == report["snapshot"]
    assert json.dumps(undone)
    first.run(None, f"DROP DATABASE `{login.name}`")
    second.run(None, f"DROP DATABASE IF EXISTS `{other.name}`")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system, as a disk for the data directory."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "ocsnap-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_data_directory_that_is_a_mount_point(mounted: Path, tmp_path: Path):
    (mounted / "lost+found").mkdir()
    installation = install(tmp_path, data_dir=mounted, files_per_user=4, large_bytes=1000)
    wanted = State.of(installation.site)
    installation.json("backup")
    installation.site.mutate(4, changes=6)
    before = State.of(installation.site)
    report = installation.json("restore", "--yes", "--no-fingerprint")
    now = State.of(installation.site)
    ours = {path for path in now.files if path.startswith((".ocsnap-", "lost+found"))} | {"."}
    assert set(differing(now.files, wanted.files)) <= ours
    assert now.rows == wanted.rows
    assert mounted.is_mount()
    assert any(path.startswith(str(mounted / ".ocsnap-old-")) for path in report["kept"])
    again = installation.json("backup")
    assert again["statistics"]["new_files"] <= 1, "what is kept is no part of a backup"
    installation.json("restore", "--undo", "--yes")
    now = State.of(installation.site)
    ours |= {path for path in now.files if path.startswith((".ocsnap-", "lost+found"))}
    assert set(differing(now.files, before.files)) <= ours
    assert now.rows == before.rows
    installation.json("restore", "--forget-kept", "--yes")
    assert not [path for path in mounted.iterdir() if path.name.startswith(".ocsnap-")]


def test_another_file_system_inside_a_folder_is_refused(mounted: Path):
    refuse_inner_mounts(mounted)
    with pytest.raises(LocalIOError, match="mount point"):
        refuse_inner_mounts(mounted.parent)
