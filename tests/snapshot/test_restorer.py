"""Restores of what no archiver would write, and of what a file system will not take."""

from __future__ import annotations

import os
import random
import shutil
import stat
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ocsnap.crypto.gpg_process import GpgProgram, GpgRun
from ocsnap.errors import DamagedError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind, blob_id
from ocsnap.repository.snapshot import Root, RootKind
from ocsnap.repository.tree import Entry, Extent
from ocsnap.snapshot import restorer
from ocsnap.snapshot.checker import Checker
from ocsnap.snapshot.promise import Promise
from ocsnap.snapshot.reach import LONGEST_BYTES
from ocsnap.snapshot.restorer import Placement, Restorer
from ocsnap.storage.count import Counting
from ocsnap.storage.faults import Effect, Fault, Faulty
from ocsnap.units import GIB

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ocsnap.repository.repository import Repository
    from ocsnap.repository.workspace import Workspace
    from ocsnap.snapshot.restore_report import RestoreReport
    from tests.snapshot.studio import Studio

FILE = Entry(b"file", stat.S_IFREG | 0o644, 0, 0, 10**18, 0, 1)
FOLDER = Entry(b"", stat.S_IFDIR | 0o755, 0, 0, 10**18, 0, 2)


def file(repository: Repository, name: bytes, content: bytes, **changes: object) -> Entry:
    blob, _ = repository.writer.save(BlobKind.CONTENT, content)
    fields = {"name": name, "size_bytes": len(content), "content": blob, **changes}
    return msgspec.structs.replace(FILE, **fields)


def folder(repository: Repository, entries: list[Entry], name: bytes = b"") -> Entry:
    listed = sorted(entries, key=lambda entry: entry.name)
    parts = [repository.writer.save(BlobKind.META, part)[0] for part in tree.encode(listed)]
    return msgspec.structs.replace(FOLDER, name=name, subtree=tuple(parts))


def restore(
    repository: Repository,
    entry: Entry,
    target: Path,
    *,
    owners: bool = False,
    devices: bool = False,
) -> tuple[RestoreReport, SilentMonitor]:
    repository.flush()
    root = Root(kind=RootKind.DATA, name="data", path=b"/data", entry=entry)
    monitor = SilentMonitor()
    made = Restorer(repository, monitor=monitor, owners=owners, devices=devices)
    return made.restore([Placement(root, os.fsencode(target))]), monitor


def test_an_attribute_that_nobody_takes_costs_no_file(studio: Studio, tmp_path: Path):
    """Other file systems have other attributes; ext4 takes none of this name space."""
    odd = {"xattrs": ((b"nosuch.space", b"1"), (b"user.fine", b"2"))}
    with studio.workshop.opened() as repository:
        entries = [file(repository, name, name, **odd) for name in (b"a", b"b")]
        report, monitor = restore(repository, folder(repository, entries), tmp_path / "t")
    assert report.failed == []
    assert (tmp_path / "t" / "b").read_bytes() == b"b"
    assert stat.S_IMODE((tmp_path / "t" / "b").stat().st_mode) == 0o644
    (problem,) = monitor.problems
    assert "nosuch.space" in problem.reason


def test_extents_that_make_up_another_content_are_found_out(studio: Studio, tmp_path: Path):
    with studio.workshop.opened() as repository:
        one, _ = repository.writer.save(BlobKind.CONTENT, b"one ")
        two, _ = repository.writer.save(BlobKind.CONTENT, b"two ")
        right = (Extent(one, 0, 4), Extent(two, 0, 4))
        wrong = (Extent(two, 0, 4), Extent(one, 0, 4))
        content = blob_id(b"one two ")
        entries = [
            msgspec.structs.replace(FILE, name=name, size_bytes=8, content=content, extents=extents)
            for name, extents in ((b"right", right), (b"wrong", wrong))
        ]
        report, _ = restore(repository, folder(repository, entries), tmp_path / "t")
    assert report.failed == [str(tmp_path / "t" / "wrong")]
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["right"]


def test_extents_beyond_their_blob_are_found_out(studio: Studio, tmp_path: Path):
    with studio.workshop.opened() as repository:
        blob, _ = repository.writer.save(BlobKind.CONTENT, b"ten bytes.")
        entries = [
            msgspec.structs.replace(
                FILE, name=name, size_bytes=10, content=blob, extents=(Extent(blob, start, 10),)
            )
            for name, start in ((b"fine", 0), (b"over", 5), (b"far", 2**40))
        ]
        report, _ = restore(repository, folder(repository, entries), tmp_path / "t")
    assert {os.path.basename(path) for path in report.failed} == {"over", "far"}
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["fine"]


