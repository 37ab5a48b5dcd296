"""What is refused before anything is touched: no room, foreign folders, locks that are held."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from ocsnap.commands.backup.sources import refuse_inside
from ocsnap.commands.restore.folders import make_folder, refuse_unless_empty, remove
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.run_lock import LOCK_NAME, run_lock
from ocsnap.errors import BusyError, ConfigError, LocalIOError, RefusedError

TERABYTE = 1 << 40


def test_what_goes_to_one_disk_is_added_up(tmp_path: Path):
    free = shutil.disk_usage(tmp_path).free
    check_room([(tmp_path / "a", free // 4), (tmp_path / "b", free // 4)])
    with pytest.raises(LocalIOError, match="the restore needs"):
        check_room([(tmp_path / name, free // 3) for name in "abcd"])


def test_each_disk_is_asked_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free_bytes = {"/large": TERABYTE, "/small": 1000}

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free_bytes[str(path)])

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(os.path, "lexists", lambda path: str(path) in free_bytes)
    devices = {"/large": 1, "/small": 2}
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_dev=devices[str(path)]))
    check_room([(Path("/large/data"), TERABYTE - 1), (Path("/small/config"), 1000)])
    with pytest.raises(LocalIOError, match="/small"):
        check_room([(Path("/large/data"), 10), (Path("/small/config"), 1001)])


def test_folders_on_the_way_are_made_whatever_the_umask_says(tmp_path: Path):
    before = os.umask(0o077)
    try:
        make_folder(tmp_path / "a" / "b", mode=0o755)
        make_folder(tmp_path / "c", mode=0o700)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "c")]
    assert modes == [0o755, 0o755, 0o700]


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path):
    tmp_path.chmod(0o711)
    make_folder(tmp_path, mode=0o755)
    assert tmp_path.stat().st_mode & 0o777 == 0o711


def test_targets(tmp_path: Path):
    refuse_unless_empty(tmp_path / "absent")
    refuse_unless_empty(tmp_path)
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file"):
        with pytest.raises(RefusedError):
            refuse_unless_empty(target)


def test_removing_what_is_not_there_is_no_error(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    remove([tmp_path / "a", tmp_path / "a", tmp_path / "never"])
    assert list(tmp_path.iterdir()) == []


def test_ocsnaps_folders_in_the_data_directory_also_by_a_link(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data / "alice")
    refuse_inside(data, [("backup.state_dir", tmp_path / "data-of-another")])
    for folder in (data, data / "x", tmp_path / "link" / "deep", data / ".." / "data"):
        with pytest.raises(ConfigError, match=r"backup\.state_dir"):
            refuse_inside(data, [("backup.state_dir", folder)])


def test_one_at_a_time_and_the_other_is_told_who(tmp_path: Path):
    with (
        run_lock(tmp_path, "a restore"),
        pytest.raises(BusyError, match=f"a restore, process {os.getpid()}"),
        run_lock(tmp_path, "a backup"),
    ):
        raise AssertionError("both hold it")
    with run_lock(tmp_path, "a backup"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(LocalIOError), run_lock(tmp_path, "a backup"):
        raise AssertionError("it was made")


def test_a_lock_outlives_its_holder_by_a_moment(tmp_path: Path):
    """As when a run is killed while it starts a program, which frees the lock once it runs."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock = tmp_path / LOCK_NAME
    lock.write_text(f"a backup, process {dead.pid}")
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        orphan = subprocess.Popen(["sleep", "0.5"], pass_fds=[file.fileno()])
    with run_lock(tmp_path, "a restore"):
        assert orphan.wait() == 0
