"""What cannot be read is tried once more at the end, then reported; nothing half-read is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.archiver import Archiver, Source
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.postponed import Postponed
from tests.repository.workshop import LaterClock
from tests.servers.disks import failing_disk
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.test_moving_files import archive, before_opening, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.disks import FailingDisk
    from tests.snapshot.studio import Studio

BAD_BYTES = 9_000_000
"""Three blobs: the second cannot be read."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FailingDisk]:
    """A disk with two files; the end of the larger one is lost."""
    with failing_disk(tmp_path / "failing") as disk:
        (disk.folder / "good").write_bytes(os.urandom(100_000))
        os.sync()
        bad = disk.folder / "bad"
        bad.write_bytes(os.urandom(BAD_BYTES))
        disk.settle()
        (disk.folder / "good").read_bytes()
        disk.break_at(bad, BAD_BYTES // 2)
        yield disk


def fails_in_the_middle(file: Path) -> bool:
    read_bytes = 0
    try:
        with file.open("rb", buffering=0) as stream:
            while chunk := stream.read(4096):
                read_bytes += len(chunk)
    except OSError:
        return 0 < read_bytes < file.stat().st_size
    return False


def test_a_file_whose_end_is_lost_is_left_out_and_told(
    studio: Studio, disk: FailingDisk, tmp_path: Path
):
    backup = studio.backup(disk.folder)
    assert fails_in_the_middle(disk.folder / "bad")
    (problem,) = backup.monitor.problems
    assert problem.subject == str(disk.folder / "bad")
    assert problem.reason == "Input/output error"
    assert backup.statistics.errors == backup.stored.snapshot.errors == 1
    target = tmp_path / "target"
    assert studio.restore(backup.stored, target).failed == []
    assert not (target / "bad").exists()
    assert (target / "good").read_bytes() == (disk.folder / "good").read_bytes()
    assert studio.check(read_data=True).sound


def test_a_disk_that_comes_back_before_the_end_loses_nothing(
    studio: Studio, disk: FailingDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begin = Postponed.begin
    tried: list[bytes] = []

    def mend(postponed: Postponed):  # noqa: ANN202 # as the one it stands for
        files, directories = begin(postponed)
        tried.extend(job.found.name for job in files)
        disk.mend()
        disk.lost = b""
        return files, directories

    monkeypatch.setattr(Postponed, "begin", mend)
    backup = studio.backup(disk.folder)
    assert tried == [b"bad"]
    assert backup.monitor.problems == []
    assert backup.statistics.errors == 0
    target = tmp_path / "target"
    assert studio.restore(backup.stored, target).failed == []
    assert differences(portrait(disk.folder), portrait(target)) == []


def test_a_version_that_is_stored_already_is_kept_by_the_older_snapshot(
    studio: Studio, disk: FailingDisk, tmp_path: Path
):
    """The file is lost for the new snapshot only."""
    disk.mend()
    disk.lost = b""
    first = studio.backup(disk.folder)
    whole = (disk.folder / "bad").read_bytes()
    disk.settle()
    (disk.folder / "good").read_bytes()
    disk.break_at(disk.folder / "bad", BAD_BYTES // 2)
    os.utime(disk.folder / "bad")  # so that it is read again
    second = studio.backup(disk.folder)
    assert second.statistics.errors == 1
    assert studio.restore(first.stored, tmp_path / "first").failed == []
    assert (tmp_path / "first" / "bad").read_bytes() == whole


class Flicker:
    """Puts something else in a file's place for the first `times` looks at it."""

    def __init__(self, file: Path, times: int) -> None:
        self.file = file
        self.left = times
        self.aside = file.with_name(".aside")

    def __call__(self) -> None:
        if self.aside.exists():
            self.file.unlink()
            self.aside.rename(self.file)
        if self.left:
            self.left -= 1
            self.file.rename(self.aside)
            self.file.symlink_to("/etc/passwd")


@pytest.mark.parametrize(("times", "errors"), [(1, 0), (2, 1)])
def test_what_is_a_link_for_a_moment_is_tried_once_more(
    studio: Studio, folder: Path, times: int, errors: int
):
    file = folder / "file"
    file.write_bytes(b"that is a link for a moment")
    monitor = SilentMonitor()
    flicker = Flicker(file, times)
    with studio.workshop.opened() as repository:
        archived = archive(repository, folder, monitor, before_opening(flicker))
        found = listing(repository, archived)
    assert flicker.left == 0
    assert [problem.subject for problem in monitor.problems] == [str(file)] * errors
    assert archived.statistics.errors == errors
    assert (b"file" in found) == (errors == 0)
    assert all(not entry.target for entry in found.values())


@pytest.mark.parametrize(("times", "errors"), [(1, 0), (2, 1)])
def test_a_folder_that_cannot_be_listed_is_tried_once_more(
    studio: Studio, folder: Path, times: int, errors: int
):
    (folder / "below" / "deeper").mkdir(parents=True)
    (folder / "below" / "deeper" / "file").write_bytes(b"1")
    left = [OSError(5, "Input/output error")] * times

    class Refusing(Exclusion):
        def within(self, folder: bytes) -> Callable[[bytes], bool]:
            if folder == b"below/" and left:
                raise left.pop()
            return super().within(folder)

    monitor = SilentMonitor()
    with studio.workshop.opened() as repository:
        archiver = Archiver(repository, clock=LaterClock(), monitor=monitor)
        source = Source(RootKind.DATA, "data", os.fsencode(folder), Refusing([]))
        archived = archiver.archive(source, None)
        found = listing(repository, archived)
    assert left == []
    assert [problem.subject for problem in monitor.problems] == [str(folder / "below")] * errors
    assert archived.statistics.errors == errors
    assert found[b"below"].entries == (0 if errors else 2)


def test_a_pass_that_is_followed_by_another_does_not_linger(studio: Studio, folder: Path):
    """What fails while users work is looked at again in the window anyway."""
    file = folder / "file"
    file.write_bytes(b"1")
    flicker = Flicker(file, 5)
    with studio.workshop.opened() as repository:
        archiver = Archiver(
            repository, clock=LaterClock(), monitor=SilentMonitor(), tries_again=False
        )
        before_opening(flicker)(archiver)
        source = Source(RootKind.DATA, "data", os.fsencode(folder), Exclusion([]))
        assert archiver.archive(source, None).statistics.errors == 1
    assert flicker.left == 4
