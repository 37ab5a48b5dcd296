"""What nobody else may read or change is refused where somebody could, with what mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.config import EncryptionConfig, load, make_private, read_private
from ocsnap.crypto.passphrase import read_passphrase
from ocsnap.errors import ConfigError, LocalIOError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that everybody can enter; tmp_path is closed."""
    folder = Path(tempfile.mkdtemp(prefix="oc-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def written(folder: Path, mode: int, content: str = "x") -> Path:
    path = folder / "a file"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o606, 0o602, 0o660, 0o620, 0o777])
def test_a_file_that_others_reach_is_refused_until_the_command_in_the_hint_was_run(
    reachable: Path, mode: int
):
    path = written(reachable, mode)
    with pytest.raises(ConfigError, match="by other users") as caught:
        read_private(path)
    command = caught.value.hint.removeprefix("Run: ")
    assert command.startswith("chmod 600 ")
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - it is the command that counts
    assert read_private(path) == b"x"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_owner_and_group_may_read(reachable: Path, mode: int):
    assert read_private(written(reachable, mode)) == b"x"


def test_an_open_file_in_a_closed_folder_is_fine(tmp_path: Path):
    tmp_path.chmod(0o700)
    assert read_private(written(tmp_path, 0o666)) == b"x"


def test_a_link_counts_as_what_it_leads_to(reachable: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(written(reachable, 0o644))
    with pytest.raises(ConfigError, match="by other users"):
        read_private(link)


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_another_user_s_file_is_refused(reachable: Path):
    path = written(reachable, 0o600)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(ConfigError, match="belongs to another user") as caught:
        read_private(path)
    assert caught.value.hint == f"Run: chown 0 '{path}'"


def test_the_configuration_and_the_passphrase_are_such_files(reachable: Path):
    config = written(reachable, 0o644, "[owncloud]\n")
    with pytest.raises(ConfigError, match="can be read by other users"):
        load(config)
    passphrase = written(reachable, 0o644, "secret")
    with pytest.raises(ConfigError, match=r"passphrase_file: .* can be read") as caught:
        read_passphrase(EncryptionConfig(passphrase_file=passphrase), {})
    assert "secret" not in str(caught.value)


def ours(name: str) -> bool:
    return name == "lock"


def test_a_folder_is_made_closed_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        make_private(tmp_path / "state", key="k", is_ours=ours)
    finally:
        os.umask(before)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_the_system_is_not_closed(tmp_path: Path):
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    (folder / "passwd").touch()
    with pytest.raises(LocalIOError, match="holds what is not ocsnap's"):
        make_private(folder, key="k", is_ours=ours)
    assert folder.stat().st_mode & 0o777 == 0o755
    (folder / "lock").touch()
    make_private(folder, key="k", is_ours=ours)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ROOT, reason="only root can give folders away")
def test_a_folder_that_another_user_could_exchange_is_refused(reachable: Path):
    theirs = reachable / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(ConfigError, match="could exchange"):
        make_private(theirs / "state", key="backup.state_dir", is_ours=ours)
    assert list(theirs.iterdir()) == []


def test_a_folder_in_a_place_that_others_write_to_is_refused(tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="other users can write to") as caught:
        make_private(shared / "state", key="backup.state_dir", is_ours=ours)
    assert f"chmod go-w {shared}" in caught.value.hint
    shared.chmod(0o1777)  # as /tmp: nobody can exchange what is another's
    make_private(shared / "state", key="backup.state_dir", is_ours=ours)
