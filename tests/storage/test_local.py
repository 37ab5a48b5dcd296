"""What is special to a folder: modes, crashes, full disks, other people's files."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocsnap.clock import SystemClock
from ocsnap.config import RepositoryConfig
from ocsnap.errors import (
    AccessDeniedError,
    NoRepositoryError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    TransientStorageError,
)
from ocsnap.storage.factory import open_storage
from ocsnap.storage.local import ABANDONED_AFTER_SECONDS, INCOMING, LocalStorage
from ocsnap.storage.storage import LONGEST_OBJECT_BYTES
from tests.storage.objects import DATA, NAME, create, put, room

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def storage(folder: Path) -> LocalStorage:
    return LocalStorage(folder)


def incoming(folder: Path) -> list[Path]:
    return [*(folder / INCOMING).iterdir()]


def test_only_the_owner_can_read(storage: LocalStorage, folder: Path):
    before = os.umask(0)
    try:
        put(storage)
        create(storage, "locks/1")
    finally:
        os.umask(before)
    found = [folder, *folder.rglob("*")]
    modes = {path.stat().st_mode & 0o777 for path in found if path.is_dir()}
    assert modes == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}


def test_what_is_no_file_is_no_object(storage: LocalStorage, folder: Path):
    """A pipe that nobody writes to would be read for ever."""
    put(storage, "packs/1")
    os.mkfifo(folder / "packs" / "2")
    (folder / "packs" / "3").mkdir()
    (folder / "packs" / "4").symlink_to("/dev/zero")
    for name in ("packs/2", "packs/3", "packs/4"):
        with pytest.raises(ObjectMissingError):
            storage.get(name)
        with pytest.raises(ObjectMissingError):
            storage.get_into(name, room)


def test_an_object_that_would_fill_the_memory_is_not_read(storage: LocalStorage, folder: Path):
    put(storage, "packs/1")
    os.truncate(folder / "packs" / "1", LONGEST_OBJECT_BYTES + 1)
    with pytest.raises(StorageError, match="no object of ocsnap's is so long"):
        storage.get("packs/1")
    with pytest.raises(StorageError, match="no object of ocsnap's is so long"):
        storage.get_into("packs/1", room)
    assert storage.get("packs/1", length=3) == DATA[:3]


def test_an_object_that_becomes_shorter_while_it_is_read_is_told(
    storage: LocalStorage, folder: Path
):
    def cut(size_bytes: int) -> memoryview:
        os.truncate(folder / "packs" / "1", 3)
        return room(size_bytes)

    put(storage, "packs/1")
    with pytest.raises(TransientStorageError, match="cut short"):
        storage.get_into("packs/1", cut)


def test_nothing_is_left_beside_the_objects(storage: LocalStorage, folder: Path):
    put(storage)
    put(storage)
    create(storage, "locks/1")
    with pytest.raises(ObjectExistsError):
        create(storage, "locks/1")
    assert incoming(folder) == []


def test_the_file_of_an_unfinished_put_never_shows(storage: LocalStorage, folder: Path):
    put(storage)
    (folder / INCOMING / "0123").write_bytes(b"half")
    (folder / "packs" / ".half").write_bytes(b"half")
    (folder / "notes of the admin.txt").write_bytes(b"")
    assert [info.name for info in storage.list()] == [NAME]
    assert [info.name for info in storage.list("packs/")] == [NAME]


def test_what_a_crash_left_is_swept_after_a_day(folder: Path):
    put(LocalStorage(folder))
    old, new = folder / INCOMING / "old", folder / INCOMING / "new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    long_ago = time.time() - ABANDONED_AFTER_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    put(LocalStorage(folder))
    assert incoming(folder) == [new]


WRITER = """
import hashlib, sys
from pathlib import Path
from ocsnap.storage.local import LocalStorage
storage = LocalStorage(Path(sys.argv[1]))
for number in range(100_000):
    data = str(number).encode() * 50_000
    storage.put(f"packs/{number}", data, sha256=hashlib.sha256(data).hexdigest())
    print(number, flush=True)
