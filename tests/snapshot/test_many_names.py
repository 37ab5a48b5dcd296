"""Folders of very many names are taken in segments: nothing but memory differs."""

from __future__ import annotations

import os
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocsnap.errors import DamagedError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository import tree
from ocsnap.repository.reader import BlobReader
from ocsnap.repository.snapshot import RootKind
from ocsnap.repository.tree import Entry
from ocsnap.snapshot import scanner
from ocsnap.snapshot.archiver import Source
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.scanner import scan
from ocsnap.snapshot.surveyor import Surveyor
from ocsnap.storage.memory import MemoryStorage
from ocsnap.units import MIB
from tests.repository.workshop import Workshop
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from pathlib import Path

MANY = 400
RNG = random.Random(3)
MOST_BYTES_PER_NAME = 200
"""A name is in memory, and an entry or an answer of lstat only for a moment: the two would take
1100 bytes more."""


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "MOST_FOUND", 50)
    monkeypatch.setattr(scanner, "SEGMENT_NAMES", 20)


@pytest.fixture
def crowd(folder: Path) -> Path:
    """A folder of many names of all kinds, within another."""
    crowd = folder / "crowd"
    crowd.mkdir()
    for number in range(MANY):
        path = crowd / f"{number * 7919 % MANY:03}"
        if number % 10 == 0:
            path.mkdir()
            (path / "inside").write_text(f"{number}")
        elif number % 10 == 1:
            path.symlink_to("elsewhere")
        else:
            path.write_text(f"{number}" * (number % 3))
    return crowd


def change(crowd: Path) -> None:
    """Do a little of everything all over the folder."""
    names = sorted(path.name for path in crowd.iterdir())
    for name in RNG.sample(names, 40):
        path = crowd / name
        if path.is_symlink():
            path.unlink()
            path.mkdir()
        elif path.is_dir():
            (path / "one more").write_text("new")
        elif RNG.random() < 0.5:
            path.rename(crowd / f"{name}.locked")
        else:
            path.write_text("changed")
    for number in range(10):
        (crowd / f"{number * 40:03} new").write_text("new")
    for name in (names[0], names[-1]):
        if (crowd / name).is_file():
            (crowd / name).unlink()


