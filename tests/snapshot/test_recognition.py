"""Directories that are recognised without reading their listings: all is as if they were read."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import struct
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.cache_connection import CacheConnection
from ocsnap.repository.reader import BlobReader
from ocsnap.repository.tree import Entry
from ocsnap.snapshot import lister, recognition
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.listed import Kept, ListingStore, list_entries
from ocsnap.snapshot.scanner import scan
from ocsnap.snapshot.summary import Familiar, PartSummary, Summaries
from tests.repository.workshop import LaterClock, Workshop
from tests.snapshot.garden import CHANGES, NAMES, PLANTING, Change, Garden, MakeFile
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.repository import Repository
    from ocsnap.snapshot.lister import Listing
    from tests.snapshot.studio import Backup

FILES = 300
RNG = random.Random(11)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count listings that are read, directories that are looked at name by name, and queries."""
    counted: Counter[str] = Counter()

    def count(owner: object, name: str, called: str) -> None:
        original = getattr(owner, name)

        def counting(*given: object, **named: object) -> object:
            counted[called] += 1
            return original(*given, **named)

        monkeypatch.setattr(owner, name, counting)

    count(BlobReader, "load", "loads")
    count(recognition, "scan", "scans")
    count(CacheConnection, "_all", "queries")
    return counted


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_FEWEST_MEAN_ENTRIES", 2)


@pytest.fixture
def crowd(folder: Path) -> Path:
    """A folder with many files and nothing else."""
    crowd = folder / "home" / "crowd"
    crowd.mkdir(parents=True)
    for number in range(FILES):
        (crowd / f"{number:03}.txt").write_text("x" * number)
    return crowd


def without_lister(studio: Studio, folder: Path | bytes) -> Backup:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lister, "_compiled", lambda: None)
        return studio.backup(folder)


def alike(one: Backup, other: Backup) -> None:
    assert one.entry == other.entry
    assert one.statistics == other.statistics
    assert one.signs == other.signs
    assert one.monitor.problems == other.monitor.problems
    assert one.monitor.notes == other.monitor.notes


def test_this_installation_has_the_lister():
    """A compiler is there wherever these tests run; all else would hide that it is broken."""
    assert lister.is_compiled()


# -- the same as when every listing is read -------------------------------------------------


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    planting=st.lists(PLANTING, max_size=12),
    # Many names in one folder, so that a listing has parts that change and others that do not.
    crowd=st.lists(st.builds(MakeFile, st.just(1), NAMES, st.just(3), st.just(1)), max_size=25),
    days=st.lists(st.lists(CHANGES, max_size=5), max_size=4),
    exclude=st.sampled_from([(), ("*.odt",), ("a", "b"), ("/Documents/*",)]),
    mean=st.sampled_from([1, 2, 4]),
)
def test_trees_figures_and_signs_are_the_very_same(
    planting: list[Change],
    crowd: list[Change],
    days: list[list[Change]],
    exclude: tuple[str, ...],
    mean: int,
):
    with (
        tempfile.TemporaryDirectory(prefix="ocsnap-") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tree, "_FEWEST_MEAN_ENTRIES", mean)
        folder = Path(name)
        garden = Garden(folder / "garden")
        os.mkdir(garden.root + b"/a")
        quick, plain = (Studio(Workshop(folder / name), exclude=exclude) for name in "qp")
        for changes in [[*planting, *crowd], [], *days, []]:
            for change in changes:
                change.apply(garden)
            alike(quick.backup(garden.root), without_lister(plain, garden.root))
        assert quick.check(read_data=False).sound


