"""Backups that end in the middle, and hosts that lose what they knew."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import AccessDeniedError, LocalIOError, NoSnapshotError, StorageError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.pack import TARGET_BYTES
from ocsnap.repository.selector import select
from ocsnap.storage.faults import Effect, Fault, Faulty
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.likeness import differences, portrait
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from pathlib import Path

FILES, FILE_BYTES = 30, 3_000_000
ROUNDING_BYTES = 1_500_000
"""What messages, trailers, listings and signatures come to."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    rng = random.Random(5)
    for number in range(FILES):
        (folder / f"{number}").write_bytes(rng.randbytes(FILE_BYTES))
    return folder


def killed_backup(
    source: Path, tmp_path: Path, number: int, when: str, *, checkpoint_bytes: int = 0
) -> None:
    places = [str(source), str(tmp_path / "workshop"), str(tmp_path / "repository")]
    manner = [str(number), when, str(checkpoint_bytes)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.snapshot.killed", *places, *manner],
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def stored_bytes(repository: Path) -> int:
    return sum(path.stat().st_size for path in repository.rglob("*.gpg"))


FILES_IN_PACK = -(-TARGET_BYTES // FILE_BYTES)
PACKS = -(-FILES // FILES_IN_PACK)


@pytest.mark.parametrize(
    ("number", "when"),
    [
        (1, "before"),  # nothing at all is stored
        (2, "after"),  # some packs are
        (PACKS + 1, "after"),  # all packs, those of the listings too
        (PACKS + 2, "after"),  # and the index
        (PACKS + 3, "before"),  # all but the snapshot
    ],
)
def test_what_a_killed_backup_stored_is_not_stored_again(
    source: Path, tmp_path: Path, number: int, when: str
):
    killed_backup(source, tmp_path, number, when)
    repository = tmp_path / "repository"
    storage = LocalStorage(repository)
    studio = Studio(Workshop(tmp_path / "workshop", storage))
    before_bytes = stored_bytes(repository)
    before = sum(1 for _ in repository.rglob("*.gpg"))
    assert before == number - (when == "before")
    with studio.synchronised() as opened, pytest.raises(NoSnapshotError):
        select(opened.snapshots(SilentMonitor()), "latest")
    backup = studio.backup(source)
    total_bytes = FILES * FILE_BYTES + ROUNDING_BYTES
    assert backup.put_bytes <= total_bytes - before_bytes, "what arrived is not sent again"
    assert stored_bytes(repository) == before_bytes + backup.put_bytes
    assert studio.check(read_data=True).sound
    elsewhere = studio.elsewhere("new")
    assert elsewhere.restore(backup.stored, tmp_path / "target").failed == []
    assert differences(portrait(source), portrait(tmp_path / "target")) == []


def test_a_pack_that_was_stored_and_noted_is_never_stored_again(source: Path, tmp_path: Path):
    killed_backup(source, tmp_path, PACKS + 2, "before")
    studio = Studio(Workshop(tmp_path / "workshop", LocalStorage(tmp_path / "repository")))
    backup = studio.backup(source)
    assert backup.put_bytes < ROUNDING_BYTES
    assert backup.statistics.raw_delta_bytes == 0


def test_a_first_backup_killed_at_sixty_percent_goes_on_from_there(source: Path, tmp_path: Path):
    """Counted in bytes on the line: both runs together send at most one pack more than one run."""
    at = round(0.6 * PACKS)
    killed_backup(source, tmp_path, at, "after")
    repository = tmp_path / "repository"
    share = stored_bytes(repository) / (FILES * FILE_BYTES)
    assert 0.4 < share < 0.8
    studio = Studio(Workshop(tmp_path / "workshop", LocalStorage(repository)))
    put_bytes = stored_bytes(repository) + studio.backup(source).put_bytes
    assert put_bytes <= FILES * FILE_BYTES + TARGET_BYTES
    assert studio.check(read_data=True).sound


def test_a_host_that_is_lost_in_the_middle_loses_what_came_after_the_last_checkpoint(
    source: Path, tmp_path: Path
):
    """One index after each pack here; another host, which knows nothing, finds them."""
    killed_backup(source, tmp_path, PACKS + 2, "after", checkpoint_bytes=TARGET_BYTES)
    repository = tmp_path / "repository"
    assert list((repository / "index").iterdir())
    studio = Studio(Workshop(tmp_path / "another host", LocalStorage(repository)))
    backup = studio.backup(source)
    assert backup.put_bytes <= FILES * FILE_BYTES - TARGET_BYTES + ROUNDING_BYTES
    assert studio.check(read_data=True).sound


def test_a_short_run_writes_one_index(studio: Studio, folder: Path):
    (folder / "file").write_bytes(b"1")
    studio.backup(folder)
    indexes = [name for name in studio.workshop.storage.objects if name.startswith("index/")]
    assert len(indexes) == 1


@pytest.mark.parametrize("note", [b"", b"\x93", b"not a note at all"])
def test_a_note_of_a_pack_that_was_never_written_to_its_end_is_forgotten(
    studio: Studio, folder: Path, note: bytes
):
    (folder / "file").write_bytes(b"1")
    studio.backup(folder)
    notes = studio.workshop.cache_file.with_name("sending")
    assert list(notes.iterdir()) == []
    (notes / ("ab" * 32)).write_bytes(note)
    assert studio.backup(folder).objects_put == 1
    assert list(notes.iterdir()) == []


@pytest.mark.parametrize("prefix", ["packs/", "meta/", "index/", "snapshots/"])
@pytest.mark.parametrize("effect", [Effect.ERROR_BEFORE, Effect.ERROR_AFTER])
def test_a_put_that_fails_for_good_ends_the_backup_and_the_next_one_is_fine(
    studio: Studio, folder: Path, tmp_path: Path, prefix: str, effect: Effect
):
    (folder / "first").write_bytes(b"of the first backup")
    studio.backup(folder)
    (folder / "second").write_bytes(b"of the second")
    storage = studio.workshop.storage
    fault = Fault("put", effect, prefix=prefix, error=AccessDeniedError)
    studio.workshop.storage = faulty = Faulty(storage, [fault])
    with pytest.raises(AccessDeniedError):
        studio.backup(folder)
    faulty.assert_happened()
    studio.workshop.storage = storage
    backup = studio.backup(folder)
    assert backup.statistics.errors == 0
    elsewhere = studio.elsewhere("new")
    assert elsewhere.check(read_data=True).sound
    elsewhere.restore(backup.stored, tmp_path / "target")
    assert differences(portrait(folder), portrait(tmp_path / "target")) == []


def test_a_storage_that_fails_while_it_is_listed_is_no_empty_one(studio: Studio, folder: Path):
    (folder / "file").write_bytes(b"1")
    studio.backup(folder)
    storage = studio.workshop.storage
    for prefix in ("index/", "snapshots/"):
        fault = Fault("list", Effect.ERROR_AFTER, prefix=prefix, error=StorageError)
        studio.workshop.storage = Faulty(storage, [fault])
        with pytest.raises(StorageError):
            studio.backup(folder)
    studio.workshop.storage = storage
    assert studio.backup(folder).objects_put == 1


def test_a_storage_that_has_lost_everything_is_told(studio: Studio, folder: Path):
    (folder / "file").write_bytes(b"1")
    studio.backup(folder)
    objects = studio.workshop.storage.objects
    for name in [name for name in objects if name.endswith(".gpg")]:
        del objects[name]
    with pytest.raises(StorageError, match="lists no index"):
        studio.backup(folder)


def test_a_lost_cache_is_rebuilt_and_nothing_is_stored_again(studio: Studio, folder: Path):
    (folder / "folder").mkdir()
    (folder / "folder" / "large").write_bytes(random.Random(1).randbytes(200_000))
    first = studio.backup(folder)
    shutil.rmtree(studio.workshop.state_dir)
    second = studio.backup(folder)
    assert second.stored.snapshot.parent == first.stored.id
    assert second.statistics.files_read == 0
    assert second.objects_put == 1
    assert studio.check(read_data=False).sound


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 1000])
def test_a_cache_that_is_no_database_any_more_is_rebuilt(
    studio: Studio, folder: Path, damage: bytes
):
    (folder / "file").write_bytes(b"1")
    studio.backup(folder)
    studio.workshop.cache_file.write_bytes(damage)
    for suffix in ("-wal", "-shm"):
        file = studio.workshop.cache_file
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    assert studio.backup(folder).statistics.files_read == 0


def test_a_cache_that_is_damaged_inside_is_told(studio: Studio, folder: Path):
    for number in range(500):
        (folder / f"{number}").write_bytes(b"%d" % number)
    studio.backup(folder)
    file = studio.workshop.cache_file
    content = file.read_bytes()
    file.write_bytes(content[:8192] + bytes(len(content) - 8192))
    with pytest.raises(LocalIOError, match="may be deleted"):
        studio.backup(folder)
    shutil.rmtree(studio.workshop.state_dir)
    assert studio.backup(folder).statistics.files_read == 0


def test_two_hosts_share_what_is_stored(studio: Studio, folder: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    for place in (folder, other):
        (place / "same").write_bytes(random.Random(2).randbytes(100_000))
    studio.backup(folder)
    backup = studio.elsewhere("other").backup(other)
    assert backup.statistics.raw_delta_bytes == 0
    assert studio.backup(folder).objects_put == 1
    assert os.listdir(other) == ["same"]
