"""Every kind of failure has its own status and one clear line, and touches nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import REPOSITORY, install
from tests.cli.keys import new_key
from tests.cli.state import State
from tests.servers.ocsnap_settings import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.installation import Installation
    from tests.servers.s3 import S3Server


NOBODY = (65534, 65534)


def failed(installation: Installation, status: int, *arguments: str | Path) -> str:
    """Run what must fail, as text and as JSON; return the line that tells why."""
    before = State.of(installation.site)
    text = installation.run("-q", *arguments)
    assert text.status == status, text
    assert text.out == ""
    (line,) = text.lines
    assert line.startswith("ocsnap: ")
    document = installation.run("--json", *arguments)
    assert document.status == status, document
    error = document.json()["error"]
    assert error["exit_status"] == status
    assert f"ocsnap: {error['message']} {error['hint']}".rstrip() == line
    assert document.err == ""
    after = State.of(installation.site)
    assert after.files == before.files
    assert after.rows == before.rows
    assert not _is_in_maintenance(after.config)
    return line


def _is_in_maintenance(config: bytes) -> bool:
    return b"'maintenance' => true" in config


def _untouched(installation: Installation) -> None:
    assert not installation.repository.exists()


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["backup", "verify", "snapshots", "unlock"])
def test_a_missing_configuration(installation: Installation, command: str):
    arguments = [part for part in installation.command() if not part.endswith("ocsnap.toml")]
    missing = installation.folder / "nowhere.toml"
    done = subprocess.run(
        [*arguments, str(missing), command],
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert str(missing) in done.stderr


def test_the_environment_names_the_configuration(installation: Installation):
    installation.command()
    installation.set("repository", url="nonsense")
    installation.command()
    done = subprocess.run(
        [sys.executable, "-m", "ocsnap", "backup"],
        env={**installation.environment, "OCSNAP_CONFIG": str(installation.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert str(installation.config) in done.stderr


@pytest.mark.parametrize(
    ("section", "values", "told"),
    [
        ("backup", {"exclud": ["x"]}, "backup.exclud: unknown key"),
        ("typo", {"a": 1}, "typo: unknown key"),
        ("database", {"port": "3306"}, "database.port: must be an integer"),
        ("repository", {"url": "s3:///prefix"}, "repository.url"),
        ("encryption", {"passphrase_env": "X"}, "passphrase_file and passphrase_env"),
        ("encryption", {"passphrase_file": "/nowhere/at/all"}, "/nowhere/at/all"),
        ("database", {"password_file": "/nowhere/at/all"}, "database.password_file"),
    ],
)
def test_a_wrong_configuration(
    installation: Installation, section: str, values: dict[str, object], told: str
):
    installation.set(section, **values)
    assert told in failed(installation, 4, "backup")
    _untouched(installation)


def test_a_passphrase_that_is_not_in_the_environment(installation: Installation):
    installation.set("encryption", passphrase_file=None, passphrase_env="OC_SECRET")
    assert "OC_SECRET" in failed(installation, 4, "backup")


@pytest.mark.parametrize("key", ["state_dir", "spool_dir"])
def test_ocsnaps_own_folders_in_the_data_directory(installation: Installation, key: str):
    installation.set("backup", **{key: str(installation.site.data_dir / "alice" / "files" / "x")})
    line = installation.run("-q", "backup")
    assert line.status == 4
    assert f"backup.{key}" in line.err


def test_a_repository_in_the_data_directory(installation: Installation):
    (installation.folder / "link").symlink_to(installation.site.data_dir)
    installation.set("repository", url=f"file://{installation.folder}/link/backups")
    assert "repository.url" in failed(installation, 4, "backup")


def test_a_state_dir_that_others_use(installation: Installation):
    shared = installation.folder / "shared"
    shared.mkdir(mode=0o755)
    (shared / "somebody's").touch()
    installation.set("backup", state_dir=str(shared))
    assert "state_dir" in failed(installation, 15, "backup")
    assert shared.stat().st_mode & 0o777 == 0o755
    _untouched(installation)


def test_a_state_dir_of_another_user(installation: Installation):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    foreign = installation.folder / "foreign"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, *NOBODY)
    installation.set("backup", state_dir=str(foreign))
    assert "another user" in failed(installation, 15, "backup")


# -- ownCloud ------------------------------------------------------------------------------------


def _no_owncloud(installation: Installation) -> None:
    installation.set("owncloud", root=str(installation.folder))


def _nextcloud(installation: Installation) -> None:
    path = installation.site.root / "version.php"
    path.write_text(path.read_text().replace("'owncloud'", "'nextcloud'"))


def _object_store(installation: Installation) -> None:
    installation.site.overlay("store", objectstore={"class": "OC\\Files\\ObjectStore\\Swift"})


def _occ_broken(installation: Installation) -> None:
    (installation.site.root / "occ").write_text("<?php exit(7);")


def _occ_missing(installation: Installation) -> None:
    installation.set("owncloud", occ=["/nowhere/php", "occ"])


def _postgres(installation: Installation) -> None:
    installation.site.overlay("kind", dbtype="pgsql")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_owncloud, "is no ownCloud"),
        (_nextcloud, "is a Nextcloud"),
        (_object_store, "objectstore"),
        (_occ_broken, "ended with status 7"),
        (_occ_missing, "/nowhere/php"),
        (_postgres, "pgsql"),
    ],
)
def test_an_owncloud_that_cannot_be_backed_up(
    installation: Installation, spoil: Callable[[Installation], None], told: str
):
    spoil(installation)
    assert told in failed(installation, 5, "backup")
    _untouched(installation)


def test_occ_as_the_wrong_user(open_folder: Path):
    installation = install(open_folder, owner=NOBODY)
    installation.set("owncloud", occ=["php", str(installation.site.root / "occ")])
    assert "Console has to be executed with the user" in failed(installation, 5, "backup")
    _untouched(installation)


def test_a_data_disk_that_is_not_mounted(installation: Installation):
    shutil.move(installation.site.data_dir, installation.folder / "away")
    result = installation.run("-q", "backup")
    assert result.status == 5
    assert "mounted" in result.err
    _untouched(installation)


def test_a_database_that_is_not_there(installation: Installation):
    installation.set("database", name=str(installation.folder / "nothing.db"))
    assert "nothing.db" in failed(installation, 6, "backup")
    _untouched(installation)


# -- repository ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("verify",), ("snapshots",), ("restore", "--yes"), ("verify", "--read-data")]
)
def test_before_the_first_backup(installation: Installation, command: tuple[str, ...]):
    assert "no ocsnap repository" in failed(installation, 11, *command)
    _untouched(installation)


def test_a_disk_for_backups_that_is_not_mounted(installation: Installation):
    installation.set("repository", url=f"file://{installation.folder}/not/mounted")
    assert failed(installation, 11, "backup")
    assert not (installation.folder / "not").exists()


def test_another_passphrase_for_an_existing_repository(installation: Installation):
    installation.json("backup")
    objects = sorted(installation.repository.rglob("*"))
    (installation.folder / "passphrase").write_text(PASSPHRASE[::-1] + "\n")
    for command in (("backup",), ("verify",)):
        assert "the passphrase is wrong" in failed(installation, 9, *command)
    shutil.rmtree(installation.state_dir)
    for command in (("backup",), ("restore", "--yes")):
        assert "the passphrase is wrong" in failed(installation, 9, *command)
    assert sorted(installation.repository.rglob("*")) == objects


def test_recipients_that_gpg_does_not_know(installation: Installation):
    installation.set("encryption", passphrase_file=None, recipients=["A" * 40])
    assert "A" * 40 in failed(installation, 9, "backup")
    _untouched(installation)


def test_another_kind_of_key_for_an_existing_repository(installation: Installation):
    installation.json("backup")
    public = new_key(installation.folder / "keys", "Admin <admin@example.org>")
    installation.set(
        "encryption",
        passphrase_file=None,
        recipients=[public.fingerprint],
        key_files=[str(public.public_file)],
    )
    assert "passphrase" in failed(installation, 9, "backup")


def test_s3_refusals_are_told_apart(installation: Installation, s3: S3Server):
    good = s3.settings(s3.new_bucket(), "oc", installation.folder)
    wrong = installation.folder / "wrong"
    wrong.write_text("w" * 40 + "\n")
    installation.settings["repository"] = {**good, "secret_access_key_file": str(wrong)}
    line = failed(installation, 8, "backup")
    assert "w" * 40 not in line
    installation.settings["repository"] = {**good, "url": "s3://no-such-bucket-at-all/oc"}
    assert "no-such-bucket-at-all" in failed(installation, 11, "backup")
    installation.settings["repository"] = {**good, "endpoint": "http://127.0.0.1:9"}
    result = installation.run("-q", "snapshots")
    assert (result.status, len(result.lines)) == (7, 1), result
    assert "127.0.0.1:9" in result.err


# -- snapshots and targets -----------------------------------------------------------------------


@pytest.fixture
def stored(installation: Installation) -> Installation:
    installation.json("backup")
    return installation


@pytest.mark.parametrize(
    "named", ["fffffffff", "yesterday", "1970-01-01", "0001-01-01", "9999-12-31", ""]
)
def test_a_snapshot_that_is_not_there(stored: Installation, named: str):
    failed(stored, 13, "restore", "--yes", "--snapshot", named)


def test_an_ambiguous_id(stored: Installation):
    ids = [stored.json("snapshots")["snapshots"][0]["id"]]
    while len({snapshot[0] for snapshot in ids}) == len(ids):
        ids.append(stored.json("backup")["snapshot"])
    digit = next(snapshot[0] for snapshot in ids if sum(i[0] == snapshot[0] for i in ids) > 1)
    assert "Give more digits" in failed(stored, 13, "restore", "--yes", "--snapshot", digit)


def test_targets_that_are_taken(stored: Installation):
    full, plain = stored.folder / "full", stored.folder / "plain"
    full.mkdir()
    (full / "mine").write_text("mine")
    plain.write_text("mine")
    assert "not empty" in failed(stored, 14, "restore", "--target", full)
    assert "not a folder" in failed(stored, 14, "restore", "--target", plain)
    assert [path.name for path in full.iterdir()] == ["mine"]


def test_nobody_to_ask(stored: Installation):
    assert "--yes" in failed(stored, 14, "restore")


def test_a_restore_into_no_owncloud(stored: Installation):
    (stored.site.root / "version.php").rename(stored.folder / "version.php")
    for part in ("--data", "--db"):
        assert "11.0.0" in failed(stored, 5, "restore", "--yes", part)


def test_a_snapshot_of_another_owncloud(stored: Installation):
    other = stored.folder / "other"
    shutil.copytree(stored.site.root, other, symlinks=True)
    stored.set("owncloud", root=str(other))
    snapshot = stored.json("snapshots")["snapshots"][0]["id"]
    line = failed(stored, 14, "restore", "--yes", "--snapshot", snapshot)
    assert str(other) in line


def test_files_that_belong_where_owncloud_no_longer_looks(stored: Installation):
    moved = stored.folder / "moved"
    shutil.copytree(stored.site.data_dir, moved, symlinks=True)
    text = stored.site.config_path.read_text()
    stored.site.config_path.write_text(text.replace(str(stored.site.data_dir), str(moved)))
    assert str(moved) in failed(stored, 14, "restore", "--yes", "--data")


# -- several at once -----------------------------------------------------------------------------


def test_two_at_once(stored: Installation):
    stored.site.set_fault("slow", "1")
    with stored.started("-q", "backup") as first:
        assert first.stderr is not None
        lock = stored.state_dir / "lock"
        end = time.monotonic() + 30
        while lock.read_text() != f"a backup, process {first.pid}":
            assert time.monotonic() < end, "it never began"
            time.sleep(0.01)
        for command in (("backup",), ("restore", "--yes")):
            result = stored.run("-q", *command)
            assert result.status == 12
            assert f"a backup, process {first.pid}" in result.err
        # Looking is allowed.
        assert stored.run("-q", "snapshots").status == 0
        assert first.wait(60) == 0, first.stderr.read()


# -- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("backup", "--nonsense"),
        ("backup", "too many"),
        ("restore", "--snapshot"),
        ("restore", "--data", "--database-name", "x"),
    ],
)
def test_a_wrong_command_line(installation: Installation, arguments: tuple[str, ...]):
    assert "--help" in failed(installation, 2, *arguments)


@pytest.mark.parametrize("arguments", [("--json", "snapshots"), ("snapshots", "--json")])
def test_json_may_stand_on_either_side(installation: Installation, arguments: tuple[str, ...]):
    result = installation.run(*arguments)
    assert result.status == 11
    assert json.loads(result.out)["error"]["kind"] == "no_repository"


def test_help_and_version_need_no_configuration(installation: Installation):
    for arguments in (("--help",), ("backup", "--help"), ("--version",)):
        result = installation.run(*arguments)
        assert (result.status, result.err) == (0, "")
        assert "ocsnap" in result.out


def test_standard_output_that_cannot_be_written(stored: Installation):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            stored.command("snapshots"),
            env=stored.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 15
    assert done.stderr == ("ocsnap: Standard output cannot be written: No space left on device.\n")


@pytest.mark.parametrize(("arguments", "word"), [((), "backup"), (("schedule",), "install")])
def test_who_names_no_command_gets_help(
    installation: Installation, arguments: tuple[str, ...], word: str
):
    command = [sys.executable, "-m", "ocsnap", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert any(line.startswith(f"  {word} ") for line in done.stderr.splitlines()), done.stderr
    assert installation.run("--json", *arguments).json()["error"]["message"] == "Missing command."