@pytest.mark.parametrize("ahead_seconds", [-1, 60])
def test_a_file_that_changed_as_it_was_read_is_read_again(
    studio: Studio, folder: Path, crowd: Path, ahead_seconds: float
):
    """An overwrite that keeps size, times and inode is seen while the file's own time is young."""
    studio.clock = LaterClock(ahead_seconds)
    studio.backup(folder)
    studio.clock = LaterClock()
    again = studio.backup(folder)
    assert again.statistics.files_read == (FILES if ahead_seconds < 0 else 0)
    assert studio.backup(folder).statistics.files_read == 0
    # The part with a file that no listing vouches for is never taken over.
    entries = [entry(b"a"), entry(b"b", unsteady=True)]
    assert PartSummary.of(entries).digest == b""
    assert PartSummary.of(entries[:1]).digest


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("kind", ["mode", "mtime", "content", "inode", "link", "gone", "new"])
def test_one_change_among_many_names_is_seen(
    studio: Studio, crowd: Path, calls: Counter[str], tmp_path: Path, kind: str
):
    folder = crowd.parent.parent
    studio.backup(folder)
    calls.clear()
    meddle(crowd / "150.txt", kind)
    changed = studio.backup(folder)
    plain = Studio(Workshop(tmp_path / "plain"))
    assert 0 < calls["loads"] < 20
    assert calls["scans"] == 1  # the root
    alike_but_for_ids(changed, without_lister(plain, folder), studio, plain)
    target = tmp_path / "target"
    assert studio.elsewhere("new").restore(changed.stored, target).failed == []
    assert differences(portrait(folder), portrait(target)) == []


def meddle(file: Path, kind: str) -> None:
    status = file.stat()
    if kind == "mode":
        file.chmod(0o600)
    elif kind == "mtime":
        os.utime(file, (0, 0))
    elif kind == "content":
        file.write_bytes(RNG.randbytes(status.st_size))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif kind == "inode":
        copy = file.with_name("copy")
        copy.write_bytes(file.read_bytes())
        copy.replace(file)
    elif kind == "link":
        file.unlink()
        file.symlink_to("elsewhere")
    elif kind == "gone":
        file.unlink()
    else:
        file.with_name("150.txt.locked").touch()


def alike_but_for_ids(one: Backup, other: Backup, *studios: Studio) -> None:
    """Two trees of the same folder, of which one has been stored anew as a whole."""
    listings = []
    for backup, studio in zip((one, other), studios, strict=True):
        with studio.synchronised() as repository:
            listings.append([*tree.read(crowd_of(repository, backup), repository.reader.load)])
    assert listings[0] == listings[1]
    assert one.statistics.source_files == other.statistics.source_files
    assert one.statistics.source_file_bytes == other.statistics.source_file_bytes
    assert one.entry.entries == other.entry.entries
    assert one.entry.size_bytes == other.entry.size_bytes


def crowd_of(repository: Repository, backup: Backup) -> tuple[bytes, ...]:
    subtree = backup.entry.subtree
    for _ in range(2):
        (folder,) = tree.read(subtree, repository.reader.load)
        subtree = folder.subtree
    return subtree


def test_what_is_excluded_from_now_on_is_left_out(studio: Studio, folder: Path, crowd: Path):
    (crowd / "late.part").touch()
    assert studio.backup(folder).entry.entries == FILES + 3
    studio.exclude = ("*.part", "00?.txt")
    fewer = studio.backup(folder)
    assert fewer.entry.entries == FILES + 2 - 10
    assert fewer.statistics.deleted_files == 11
    studio.exclude = ()
    assert studio.backup(folder).statistics.new_files == 11


# -- what it saves --------------------------------------------------------------------------


def test_a_run_without_changes_reads_no_listing_of_files(
    studio: Studio, folder: Path, crowd: Path, calls: Counter[str]
):
    first = studio.backup(folder)
    calls.clear()
    second = studio.backup(folder)
    assert second.entry == first.entry
    assert second.statistics.source_files == FILES + 2
    assert calls["loads"] == 2  # of the root, and of the folder that has a folder in it
    assert calls["scans"] == 1
    queries = calls["queries"]
    for number in range(FILES):
        (crowd / f"more {number}.txt").touch()
    studio.backup(folder)
    calls.clear()
    assert studio.backup(folder).statistics.files_read == 0
    assert calls["loads"] == 2
    # Twice the names are no more work; there are two more snapshots, each of them looked up once.
    assert calls["queries"] == queries + 2