def test_a_size_that_does_not_fit_its_blob_is_found_out(studio: Studio, tmp_path: Path):
    with studio.workshop.opened() as repository:
        entries = [
            file(repository, b"longer", b"content", size_bytes=8),
            file(repository, b"shorter", b"content", size_bytes=6),
        ]
        report, _ = restore(repository, folder(repository, entries), tmp_path / "t")
    assert {os.path.basename(path) for path in report.failed} == {"longer", "shorter"}
    assert list((tmp_path / "t").iterdir()) == []


def test_links_lead_where_they_led_and_nothing_is_written_through_them(
    studio: Studio, tmp_path: Path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = msgspec.structs.replace(
        FILE, name=b"link", mode=stat.S_IFLNK | 0o777, target=os.fsencode(outside)
    )
    with studio.workshop.opened() as repository:
        inner = folder(repository, [file(repository, b"inside", b"1")], b"folder")
        report, _ = restore(repository, folder(repository, [link, inner]), tmp_path / "t")
    assert report.failed == []
    assert (tmp_path / "t" / "link").readlink() == outside
    assert list(outside.iterdir()) == []


DEVICE = msgspec.structs.replace(
    FILE, name=b"sda", mode=stat.S_IFBLK | 0o660, device=os.makedev(8, 0)
)


def test_devices_are_not_made_unless_asked_for(studio: Studio, tmp_path: Path):
    with studio.workshop.opened() as repository:
        report, _ = restore(
            repository, folder(repository, [DEVICE]), tmp_path / "t", owners=os.geteuid() == 0
        )
    assert report.left_out == [str(tmp_path / "t" / "sda")]
    assert list((tmp_path / "t").iterdir()) == []


def test_devices_are_made_where_they_are_asked_for(studio: Studio, tmp_path: Path):
    """Or named as lost, where the system lets nobody make any."""
    made = tmp_path / "t" / "sda"
    with studio.workshop.opened() as repository:
        entries = [DEVICE, file(repository, b"z", b"the rest")]
        report, _ = restore(repository, folder(repository, entries), tmp_path / "t", devices=True)
    assert (tmp_path / "t" / "z").read_bytes() == b"the rest"
    if report.failed:
        assert report.failed == [str(made)]
    else:
        found = made.lstat()
        assert (found.st_mode, found.st_rdev) == (DEVICE.mode, DEVICE.device)


def test_names_of_one_file_stay_one_file_also_when_it_is_lost(studio: Studio, tmp_path: Path):
    with studio.workshop.opened() as repository:
        whole = [file(repository, name, b"whole", links=2, inode=5) for name in (b"a", b"b")]
        lost = [
            msgspec.structs.replace(each, name=name, inode=6, content=blob_id(b"lost"))
            for each, name in zip(whole, (b"c", b"d"), strict=True)
        ]
        report, _ = restore(repository, folder(repository, whole + lost), tmp_path / "t")
    target = tmp_path / "t"
    assert (target / "a").samefile(target / "b")
    assert {os.path.basename(path) for path in report.failed} == {"c", "d"}
    assert {path.name for path in target.iterdir()} == {"a", "b"}


def test_several_roots_one_inside_the_other(studio: Studio, tmp_path: Path):
    """As the homes in a data directory; the inner one comes with times of its own."""
    with studio.workshop.opened() as repository:
        outer = folder(repository, [file(repository, b"index.html", b"1")])
        inner = msgspec.structs.replace(
            folder(repository, [file(repository, b"letter", b"2")]), mtime_ns=5 * 10**17
        )
        repository.flush()
        roots = [
            Root(kind=RootKind.DATA, name="data", path=b"/data", entry=outer),
            Root(kind=RootKind.HOME, name="u1", path=b"/data/u1", entry=inner),
        ]
        target = tmp_path / "t"
        places = [os.fsencode(target), os.fsencode(target / "u1")]
        report = Restorer(repository, monitor=SilentMonitor(), owners=False).restore(
            [Placement(root, place) for root, place in zip(roots, places, strict=True)]
        )
    assert report.failed == []
    assert (target / "u1" / "letter").read_bytes() == b"2"
    assert target.stat().st_mtime_ns == 10**18
    assert (target / "u1").stat().st_mtime_ns == 5 * 10**17


@pytest.mark.parametrize("deep", [False, True])
def test_a_name_that_is_too_long_here_costs_no_other_file(
    studio: Studio, tmp_path: Path, *, deep: bool
):
    """What a file system takes where names are counted in letters, others do not."""
    with studio.workshop.opened() as repository:
        long = [file(repository, b"f" * 300, b"1"), folder(repository, [], b"g" * 5000)]
        inner = folder(repository, [*long, file(repository, b"short", b"2")], b"d" * 200)
        for _ in range(30 if deep else 0):
            inner = folder(repository, [inner, file(repository, b"beside", b"2")], b"d" * 200)
        whole = folder(repository, [inner, file(repository, b"short", b"3")])
        report, monitor = restore(repository, whole, tmp_path / "t")
    assert (tmp_path / "t" / "short").read_bytes() == b"3"
    assert len(report.failed) == 2
    assert report.failed == [problem.subject for problem in monitor.problems]
    assert all("too long" in problem.reason for problem in monitor.problems)
    shutil.rmtree(tmp_path / "t")


def test_paths_that_would_fill_the_memory_are_refused(studio: Studio, tmp_path: Path):
    """Folders that list one another make many long paths out of little."""
    with studio.workshop.opened() as repository:
        inner = folder(repository, [], b"d" * 200)
        for _ in range(330):
            inner = folder(repository, [inner], b"d" * 200)
        whole = folder(repository, [inner])
        report, _ = restore(repository, whole, tmp_path / "t")
        (failed,) = report.failed
        assert LONGEST_BYTES < len(failed) < LONGEST_BYTES + 1000
        shutil.rmtree(tmp_path / "t")
        promise = Promise(Root(kind=RootKind.DATA, name="data", path=b"/data", entry=whole))
        for _ in range(GIB // len(failed)):
            promise.take_path(os.fsencode(failed))
        with pytest.raises(DamagedError):
            promise.take_path(os.fsencode(failed))


def test_no_pack_is_fetched_twice_though_not_all_pieces_fit_into_memory(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A later backup's pack holds a little from everywhere, beside the first one's neighbours."""
    monkeypatch.setattr(restorer, "MOST_PIECES", 60)
    with studio.workshop.opened() as repository:
        scattered = [file(repository, b"late", f"late {number}".encode()) for number in range(15)]
        repository.flush()
        folders = []
        for number in range(15):
            entries = [
                file(repository, f"{name}".encode(), f"{number} {name}".encode())
                for name in range(9)
            ]
            folders.append(folder(repository, [*entries, scattered[number]], b"%d" % number))
            repository.flush()
        whole = folder(repository, folders)
        repository.flush()
        fetched: list[str] = []
        opened = repository.reader.opened

        def counted(
            name: str, space: Workspace, **ways: bool
        ) -> AbstractContextManager[memoryview]:
            fetched.append(name)
            return opened(name, space, **ways)

        monkeypatch.setattr(repository.reader, "opened", counted)
        report, _ = restore(repository, whole, tmp_path / "t")
    assert report.failed == []
    assert sum(path.is_file() for path in (tmp_path / "t").rglob("*")) == 150
    assert (tmp_path / "t" / "7" / "late").read_bytes() == b"late 7"
    packs = [name for name in fetched if name.startswith(BlobKind.CONTENT.value)]
    assert len(set(packs)) == 16
    assert len(packs) == 16


@pytest.mark.parametrize("effect", [Effect.DAMAGED, Effect.SHORT])
def test_a_pack_that_is_damaged_on_the_line_is_fetched_once_more(
    studio: Studio, tmp_path: Path, effect: Effect
):
    with studio.workshop.opened() as repository:
        files = []
        for number in range(5):
            content = random.Random(number).randbytes(50_000)
            files.append(file(repository, b"%d" % number, content))
            repository.flush()
        whole = folder(repository, files)
        repository.flush()
    faulty = Faulty(studio.workshop.storage, [Fault("get", effect, 2, prefix="packs/")])
    studio.workshop.storage = counting = Counting(faulty)
    with studio.workshop.opened() as repository:
        before = counting.requests
        report, _ = restore(repository, whole, tmp_path / "t")
        assert counting.requests - before == 5 + 1
    faulty.assert_happened()
    assert report.failed == []
    for number in range(5):
        content = random.Random(number).randbytes(50_000)
        assert (tmp_path / "t" / str(number)).read_bytes() == content


def test_a_restore_runs_no_gpg_for_packs_and_a_check_does(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with studio.workshop.opened() as repository:
        files = []
        for number in range(4):
            files.append(file(repository, b"%d" % number, b"content %d" % number))
            repository.flush()
        whole = folder(repository, files)
        repository.flush()
        run = GpgProgram.run
        runs: list[object] = []

        def counted(program: GpgProgram, options: list[str], *given: Any) -> GpgRun:  # noqa: ANN401
            runs.append(options)
            return run(program, options, *given)

        monkeypatch.setattr(GpgProgram, "run", counted)
        report, _ = restore(repository, whole, tmp_path / "t")
        assert (len(report.failed), len(runs)) == (0, 0)
        checked = Checker(repository, monitor=SilentMonitor()).check(read_data=True)
        assert checked.sound
        assert len(runs) >= 5
    assert (tmp_path / "t" / "3").read_bytes() == b"content 3"
