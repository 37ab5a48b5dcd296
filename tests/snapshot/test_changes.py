"""What a backup costs follows what changed."""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
from typing import TYPE_CHECKING

import pytest

from ocsnap.snapshot.statistics import Statistics
from tests.repository.workshop import LaterClock
from tests.snapshot.likeness import allocated_bytes, differences, portrait

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.repository.tree import Entry
    from tests.snapshot.studio import Backup, Studio

RNG = random.Random(7)
LARGE_BYTES = 2_000_000


def fill(folder: Path) -> None:
    (folder / "u1" / "files").mkdir(parents=True)
    (folder / "u1" / "files" / "letter.odt").write_bytes(RNG.randbytes(5000))
    (folder / "u1" / "files" / "empty").touch()
    (folder / "u1" / "files" / "large.bin").write_bytes(RNG.randbytes(LARGE_BYTES))
    (folder / "u1" / "link").symlink_to("files/letter.odt")


def entry_of(studio: Studio, backup: Backup, path: str) -> Entry:
    """Return the entry of a path in a snapshot."""
    from ocsnap.repository import tree

    entry = backup.entry
    with studio.synchronised() as repository:
        for name in path.split("/"):
            listing = tree.decode(repository.reader.load_all(entry.subtree))
            entry = next(each for each in listing if each.name == os.fsencode(name))
    return entry


def assert_comes_back(studio: Studio, backup: Backup, folder: Path, target: Path) -> None:
    assert studio.elsewhere("new").restore(backup.stored, target).failed == []
    assert differences(portrait(folder), portrait(target)) == []


def test_a_run_without_changes_reads_no_file_and_stores_the_snapshot_alone(
    studio: Studio, folder: Path
):
    fill(folder)
    first = studio.backup(folder)
    assert first.statistics.files_read == 3
    second = studio.backup(folder)
    assert second.statistics == Statistics(
        source_files=6, source_file_bytes=LARGE_BYTES + 5000, directories_read=3
    )
    assert second.objects_put == 1
    assert second.entry == first.entry


def test_what_changed_a_moment_ago_is_read_again_the_next_time(studio: Studio, folder: Path):
    """The file system's clock ticks every few milliseconds: a second change could look the same."""
    fill(folder)
    studio.clock = LaterClock(ahead_seconds=-1)
    assert studio.backup(folder).statistics.files_read == 3
    studio.clock = LaterClock()
    second = studio.backup(folder)
    assert second.statistics.files_read == 3
    assert second.statistics.changed_files == second.statistics.raw_delta_bytes == 0
    assert studio.backup(folder).statistics.files_read == 0


def test_a_small_edit_in_a_large_file_stores_little(studio: Studio, folder: Path, tmp_path: Path):
    fill(folder)
    studio.backup(folder)
    large = folder / "u1" / "files" / "large.bin"
    content = large.read_bytes()
    large.write_bytes(content[:400_000] + b"inserted" + content[400_000:])
    backup = studio.backup(folder)
    assert backup.statistics.changed_files == 1
    assert backup.statistics.changed_delta_bytes < 20_000
    assert backup.put_bytes < 30_000
    assert_comes_back(studio, backup, folder, tmp_path / "target")


def test_an_overwrite_that_keeps_size_and_time_is_seen(studio: Studio, folder: Path):
    fill(folder)
    studio.backup(folder)
    letter = folder / "u1" / "files" / "letter.odt"
    status = letter.lstat()
    letter.write_bytes(RNG.randbytes(5000))
    os.utime(letter, ns=(status.st_mtime_ns, status.st_mtime_ns))
    backup = studio.backup(folder)
    assert backup.statistics.changed_files == 1
    assert backup.statistics.changed_delta_bytes == 5000


