"""Files are announced to the kernel before they are read, and never make a backup worse."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.repository.blob import LONGEST_BLOB_BYTES
from ocsnap.snapshot import archiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocsnap.snapshot.postponed import FileJob
    from tests.snapshot.studio import Studio

Announced = list[tuple[str, int, int]]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Announced:
    """Note of what the kernel is told: name, offset, bytes."""
    told: Announced = []
    really = os.posix_fadvise

    def advise(descriptor: int, offset: int, length: int, advice: int, /) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        told.append((name, offset, length))
        really(descriptor, offset, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", advise)
    return told


def test_each_file_is_announced_before_it_is_read(
    studio: Studio, folder: Path, announced: Announced, monkeypatch: pytest.MonkeyPatch
):
    for number in range(100):
        (folder / f"{number}.txt").write_bytes(b"x" * (number + 1))
    (folder / "empty.txt").touch()
    early: list[str] = []
    really = os.readv

    def read(descriptor: int, buffers: list[memoryview], /) -> int:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        if name.endswith(".txt") and name not in {told for told, _, _ in announced}:
            early.append(name)
        return really(descriptor, buffers)

    monkeypatch.setattr(os, "readv", read)
    studio.backup(folder)

    assert early in ([], ["empty.txt"])
    assert sorted(announced) == sorted((f"{n}.txt", 0, n + 1) for n in range(100))


def test_a_long_file_is_announced_part_by_part(studio: Studio, folder: Path, announced: Announced):
    (folder / "long").write_bytes(os.urandom(2 * LONGEST_BLOB_BYTES + 1))

    studio.backup(folder)

    parts = [("long", number * LONGEST_BLOB_BYTES, LONGEST_BLOB_BYTES) for number in range(3)]
    assert announced == parts


def test_nothing_is_announced_where_nothing_changed(
    studio: Studio, folder: Path, announced: Announced
):
    (folder / "file").write_bytes(b"content")
    studio.backup(folder)
    announced.clear()

    studio.backup(folder)

    assert announced == []


def test_a_file_system_that_takes_no_advice_costs_no_file(
    studio: Studio, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    content = os.urandom(LONGEST_BLOB_BYTES + 1)
    (folder / "long").write_bytes(content)

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    backup = studio.backup(folder)

    assert backup.monitor.problems == []
    assert studio.restore(backup.stored, tmp_path / "target").failed == []
    assert (tmp_path / "target" / "long").read_bytes() == content


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("meddle", [_pipe, os.unlink])
def test_what_has_gone_meanwhile_is_left_to_the_reader(
    studio: Studio,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    meddle: Callable[[Path], None],
):
    for name in ("file", "other"):
        (folder / name).write_bytes(b"content")
    really = archiver.announce

    def announce(jobs: list[FileJob]) -> None:
        if (folder / "file").is_file():
            meddle(folder / "file")
        really(jobs)

    monkeypatch.setattr(archiver, "announce", announce)
    backup = studio.backup(folder)

    assert len(backup.monitor.problems) <= 1
    assert studio.restore(backup.stored, tmp_path / "target").failed == []
    assert (tmp_path / "target" / "other").read_bytes() == b"content"
    assert not (tmp_path / "target" / "file").is_file()