def test_what_is_stored_is_the_same(
    studio: Studio, folder: Path, crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whether in segments or not: the same blobs, the same figures."""
    other = Studio(Workshop(tmp_path / "other", MemoryStorage()))
    for _ in range(4):
        whole = other.backup(folder)
        with monkeypatch.context() as patch:
            patch.setattr(scanner, "MOST_FOUND", 50)
            patch.setattr(scanner, "SEGMENT_NAMES", 20)
            backup = studio.backup(folder)
        assert backup.entry.subtree == whole.entry.subtree
        assert backup.statistics == whole.statistics
        change(crowd)


def test_what_is_foreseen_is_the_same(
    studio: Studio, folder: Path, crowd: Path, monkeypatch: pytest.MonkeyPatch
):
    root = studio.backup(folder).stored.snapshot.roots[0]
    change(crowd)
    source = Source(RootKind.DATA, "data", os.fsencode(folder), Exclusion([]))
    found = []
    for most in (50, 100_000):
        monkeypatch.setattr(scanner, "MOST_FOUND", most)
        monkeypatch.setattr(scanner, "SEGMENT_NAMES", 20)
        with studio.synchronised() as repository:
            surveyor = Surveyor(repository, monitor=SilentMonitor())
            surveyor.walk(source, root)
            found.append(surveyor.finish())
    assert found[0] == found[1]
    assert found[0].new_files > 10
    assert found[0].deleted_files > 10
    assert found[0].errors == 0


@pytest.mark.usefixtures("small_segments")
def test_it_comes_back_after_changes(studio: Studio, folder: Path, crowd: Path, tmp_path: Path):
    studio.backup(folder)
    for number in range(3):
        change(crowd)
        backup = studio.backup(folder)
        target = tmp_path / f"target {number}"
        assert studio.restore(backup.stored, target).failed == []
        assert differences(portrait(folder), portrait(target)) == []
    again = studio.backup(folder)
    assert again.objects_put == 1
    assert again.entry == backup.entry
    assert studio.check(read_data=True).sound


@pytest.mark.usefixtures("small_segments")
def test_in_the_root_itself(studio: Studio, crowd: Path):
    backup = studio.backup(crowd)
    root = backup.stored.snapshot.roots[0]
    assert root.files == backup.statistics.source_files == MANY + MANY // 10
    assert (root.watched_files, root.watched_bytes) == (root.files, root.size_bytes)


@pytest.mark.usefixtures("small_segments")
def test_a_part_of_the_old_listing_that_is_lost_costs_its_own_names(
    studio: Studio, folder: Path, crowd: Path
):
    """The names of the other parts are not read again."""
    first = studio.backup(folder)
    with studio.synchronised() as repository:
        (entry,) = tree.read(first.entry.subtree, repository.reader.load)
        lost = entry.subtree[len(entry.subtree) // 2]
        names = {each.name for each in tree.read([lost], repository.reader.load)}
    original = BlobReader.load

    def load_or_lose(reader: BlobReader, blob: bytes) -> bytes:
        if blob == lost:
            raise DamagedError("The blob is lost.")
        return original(reader, blob)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlobReader, "load", load_or_lose)
        second = studio.backup(folder)
    files = sum((crowd / os.fsdecode(name)).is_file() for name in names)
    assert second.statistics.new_files >= len(names)
    assert files <= second.statistics.files_read <= len(names)
    assert any("read anew" in note for note in second.monitor.notes)


@pytest.mark.usefixtures("small_segments")
def test_names_that_vanish_while_the_folder_is_walked(folder: Path, crowd: Path):
    told: list[bytes] = []
    listed = scan(os.fsencode(crowd), b"crowd/", Exclusion([]), lambda path, _: told.append(path))
    assert listed.names == MANY
    assert listed.left > 5
    first, last = listed.take()
    assert first[-1].name == last
    gone = [path for path in crowd.iterdir() if path.is_file() and os.fsencode(path.name) > last]
    for path in gone[::2]:
        path.unlink()
    found = [*first]
    while listed.left:
        found += listed.take()[0]
    names = [each.name for each in found]
    assert names == sorted(os.listdir(os.fsencode(crowd)))
    assert told == []


@given(
    st.sets(
        st.binary(min_size=1, max_size=4).map(lambda name: name.hex().encode()),
        min_size=1,
        max_size=600,
    )
)
def test_segments_end_where_listings_are_cut(names: set[bytes]):
    """So the parts of the segments are the parts of the whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "SEGMENT_NAMES", 20)
        ends = scanner._ends(sorted(names))
    entries = [Entry(name, 0o100644, 0, 0, 0, 0, 0) for name in sorted(names)]
    starts = [0, *ends[:-1]]
    segments = [entries[start:end] for start, end in zip(starts, ends, strict=True)]
    assert [entry for segment in segments for entry in segment] == entries
    parts = [part for each in segments for part in tree.encode(each, among=len(entries))]
    assert parts == [*tree.encode(entries)]


def test_names_that_chance_never_cuts_make_no_endless_segment(monkeypatch: pytest.MonkeyPatch):
    def never(name: bytes, *, among: int) -> bool:
        return among < len(name)

    monkeypatch.setattr(scanner, "ends_part", never)
    names = [b"%06d" % number for number in range(100_000)]
    ends = scanner._ends(names)
    assert ends[-1] == len(names)
    assert max(end - start for start, end in zip([0, *ends], ends, strict=False)) <= 16384


def test_memory_stays_bounded(studio: Studio, folder: Path):
    """Of a backup that has nothing to do: in a first one files are on their way besides."""
    count = 30_000
    for number in range(count):
        os.mknod(folder / f"{number:06}")
    first = studio.backup(folder)
    tracemalloc.start()
    try:
        second = studio.backup(folder)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert second.entry == first.entry
    assert second.statistics.files_read == 0
    assert peak_bytes < count * MOST_BYTES_PER_NAME + 8 * MIB
