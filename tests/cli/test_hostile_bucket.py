"""Whoever may write to the bucket, without any key: nobody is kept from his backups by that."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.installation import install
from tests.cli.keys import Key, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.installation import Installation


def put(installation: Installation, folder: str, message: bytes) -> str:
    """Put an object as a hostile writer would: under the name that its bytes have."""
    digest = hashlib.sha256(message).hexdigest()
    prefix = "20991231T235959Z-" if folder == "snapshots" else ""
    path = installation.repository / folder / f"{prefix}{digest}.gpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(message)
    return path.name


def locked_with(passphrase: str, home: Path, content: bytes = b"evil") -> bytes:
    home.mkdir(mode=0o700, exist_ok=True)
    command = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback"]
    command += ["--passphrase", passphrase, "--compress-algo", "none", "-c"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def locked_for(key: Key, home: Path, content: bytes = b"evil") -> bytes:
    home.mkdir(mode=0o700, exist_ok=True)
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*base, "--import", str(key.public_file)], check=True, capture_output=True)
    command = [*base, "--trust-model", "always", "--compress-algo", "none"]
    command += ["-r", key.fingerprint, "-e"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path, files_per_user=2, large_bytes=100_000)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("stranger"), "Stranger <stranger@example.org>")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return new_key(tmp_path_factory.mktemp("admin"), "Admin <admin@example.org>")


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oc-") as folder:
        yield Path(folder)


def litter(installation: Installation, messages: list[bytes]) -> None:
    for message in messages:
        for folder in ("index", "snapshots", "packs/ab", "meta/ab"):
            put(installation, folder, message)


def assert_still_works(installation: Installation, snapshot: str, target: Path) -> None:
    listed = installation.run("--json", "snapshots")
    assert listed.status == 0, listed
    assert [item["id"] for item in listed.json()["snapshots"]] == [snapshot]
    restored = installation.run("--json", "restore", "--target", target)
    assert restored.status == 0, restored
    assert restored.json()["snapshot"] == snapshot
    again = installation.run("--json", "backup")
    assert again.status == 0, again


def test_messages_of_others_keep_nobody_from_his_backups(
    installation: Installation, stranger: Key, tmp_path: Path
):
    snapshot = installation.json("backup")["snapshot"]
    home = tmp_path / "h"
    litter(
        installation,
        [b"", b"x" * 1000, locked_with("another", home), locked_for(stranger, home)],
    )
    installation.set("backup", state_dir=str(tmp_path / "another host"))
    assert_still_works(installation, snapshot, tmp_path / "target")


def test_messages_for_others_keep_no_holder_of_the_secret_key_from_his_backups(
    installation: Installation, stranger: Key, admin: Key, short: Path, tmp_path: Path
):
    installation.settings["encryption"] = {
        "recipients": [admin.fingerprint],
        "key_files": [str(admin.secret_file)],
    }
    # Sockets of gpg's agents have short paths.
    installation.set("backup", state_dir=str(short / "a"))
    snapshot = installation.json("backup")["snapshot"]
    home = short / "h"
    # The last one is for the right key, as anybody can make it: but it is no index, no snapshot.
    litter(
        installation,
        [b"", locked_with("another", home), locked_for(stranger, home), locked_for(admin, home)],
    )
    installation.set("backup", state_dir=str(short / "b"))
    assert_still_works(installation, snapshot, tmp_path / "target")


def test_a_wrong_passphrase_is_still_told_as_such(installation: Installation, tmp_path: Path):
    installation.json("backup")
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("not the one that it was")
    installation.set("encryption", passphrase_file=str(wrong))
    for state in ("state", "another host"):
        installation.set("backup", state_dir=str(tmp_path / state))
        result = installation.run("-q", "snapshots")
        assert result.status == 9, result
        assert "passphrase" in result.err