@pytest.mark.parametrize("size_bytes", [5000, 100_000, LARGE_BYTES, 9_000_000])
@pytest.mark.parametrize("edited", [False, True])
def test_a_move_or_a_copy_stores_no_content(
    studio: Studio, folder: Path, tmp_path: Path, size_bytes: int, *, edited: bool
):
    file = folder / "file"
    file.write_bytes(RNG.randbytes(size_bytes))
    studio.backup(folder)
    if edited:
        with file.open("r+b") as stream:
            stream.seek(size_bytes // 2)
            stream.write(b"another")
        studio.backup(folder)
    (folder / "versions").mkdir()
    file.rename(folder / "versions" / "file.v1")
    moved = studio.backup(folder)
    assert moved.statistics.raw_delta_bytes == 0
    assert (moved.statistics.new_files, moved.statistics.deleted_files) == (2, 1)
    shutil.copy2(folder / "versions" / "file.v1", file)
    copied = studio.backup(folder)
    assert copied.statistics.raw_delta_bytes == 0
    assert_comes_back(studio, copied, folder, tmp_path / "target")


def test_other_rights_alone_store_no_content(studio: Studio, folder: Path):
    fill(folder)
    studio.backup(folder)
    (folder / "u1" / "files" / "large.bin").chmod(0o600)
    backup = studio.backup(folder)
    assert backup.statistics.raw_delta_bytes == 0
    assert backup.statistics.changed_files == 0


@pytest.mark.parametrize("size_bytes", [100_000, 9_500_000])
def test_content_with_nothing_in_common_is_stored_whole(
    studio: Studio, folder: Path, tmp_path: Path, size_bytes: int
):
    file = folder / "file"
    file.write_bytes(RNG.randbytes(size_bytes))
    studio.backup(folder)
    file.write_bytes(RNG.randbytes(size_bytes))
    backup = studio.backup(folder)
    assert backup.statistics.changed_delta_bytes == size_bytes
    extents = entry_of(studio, backup, "file").extents
    assert len(extents) == (0 if size_bytes < 4_000_000 else 3)
    assert_comes_back(studio, backup, folder, tmp_path / "target")


def test_thirty_generations_of_edits(studio: Studio, folder: Path, tmp_path: Path):
    file = folder / "file"
    content = bytearray(RNG.randbytes(LARGE_BYTES))
    file.write_bytes(content)
    backups = [(studio.backup(folder), bytes(content))]
    for _ in range(30):
        for _ in range(5):
            place = RNG.randrange(len(content))
            content[place : place + RNG.randrange(50)] = RNG.randbytes(RNG.randrange(50))
        file.write_bytes(content)
        backup = studio.backup(folder)
        assert backup.statistics.changed_delta_bytes <= len(content)
        backups.append((backup, bytes(content)))
    most = max(128, LARGE_BYTES // (32 * 1024))
    assert all(len(entry_of(studio, each, "file").extents) <= most for each, _ in backups[::10])
    stored_bytes = sum(backup.statistics.raw_delta_bytes for backup, _ in backups)
    assert stored_bytes < 4 * LARGE_BYTES
    for number, (backup, content_then) in enumerate(backups[::5]):
        studio.restore(backup.stored, tmp_path / f"{number}")
        assert (tmp_path / f"{number}" / "file").read_bytes() == content_then


def test_an_old_signature_serves_on_after_small_edits(studio: Studio, folder: Path, tmp_path: Path):
    """An insertion moves all that follows, and so would change the whole signature."""
    file = folder / "file"
    content = RNG.randbytes(32 << 20)
    file.write_bytes(content)
    first = studio.backup(folder)
    signature = entry_of(studio, first, "file").signature
    for generation in range(3):
        place = (generation + 1) << 20
        content = content[:place] + RNG.randbytes(7) + content[place:]
        file.write_bytes(content)
        backup = studio.backup(folder)
        entry = entry_of(studio, backup, "file")
        assert entry.signature == signature
        assert entry.signed == entry_of(studio, first, "file").extents
        assert backup.statistics.raw_delta_bytes < 10_000, "only what is new in this generation"
        assert backup.put_bytes < 20_000
    assert_comes_back(studio, backup, folder, tmp_path / "target")


def test_a_new_signature_comes_once_it_is_the_cheaper_one(
    studio: Studio, folder: Path, tmp_path: Path
):
    file = folder / "file"
    content = RNG.randbytes(8 << 20)
    file.write_bytes(content)
    signature = entry_of(studio, studio.backup(folder), "file").signature
    inserted = RNG.randbytes(100_000)  # more than the 40 KiB of a signature
    content = content[:5] + inserted + content[5:]
    file.write_bytes(content)
    entry = entry_of(studio, studio.backup(folder), "file")
    assert entry.signature != signature
    assert entry.signed == ()
    file.write_bytes(content + b"more")
    backup = studio.backup(folder)
    assert backup.statistics.raw_delta_bytes < 5000, "what was inserted is known now"
    assert_comes_back(studio, backup, folder, tmp_path / "target")


def test_what_is_appended_each_time_is_stored_once(studio: Studio, folder: Path):
    file = folder / "file"
    content = RNG.randbytes(8 << 20)
    file.write_bytes(content)
    studio.backup(folder)
    for _ in range(4):
        content += RNG.randbytes(30_000)
        file.write_bytes(content)
        assert studio.backup(folder).statistics.raw_delta_bytes < 40_000


def test_figures(studio: Studio, folder: Path):
    fill(folder)
    files = folder / "u1" / "files"
    first = studio.backup(folder).statistics
    assert first == Statistics(
        source_files=6,
        source_file_bytes=LARGE_BYTES + 5000,
        new_files=6,
        new_file_bytes=LARGE_BYTES + 5000,
        raw_delta_bytes=LARGE_BYTES + 5000,
        files_read=3,
        read_bytes=LARGE_BYTES + 5000,
        directories_read=3,
    )
    (files / "letter.odt").write_bytes(RNG.randbytes(6000))  # changed
    (files / "copy").write_bytes((files / "letter.odt").read_bytes())  # new, but nothing to store
    (files / "large.bin").unlink()  # deleted
    (folder / "u1" / "link").unlink()  # deleted, and something else in its place
    (folder / "u1" / "link").mkdir()
    (folder / "u1" / "link" / "inside").write_bytes(b"12345")
    second = studio.backup(folder).statistics
    assert second == Statistics(
        source_files=7,
        source_file_bytes=6000 + 6000 + 5,
        new_files=3,
        new_file_bytes=6000 + 5,
        deleted_files=2,
        changed_files=1,
        changed_file_bytes=6000,
        changed_delta_bytes=second.changed_delta_bytes,
        raw_delta_bytes=6000 + 5,
        deduplicated_bytes=6000,
        files_read=3,
        read_bytes=6000 + 6000 + 5,
        directories_read=4,
    )
    assert second.changed_delta_bytes in {0, 6000}  # whichever of the two was read first
    shutil.rmtree(folder / "u1")
    third = studio.backup(folder).statistics
    assert third == Statistics(deleted_files=7, directories_read=1)


def test_a_root_knows_its_sums(studio: Studio, folder: Path):
    fill(folder)
    studio.backup(folder)
    (folder / "u1" / "new").write_bytes(b"12345")
    root = studio.backup(folder).stored.snapshot.roots[0]
    assert (root.files, root.size_bytes) == (7, LARGE_BYTES + 5005)


def test_holes_stay_holes(studio: Studio, folder: Path, tmp_path: Path):
    small, large = folder / "small", folder / "large"
    small.write_bytes(b"")
    os.truncate(small, 2_000_000)
    with large.open("wb") as file:
        file.write(b"begin")
        file.seek(12_000_000)
        file.write(b"end")
    if allocated_bytes(small) or allocated_bytes(large) > 100_000:
        pytest.skip("this file system has no holes")
    backup = studio.backup(folder)
    assert_comes_back(studio, backup, folder, tmp_path / "target")
    assert allocated_bytes(tmp_path / "target" / "small") == 0
    assert allocated_bytes(tmp_path / "target" / "large") < 300_000


def test_sockets_and_devices_are_left_out_and_named(studio: Studio, folder: Path, tmp_path: Path):
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    (folder / "file").write_text("beside it")
    backup = studio.backup(folder)
    report = studio.restore(backup.stored, tmp_path / "target")
    assert report.left_out == [str(tmp_path / "target" / "socket")]
    assert report.failed == []
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["file"]


def test_a_deep_folder(studio: Studio, folder: Path, tmp_path: Path):
    deep = folder
    for _ in range(15):
        deep = deep / ("d" * 200)
    deep.mkdir(parents=True)
    (deep / "file").write_text("at the bottom")
    (folder / "empty").mkdir()
    assert_comes_back(studio, studio.backup(folder), folder, tmp_path / "t")


def test_access_lists_and_inherited_groups_come_back(studio: Studio, folder: Path, tmp_path: Path):
    """An ACL is an extended attribute: version 2, then tag, rights and id of each entry."""
    no_id = 2**32 - 1
    owner, user, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    entries = [(owner, 6, no_id), (user, 4, 12345), (group, 4, no_id), (mask, 4, no_id)]
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry) for entry in [*entries, (other, 0, no_id)]
    )
    (folder / "file").write_bytes(b"1")
    (folder / "shared").mkdir()
    try:
        os.setxattr(folder / "file", "system.posix_acl_access", acl)
        os.setxattr(folder / "shared", "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no access lists")
    (folder / "shared").chmod(0o2770)
    (folder / "shared" / "inside").write_bytes(b"2")
    assert_comes_back(studio, studio.backup(folder), folder, tmp_path / "t")
    assert os.getxattr(tmp_path / "t" / "file", "system.posix_acl_access") == acl
    assert (tmp_path / "t" / "shared").stat().st_mode & 0o7777 == 0o2770


def test_a_directory_of_many_names(studio: Studio, folder: Path, tmp_path: Path):
    for number in range(5000):
        (folder / f"{number:04}").touch()
    first = studio.backup(folder)
    assert_comes_back(studio, first, folder, tmp_path / "target")
    (folder / "00000a").touch()
    studio.clock.sleep(60)
    backup = studio.backup(folder)
    assert backup.statistics.new_files == 1
    assert backup.statistics.files_read == 1
    # One more name costs one part of the listing, wherever in the order it stands.
    before = set(first.entry.subtree)
    assert len(before) > 2
    assert len(set(backup.entry.subtree) - before) == 1