def test_what_an_earlier_ocsnap_left_is_summarised_on_the_way(
    studio: Studio, folder: Path, crowd: Path, calls: Counter[str]
):
    studio.backup(folder)
    forget_summaries(studio)
    calls.clear()
    studio.backup(folder)
    assert calls["loads"] > 2
    calls.clear()
    studio.backup(folder)
    assert calls["loads"] == 2


def test_summaries_of_old_listings_are_forgotten_with_them(
    studio: Studio, folder: Path, crowd: Path
):
    studio.backup(folder)
    with studio.workshop.opened() as repository:
        repository.cache.keep_only(())
        assert repository.cache._all("SELECT count(*) FROM summary") == [(0,)]


# -- what may go wrong ----------------------------------------------------------------------


def forget_summaries(studio: Studio) -> None:
    with closing(sqlite3.connect(studio.workshop.cache_file)) as db, db:
        db.execute("DELETE FROM summary")


def change_summaries(studio: Studio, change: Callable[[bytes], bytes]) -> None:
    with closing(sqlite3.connect(studio.workshop.cache_file)) as db, db:
        for blob, content in db.execute("SELECT * FROM summary").fetchall():
            db.execute("UPDATE summary SET content = ? WHERE id = ?", (change(content), blob))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:0],
        lambda content: content[:-1],
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: content[:-3] + bytes([content[-3] ^ 4]) + content[-2:],
        lambda content: RNG.randbytes(len(content)),
    ],
)
def test_damaged_summaries_cost_reading_the_listings(
    studio: Studio, crowd: Path, calls: Counter[str], damage: Callable[[bytes], bytes]
):
    folder = crowd.parent.parent
    first = studio.backup(folder)
    change_summaries(studio, damage)
    calls.clear()
    second = studio.backup(folder)
    assert second.entry == first.entry
    assert second.statistics.source_file_bytes == first.statistics.source_file_bytes
    assert calls["loads"] > 2
    calls.clear()
    studio.backup(folder)
    assert calls["loads"] == 2


def test_a_summary_of_another_listing_that_begins_alike_is_none(studio: Studio):
    with studio.workshop.opened() as repository:
        summaries = Summaries(repository.cache)
        part = PartSummary.of([entry(b"a")])
        summaries.keep([b"1" * 32, b"2" * 32], [part, part])
        assert summaries.of([b"1" * 32, b"2" * 32]) == [part, part]
        assert summaries.of([b"1" * 32]) is None
        assert summaries.of([b"1" * 32, b"3" * 32]) is None
        assert summaries.of([]) is None


def test_parts_that_are_lost_everywhere_stay_as_they_are(studio: Studio):
    """What a listing would be read for is only where to cut it: no backup fails for that."""
    with studio.workshop.opened() as repository:
        summaries = Summaries(repository.cache)
        store = ListingStore(repository.writer, refuse, summaries)
        # Two that nobody would cut: they are to be read, to be joined.
        parts = [[entry(b"a"), entry(b"b")], [entry(b"c")]]
        kept = [familiar(repository, part) for part in parts]
        now = [*parts[0], entry(b"bb"), *parts[1], entry(b"d")]
        listed = store.store([now[2], now[4]], Kept(kept, 3))
        assert [*tree.read(listed.subtree, repository.reader.load)] == now
        assert listed.entries == 5
        # As soon as they can be read the listing is again what it should be.
        told = summaries.of(listed.subtree)
        assert told is not None
        kept = [Familiar(*each) for each in zip(listed.subtree, told, strict=True)]
        store = ListingStore(repository.writer, repository.reader.load, summaries)
        assert store.store([], Kept(kept, 5)) == list_entries(now, repository.writer)


