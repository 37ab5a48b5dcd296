"""Files that may not be read, and targets that may not be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ocsnap.errors import LocalIOError
from tests.snapshot.as_nobody import NOBODY
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.snapshot.studio import Studio


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of nobody's below folders that everybody may enter; pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as name:
        folder = Path(name)
        if SUPERUSER:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


def run_as_nobody(open_folder: Path) -> dict[str, Any]:
    places = [str(open_folder / name) for name in ("source", "workshop", "target")]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.snapshot.as_nobody", *places],
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def give_to_nobody(folder: Path) -> None:
    if SUPERUSER:
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, NOBODY, NOBODY)


def test_what_cannot_be_read_is_left_out_and_counted(open_folder: Path):
    source = open_folder / "source"
    (source / "locked folder").mkdir(parents=True)
    (source / "locked folder" / "inside").write_text("nobody gets here")
    (source / "locked file").write_text("nobody reads this")
    (source / "open file").write_text("everybody may")
    give_to_nobody(source)
    (source / "locked folder").chmod(0)
    (source / "locked file").chmod(0)
    try:
        told = run_as_nobody(open_folder)
    finally:
        (source / "locked folder").chmod(0o700)
    assert told["problems"] == {
        str(source / "locked folder"): "Permission denied",
        str(source / "locked file"): "Permission denied",
    }
    assert told["statistics"]["errors"] == 2
    assert told["statistics"]["files_read"] == 1
    assert told["failed"] == []
    names = {path.name for path in (open_folder / "target").iterdir()}
    assert names == {"locked folder", "open file"}
    assert stat.S_IMODE((open_folder / "target" / "locked folder").stat().st_mode) == 0


def test_files_of_others_are_read_too(open_folder: Path):
    """Only their owner may open them without leaving an access time behind."""
    source = open_folder / "source"
    source.mkdir()
    (source / "file").write_text("of another user")
    source.chmod(0o755)
    (source / "file").chmod(0o644)
    told = run_as_nobody(open_folder)
    assert told["problems"] == {}
    assert (open_folder / "target" / "file").read_text() == "of another user"


def test_a_read_only_file_with_attributes_comes_back_without_being_root(open_folder: Path):
    source = open_folder / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "file").write_text("to be read alone")
    try:
        os.setxattr(source / "folder" / "file", "user.note", b"of the file")
        os.setxattr(source / "folder", "user.note", b"of the folder")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    give_to_nobody(source)
    (source / "folder" / "file").chmod(0o444)
    (source / "folder").chmod(0o555)
    told = run_as_nobody(open_folder)
    assert told["failed"] == []
    assert differences(portrait(source), portrait(open_folder / "target")) == []


def test_a_root_that_cannot_be_read_is_an_error(studio: Studio, folder: Path):
    (folder / "file").touch()
    for wrong in (folder / "nowhere", folder / "file"):
        with pytest.raises(LocalIOError, match="cannot be read"):
            studio.backup(wrong)


def test_a_target_that_is_there_or_cannot_be_made_is_left_alone(
    studio: Studio, folder: Path, tmp_path: Path
):
    (folder / "file").write_text("1")
    stored = studio.backup(folder).stored
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").write_text("precious")
    with pytest.raises(LocalIOError, match="cannot be written"):
        studio.restore(stored, target)
    assert (target / "file").read_text() == "precious"
    with pytest.raises(LocalIOError, match="cannot be written"):
        studio.restore(stored, tmp_path / "no" / "parent")


def test_a_data_directory_that_is_a_link_is_followed(studio: Studio, folder: Path, tmp_path: Path):
    """Admins move it to a larger disk and leave a link."""
    (folder / "file").write_text("1")
    folder.chmod(0o750)
    link = tmp_path / "link"
    link.symlink_to(folder)
    backup = studio.backup(link)
    studio.restore(backup.stored, tmp_path / "target")
    assert differences(portrait(folder), portrait(tmp_path / "target")) == []
    assert studio.backup(link).objects_put == 1