"""


def test_killed_in_the_middle_there_is_the_whole_object_or_none(folder: Path):
    for round_ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(random.Random(round_).uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said = [0, *map(int, writer.stdout.read().split())]
        storage = LocalStorage(folder)
        found = {int(info.name.removeprefix("packs/")) for info in storage.list()}
        assert found >= set(said)
        for number in found:
            assert storage.get(f"packs/{number}") == str(number).encode() * 50_000


def test_of_many_at_once_exactly_one_creates(storage: LocalStorage):
    def attempt(number: int) -> int:
        try:
            create(storage, f"locks/{number // 8}", str(number).encode())
        except ObjectExistsError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(160))) == 20


def test_without_hard_links_create_still_refuses(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, folder: Path
):
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    create(storage)
    with pytest.raises(ObjectExistsError):
        create(storage, data=b"other")
    assert storage.get(NAME) == DATA
    assert incoming(folder) == []


def test_a_disk_that_is_not_mounted_is_no_empty_storage(tmp_path: Path):
    storage = LocalStorage(tmp_path / "not-mounted" / "repository")
    with pytest.raises(NoRepositoryError, match="not-mounted"):
        storage.check()
    with pytest.raises(NoRepositoryError, match="not-mounted"):
        [*storage.list()]
    with pytest.raises(StorageError, match="cannot store") as caught:
        put(storage)
    assert "mount" in caught.value.hint
    assert not (tmp_path / "not-mounted").exists()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path):
    (tmp_path / "repository").write_bytes(b"")
    storage = LocalStorage(tmp_path / "repository")
    with pytest.raises(StorageError, match="is no folder"):
        storage.check()
    with pytest.raises(StorageError, match="cannot store"):
        put(storage)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EIO, StorageError),
        (errno.ESTALE, TransientStorageError),
        (errno.EDQUOT, StorageError),
        (errno.EROFS, AccessDeniedError),
    ],
)
def test_an_error_while_syncing_stores_nothing(
    storage: LocalStorage,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[StorageError],
):
    put(storage, "packs/before")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as caught:
        put(storage)
    assert type(caught.value) is error
    assert os.strerror(number) in caught.value.message
    assert caught.value.name == NAME
    assert incoming(folder) == []
    assert [info.name for info in storage.list()] == ["packs/before"]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of 1 MiB; only root may, and not in every container."""
    folder.mkdir()
    mounted = shutil.which("mount") and ROOT
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "ocsnap-test", str(folder)]
    if not mounted or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root, outside of a locked container")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path):
    disk = tmp_path / "disk"
    with small_disk(disk):
        storage = LocalStorage(disk / "repository")
        put(storage)
        for store in [put, create]:
            with pytest.raises(StorageError, match="No space left on device") as caught:
                store(storage, "packs/large", bytes(2 * 1024 * 1024))
            assert "Free some space" in caught.value.hint
            assert type(caught.value) is StorageError
        assert incoming(disk / "repository") == []
        assert [info.name for info in storage.list()] == [NAME]
        put(storage, "packs/small")


def test_a_disk_mounted_read_only_is_named(tmp_path: Path):
    disk = tmp_path / "disk"
    with small_disk(disk):
        storage = LocalStorage(disk / "repository")
        put(storage)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(AccessDeniedError, match="Read-only file system"):
            put(storage, "packs/2")
        with pytest.raises(AccessDeniedError, match="Read-only file system"):
            storage.delete(NAME)
        storage.check()
        assert storage.get(NAME) == DATA


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Let nobody into `folder`, and be nobody where root would get in all the same."""
    folder.chmod(0)
    if ROOT:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if ROOT:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_folder_of_somebody_else_is_named(storage: LocalStorage, folder: Path):
    put(storage)
    with without_rights(folder):
        for call in [
            lambda: put(storage, "packs/2"),
            lambda: create(storage, "locks/2"),
            lambda: storage.get(NAME),
            lambda: storage.stat(NAME),
            lambda: [*storage.list()],
            lambda: storage.delete(NAME),
            storage.check,
        ]:
            with pytest.raises(AccessDeniedError, match="Permission denied") as caught:
                call()
            assert "user who owns" in caught.value.hint
    assert storage.get(NAME) == DATA


def test_a_url_may_be_percent_encoded(tmp_path: Path):
    folder = tmp_path / "a place #1"
    folder.mkdir()
    config = RepositoryConfig(url=f"file://{tmp_path}/a%20place #1")
    storage = open_storage(config, clock=SystemClock(), random=random.Random(1))
    storage.put(NAME, DATA, sha256=hashlib.sha256(DATA).hexdigest())
    assert (folder / NAME).read_bytes() == DATA
    storage.close()


def test_who_needs_no_s3_does_not_wait_for_boto3(tmp_path: Path):
    program = """
import random, sys
from ocsnap.clock import SystemClock
from ocsnap.config import RepositoryConfig
from ocsnap.storage.factory import open_storage
config = RepositoryConfig(url=f"file://{sys.argv[1]}")
open_storage(config, clock=SystemClock(), random=random.Random(1)).check()
sys.exit("boto3" in sys.modules or "botocore" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
