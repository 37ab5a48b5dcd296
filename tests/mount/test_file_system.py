"""The file system as the kernel sees it, without a kernel."""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.commands.mount import contents
from ocsnap.commands.mount.contents import Contents
from ocsnap.commands.mount.file_system import FileSystem
from ocsnap.commands.mount.tree import SnapshotTree
from ocsnap.monitor import SilentMonitor
from ocsnap.snapshot.listings import Listings
from ocsnap.storage.memory import MemoryStorage
from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE_BYTES = 9_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("folder")
    (made / "large").write_bytes(random.Random(1).randbytes(LARGE_BYTES))
    (made / "inside").mkdir()
    (made / "inside" / "small").write_bytes(b"0123456789")
    (made / "link").symlink_to("inside/small")
    (made / "inside" / os.fsdecode(b"\xff\xfe")).touch(0o640)
    return made


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Studio:
    made = Studio(Workshop(tmp_path_factory.mktemp("workshop"), MemoryStorage()))
    made.backup(folder)
    with (folder / "large").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"edited inside")
    made.backup(folder)
    return made


@pytest.fixture(scope="module")
def files(studio: Studio) -> Iterator[FileSystem]:
    with studio.synchronised() as repository:
        tree = SnapshotTree(
            repository.snapshots(SilentMonitor()), Listings(repository.reader), owner=(1, 2)
        )
        yield FileSystem(tree, Contents(repository), SilentMonitor())


def latest(files: FileSystem) -> str:
    return f"/{files.target('/latest')}/_data"


def read(files: FileSystem, path: str, offset: int = 0, length: int = LARGE_BYTES) -> bytes:
    handle = files.open(path)
    try:
        return files.read(path, handle, offset, length)
    finally:
        files.close(handle)


def test_snapshots_are_folders(files: FileSystem):
    assert files.names("/") == ["snapshots", "latest"]
    first, last = files.names("/snapshots")
    assert files.target("/latest") == f"snapshots/{last}"
    assert files.names(f"/snapshots/{first}") == ["_data"]
    assert stat.S_ISDIR(files.status(f"/snapshots/{first}")["st_mode"])


def test_names_sizes_and_times_are_those_of_the_files(files: FileSystem, folder: Path):
    root = latest(files)
    assert set(files.names(root)) == {path.name for path in folder.iterdir()}
    for path in (folder / "large", folder / "inside", folder / "inside" / "small"):
        found, wanted = files.status(f"{root}/{path.relative_to(folder)}"), path.stat()
        assert found["st_mtime"] == wanted.st_mtime_ns
        assert found["st_uid"] == wanted.st_uid
        assert not found["st_mode"] & 0o222, "read-only"
        assert stat.S_IFMT(found["st_mode"]) == stat.S_IFMT(wanted.st_mode)
        if path.is_file():
            assert found["st_size"] == wanted.st_size
    assert files.target(f"{root}/link") == "inside/small"
    assert files.status(f"{root}/inside/{os.fsdecode(bytes([255, 254]))}")["st_size"] == 0


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, LARGE_BYTES + 10), st.integers(0, 5_000_000))
def test_any_part_of_a_file_can_be_read(files: FileSystem, folder: Path, offset: int, length: int):
    wanted = (folder / "large").read_bytes()[offset : offset + length]
    assert read(files, f"{latest(files)}/large", offset, length) == wanted


def test_old_versions_are_those_of_their_day(files: FileSystem, folder: Path):
    first = files.names("/snapshots")[0]
    old = read(files, f"/snapshots/{first}/_data/large")
    new = (folder / "large").read_bytes()
    assert (old[:5_000_000], old[5_000_013:]) == (new[:5_000_000], new[5_000_013:])
    assert old != new


def test_several_readers_fetch_a_pack_once(studio: Studio, folder: Path):
    wanted = (folder / "large").read_bytes()
    with studio.counting() as counting, studio.synchronised() as repository:
        tree = SnapshotTree(
            repository.snapshots(SilentMonitor()), Listings(repository.reader), owner=(1, 2)
        )
        files = FileSystem(tree, Contents(repository), SilentMonitor())
        path = f"{latest(files)}/large"
        handle = files.open(path)
        before = counting.requests
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: found.append(files.read(path, handle, 0, LARGE_BYTES)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [wanted] * 4
        assert counting.requests - before <= 2, "the packs of two backups"


def test_memory_stays_bounded(files: FileSystem, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contents, "MOST_PACKS", 1)
    monkeypatch.setattr(contents, "MOST_BLOB_BYTES", 1)
    assert read(files, f"{latest(files)}/large") == (folder / "large").read_bytes()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/absent", errno.ENOENT),
        ("/snapshots/2000-01-01T00:00:00Z", errno.ENOENT),
        ("/snapshots/2000-01-01T00:00:00Z/_data/x", errno.ENOENT),
        ("/latest/x", errno.ENOENT),
    ],
)
def test_what_is_not_there_is_not_there(files: FileSystem, path: str, code: int):
    for act in (files.status, files.names, files.open):
        with pytest.raises(OSError) as caught:
            act(path)
        assert caught.value.errno == code


def test_files_are_no_folders_and_folders_no_files(files: FileSystem):
    root = latest(files)
    for act, path, code in (
        (files.names, f"{root}/large", errno.ENOTDIR),
        (files.open, f"{root}/inside", errno.EISDIR),
        (files.target, f"{root}/large", errno.EINVAL),
    ):
        with pytest.raises(OSError) as caught:
            act(path)
        assert caught.value.errno == code


def test_damage_is_an_error_of_the_disk(folder: Path, tmp_path: Path):
    storage = MemoryStorage()
    studio = Studio(Workshop(tmp_path / "workshop", storage))
    studio.backup(folder)
    for name in [name for name in storage.objects if name.startswith("packs/")]:
        del storage.objects[name]
    with studio.workshop.opened() as repository:
        monitor = SilentMonitor()
        tree = SnapshotTree(
            repository.snapshots(monitor), Listings(repository.reader), owner=(1, 2)
        )
        files = FileSystem(tree, Contents(repository), monitor)
        with pytest.raises(OSError) as caught:
            read(files, f"{latest(files)}/large")
        assert caught.value.errno == errno.EIO
        assert monitor.problems