def familiar(repository: Repository, part: list[Entry]) -> Familiar:
    blob, _ = repository.writer.save(BlobKind.META, tree.encode_part(part))
    return Familiar(blob, PartSummary.of(part))


def refuse(blob: bytes) -> Buffer:
    from ocsnap.errors import NoSecretKeyError

    raise NoSecretKeyError(f"{blob.hex()} needs the secret key")


def test_where_blobs_may_be_lost_every_file_is_looked_up(
    studio: Studio, folder: Path, crowd: Path, calls: Counter[str]
):
    studio.backup(folder)
    storage = studio.workshop.storage
    for info in [*storage.list("packs/")]:
        storage.delete(info.name)
    with studio.workshop.opened() as repository:
        for name in [name for name, _, _ in repository.cache.expected() if name[:5] == "packs"]:
            repository.cache.drop_pack(bytes.fromhex(name[-68:-4]))
        repository.doubt("a test has removed packs")
    calls.clear()
    mended = studio.backup(folder)
    assert mended.statistics.files_read == FILES - 1  # one is empty
    assert calls["scans"] == 3
    assert studio.check(read_data=True).sound


def test_a_name_that_cannot_be_looked_at_is_told_as_ever(
    studio: Studio, folder: Path, crowd: Path, monkeypatch: pytest.MonkeyPatch
):
    studio.backup(folder)
    look = lister.look

    def fails(*given: object, **named: object) -> Listing | None:
        look(*given, **named)  # type: ignore[arg-type]
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(lister, "look", fails)
    (crowd / "new").touch()
    backup = studio.backup(folder)
    assert backup.monitor.problems == []
    assert backup.statistics.new_files == 1


# -- the lister -----------------------------------------------------------------------------


def looked(folder: Path | bytes, choose: Callable[[bytes], bytes | None]) -> Listing | None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return lister.look(descriptor, most=1000, choose=choose)
    finally:
        os.close(descriptor)


def all_of_them(names: bytes) -> None:
    del names


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(planting=st.lists(PLANTING, max_size=12), changes=st.lists(CHANGES, max_size=8))
def test_the_lister_sees_what_the_scanner_sees(planting: list[Change], changes: list[Change]):
    with tempfile.TemporaryDirectory(prefix="ocsnap-") as name:
        garden = Garden(Path(name) / "garden")
        for change in (*planting, *changes):
            change.apply(garden)
        for folder in garden.folders():
            listing = looked(folder, all_of_them)
            assert listing is not None
            found, _ = scan(folder, b"", Exclusion([]), pytest.fail).take()
            assert listing.names == [each.name for each in found]
            for number, (told, status) in enumerate(found):
                seen = entry(
                    told,
                    mode=status.st_mode,
                    mtime_ns=status.st_mtime_ns,
                    ctime_ns=status.st_ctime_ns,
                    inode=status.st_ino,
                    size_bytes=status.st_size if stat.S_ISREG(status.st_mode) else 0,
                )
                assert bytes(listing.between(number, number + 1)) == lister.record(seen)


def test_the_lister_leaves_out_what_is_chosen_and_what_has_vanished(crowd: Path):
    def choose(names: bytes) -> bytes:
        (crowd / "010.txt").unlink()
        return bytes(name.endswith(b"5.txt") for name in names.split(b"/")[:-1])

    listing = looked(crowd, choose)
    assert listing is not None
    assert listing.names == [
        b"%03d.txt" % number for number in range(FILES) if number % 10 != 5 and number != 10
    ]
    assert len(listing.ends) == len(listing.names)
    assert bytes(listing.records).count(b".txt/") == len(listing.names)
    assert listing.ends[-1] == len(listing.records)


