"""Public-key mode: the host that backs up cannot read, another one can; signatures are checked."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.cli.keys import Key, new_key
from tests.cli.state import State, differing, files, left_out

if TYPE_CHECKING:
    from tests.cli.installation import Installation


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("admin"), "Admin <admin@example.org>")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("server"), "Server <server@example.org>")


@pytest.fixture
def blind(installation: Installation, admin: Key) -> Installation:
    """A host that has only the public key."""
    installation.settings["encryption"] = {
        "recipients": [admin.fingerprint],
        "key_files": [str(admin.public_file)],
    }
    return installation


def on_another_host(installation: Installation, name: str, **encryption: object) -> Installation:
    """Return the same configuration with a state_dir and keys of its own."""
    settings = {section: dict(table) for section, table in installation.settings.items()}
    folder = installation.folder / name
    folder.mkdir()
    settings["backup"]["state_dir"] = str(folder / "state")
    settings["encryption"] |= encryption
    return replace(installation, folder=folder, settings=settings)


def test_backups_on_a_host_that_cannot_read_them(blind: Installation, admin: Key):
    first = blind.json("backup")
    blind.site.mutate(7)
    wanted = State.of(blind.site)
    second = blind.json("backup")
    assert second["parent"] == first["snapshot"]
    assert second["put_bytes"] < first["put_bytes"] / 4
    assert second["statistics"]["new_files"] < 60
    listed = blind.json("snapshots")["snapshots"]
    assert [item["id"] for item in listed] == [first["snapshot"], second["snapshot"]]
    told = blind.json("verify")
    assert told["sound"]
    read = blind.json("verify", "--read-data")
    assert read["sound"]
    assert read["report"]["locked"] > 0
    refused = blind.run("-q", "restore", "--target", blind.folder / "nothing")
    assert refused.status == 9, refused
    assert "secret key" in refused.err

    other = on_another_host(blind, "o", key_files=[str(admin.secret_file)])
    assert len(other.json("snapshots")["snapshots"]) == 2
    checked = other.json("verify", "--read-data")
    assert checked["sound"]
    assert checked["report"]["locked"] == 0
    target = other.folder / "out"
    other.json("restore", "--target", target)
    homes = {user: target / "data" / user for user in blind.site.homes}
    moved = replace(blind.site, data_dir=target / "data", homes=homes)
    found = files(target / "data", leave_out=left_out(moved))
    assert differing(found, wanted.files) == {}


def test_a_blind_host_that_lost_its_notes_goes_on(blind: Installation):
    """It cannot read what it wrote, so it writes again, and says so."""
    blind.json("backup")
    shutil.rmtree(blind.state_dir)
    result = blind.run("backup")
    assert result.status == 0, result
    assert "secret key" in result.err
    assert blind.json("verify")["sound"]


@pytest.mark.parametrize("command", [("snapshots",), ("restore", "--yes")])
def test_snapshots_that_this_host_cannot_read_are_not_none(
    blind: Installation, command: tuple[str, ...]
):
    blind.json("backup")
    shutil.rmtree(blind.state_dir)
    result = blind.run("-q", *command)
    assert result.status == 9, result
    assert "secret key" in result.err


def test_only_signed_snapshots_are_taken(blind: Installation, admin: Key, server: Key):
    signing = {
        "sign_with": server.fingerprint,
        "key_files": [str(admin.public_file), str(server.secret_file)],
    }
    host = on_another_host(blind, "s", **signing)
    signed = host.json("backup")["snapshot"]
    # Whoever may write to the bucket has the public key as well, and makes a snapshot of his own.
    forger = on_another_host(blind, "f", key_files=[str(admin.public_file)])
    forged = forger.json("backup")["snapshot"]
    reading = {**signing, "key_files": [str(admin.secret_file), str(server.secret_file)]}
    other = on_another_host(blind, "r", **reading)
    result = other.run("--json", "restore", "--target", other.folder / "a", "--snapshot", forged)
    assert result.status != 0
    assert not (other.folder / "a").exists()
    latest = other.run("--json", "restore", "--target", other.folder / "b")
    assert latest.status == 0, latest
    assert latest.json()["snapshot"] == signed
    listed = other.run("snapshots")
    assert forged[:8] not in listed.out
    assert forged in listed.err
    assert other.run("verify", "--read-data").status == 10


def test_a_snapshot_that_is_not_signed_is_no_parent(blind: Installation, admin: Key, server: Key):
    """Its trees would be taken over without a look into the files."""
    blind.settings["encryption"] |= {
        "key_files": [str(admin.secret_file), str(server.secret_file)],
    }
    unsigned = blind.json("backup")["snapshot"]
    assert [item["id"] for item in blind.json("snapshots")["snapshots"]] == [unsigned]
    # What this host itself has read before it knew of signatures counts no more than the rest.
    blind.set("encryption", sign_with=server.fingerprint)
    signed = blind.json("backup")
    assert signed["parent"] is None
    assert [item["id"] for item in blind.json("snapshots")["snapshots"]] == [signed["snapshot"]]


def test_who_restores_needs_no_secret_key_that_signs(
    blind: Installation, admin: Key, server: Key, tmp_path: Path
):
    blind.settings["encryption"] |= {
        "sign_with": server.fingerprint,
        "key_files": [str(admin.public_file), str(server.secret_file)],
    }
    snapshot = blind.json("backup")["snapshot"]
    keys = [str(admin.secret_file), str(server.public_file)]
    reader = on_another_host(blind, "r", key_files=keys)
    assert reader.json("restore", "--target", tmp_path / "t")["snapshot"] == snapshot
    refused = reader.run("-q", "backup")
    assert refused.status == 9, refused
    assert "no secret key" in refused.err


def stolen(host: Installation, folder: Path) -> list[Path]:
    """Copy all that is on a host in public-key mode; return the GnuPG folders to try."""
    shutil.copytree(host.state_dir, folder / "state", ignore=shutil.ignore_patterns("S.*"))
    second = folder / "second"
    second.mkdir(mode=0o700)
    for file in host.settings["encryption"]["key_files"]:
        command = ["gpg", "--homedir", str(second), "--batch", "--quiet", "--import", file]
        subprocess.run(command, check=True, capture_output=True)
    return [folder / "state" / "gnupg", second]


def test_a_thief_of_the_server_opens_nothing(blind: Installation, admin: Key, server: Key):
    blind.settings["encryption"] |= {
        "sign_with": server.fingerprint,
        "key_files": [str(admin.public_file), str(server.secret_file)],
    }
    marker = b"what was written here was deleted again. " * 3
    secret = blind.site.homes["alice"] / "files" / "diary.txt"
    secret.write_bytes(marker)
    blind.json("backup")
    secret.unlink()
    blind.json("backup")
    objects = sorted(blind.repository.rglob("*.gpg"))
    assert len(objects) > 6
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as name:  # noqa: S108 - sockets
        for home in stolen(blind, Path(name)):
            for path in objects:
                command = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback"]
                command += ["--passphrase", "", "--decrypt", str(path)]
                done = subprocess.run(command, capture_output=True, check=False)
                assert done.returncode != 0, path
                assert done.stdout == b"", path
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    for path in blind.state_dir.rglob("*"):
        if path.is_file():
            assert marker not in path.read_bytes(), path
    (cache,) = blind.state_dir.glob("*/cache.db")
    with closing(sqlite3.connect(cache)) as database:
        held = [frame for (frame,) in database.execute("SELECT frame FROM held")]
    assert held, "listings and signatures, which docs/threat-model.md tells of"
    for frame in held:
        assert marker not in zstandard.ZstdDecompressor().decompress(frame)


def test_another_recipient_for_an_existing_repository(blind: Installation, server: Key):
    """What is there already stays readable for the old key alone."""
    blind.json("backup")
    other = on_another_host(
        blind, "o", recipients=[server.fingerprint], key_files=[str(server.public_file)]
    )
    result = other.run("-q", "backup")
    assert result.status == 9, result


@pytest.mark.parametrize("way", ["missing", "cut short"])
def test_backups_go_on_and_are_read_without_the_description(
    blind: Installation, admin: Key, way: str
):
    """On the host that knows it, on one that has but the key, and on one without configuration."""
    first = blind.json("backup")
    description = blind.repository / "ocsnap.json"
    whole = json.loads(description.read_text())
    description.unlink()
    if way == "cut short":
        description.write_text("{")
    second = blind.json("backup")
    assert second["parent"] == first["snapshot"]
    checked = blind.run("verify")
    assert checked.status == 10, checked
    assert "DAMAGED ocsnap.json" in checked.out
    assert blind.run("-q", "repair").status == 9, "the secret key is not here"
    bare = ["--repository", f"file://{blind.repository}", "--key-file", admin.secret_file]
    bare += ["--state-dir", blind.folder / "bare"]
    target = blind.folder / "bare restored"
    restored = subprocess.run(
        [sys.executable, "-m", "ocsnap", *map(str, bare), "restore", "--target", str(target)],
        env=blind.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert restored.returncode == 0, restored
    assert "Going on without it" in restored.stderr
    assert any(target.rglob("config.php"))
    other = on_another_host(blind, "o", key_files=[str(admin.secret_file)])
    repaired = other.run("repair")
    assert repaired.status == 0, repaired
    assert "Wrote the repository's description (ocsnap.json) anew." in repaired.out
    assert json.loads(description.read_text())["recipients"] == whole["recipients"]
    assert json.loads(description.read_text())["repository"] == whole["repository"]
    assert blind.json("verify")["sound"]


def test_a_host_that_knows_nothing_makes_no_new_repository_among_the_old_objects(
    blind: Installation,
):
    blind.json("backup")
    (blind.repository / "ocsnap.json").unlink()
    shutil.rmtree(blind.state_dir)
    result = blind.run("-q", "backup")
    assert result.status == 10, result
    assert "nothing else tells which repository this is" in result.err
    assert not (blind.repository / "ocsnap.json").exists()