def test_the_lister_lists_nothing_of_what_is_empty_or_too_long(tmp_path: Path, crowd: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    listing = looked(empty, all_of_them)
    assert listing is not None
    assert (listing.names, len(listing.records), listing.ends) == ([], 0, [])
    assert len(listing.between(0, 0)) == 0
    for number in range(FILES, 1001):
        (crowd / f"{number}").touch()
    assert looked(crowd, all_of_them) is None


def test_the_lister_tells_what_it_cannot_read(tmp_path: Path):
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    try:
        with pytest.raises(NotADirectoryError):
            lister.look(file, most=10, choose=all_of_them)
    finally:
        os.close(file)


def test_an_entry_that_no_record_can_tell_is_compared_by_itself():
    with pytest.raises(struct.error):
        lister.record(entry(b"a", mtime_ns=2**63))
    assert PartSummary.of([entry(b"a", mtime_ns=2**63)]).digest == b""


# -- where listings are cut -----------------------------------------------------------------


def entry(name: bytes, **given: object) -> Entry:
    usual: dict[str, object] = {"mode": 0o100644, "mtime_ns": 1, "ctime_ns": 2, "inode": 3}
    return Entry(name, uid=0, gid=0, **{**usual, **given})  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.integers(0, 150),
    gone=st.sampled_from([0, 0.01, 0.05, 0.5, 0.8, 1]),
    new=st.sampled_from([0, 1, 2, 30, 150]),
    seed=st.integers(0, 2**32),
)
def test_a_listing_with_parts_kept_is_the_one_that_is_made_anew(
    workshop: Workshop, names: int, gone: float, new: int, seed: int
):
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, workshop.opened() as repository:
        patch.setattr(tree, "_FEWEST_MEAN_ENTRIES", rng.choice([1, 2, 4]))
        patch.setattr(tree, "MOST_ENTRIES", rng.choice([3, 4096]))
        places = rng.sample(range(1000), names + new)
        old = [entry(b"%03d" % place) for place in sorted(places[:names])]
        if rng.random() < 0.5:
            there = [each for each in old if rng.random() >= gone]
        else:  # names that follow one another, so that parts beside them stay
            first = rng.randrange(names + 1)
            there = old[:first] + old[first + int(names * gone) :]
        now = {each.name: each for each in there}
        now |= {(name := b"%03d" % place): entry(name) for place in places[names:]}
        kept, left = split(repository, old, now)
        summaries = Summaries(repository.cache)
        store = ListingStore(repository.writer, repository.reader.load, summaries)
        listed = store.store(left, Kept(kept, len(old)))
        assert listed == list_entries(now.values(), repository.writer)
        told = summaries.of(listed.subtree)
        assert told == ([PartSummary.of(part) for part in cut(now)] if now else None)


def test_a_part_in_a_pack_that_a_prune_is_about_to_remove_is_stored_anew(studio: Studio):
    with studio.workshop.opened() as repository:
        store = ListingStore(repository.writer, repository.reader.load, Summaries(repository.cache))
        (blob,) = store.store([entry(b"a"), entry(b"b")]).subtree
        repository.flush()
        repository.cache.mark([repository.cache.locations(blob)[0].pack])
        kept = Kept([Familiar(blob, PartSummary.of([entry(b"a"), entry(b"b")]))], 2)
        assert store.store([], kept).subtree == (blob,)
        repository.flush()
        assert repository.cache.has(blob)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


def cut(now: dict[bytes, Entry]) -> Iterator[tuple[Entry, ...]]:
    return (tuple(part) for part in tree.cut(sorted(now.values(), key=lambda each: each.name)))


def split(
    repository: Repository, old: list[Entry], now: dict[bytes, Entry]
) -> tuple[list[Familiar], list[Entry]]:
    """Tell which parts of an old listing are as they were, and what there is besides."""
    kept, left, after = [], dict(now), b""
    parts = [part for part in tree.cut(old) if part]
    for part in parts:
        last = part[-1].name if part is not parts[-1] else b"\xff"
        there = {name: each for name, each in now.items() if after < name <= last}
        after = last
        if there == {each.name: each for each in part}:
            kept.append(familiar(repository, [*part]))
            left = {name: each for name, each in left.items() if name not in there}
    return kept, [*left.values()]
