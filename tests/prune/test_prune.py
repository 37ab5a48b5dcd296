"""What a prune removes, what it keeps, and when."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.pin import pin, unpin
from ocsnap.repository.prune import Pruner
from tests.prune.plain_cipher import PlainCipher
from tests.prune.test_lock import NoDeletion
from tests.snapshot.likeness import differences, portrait

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ocsnap.storage.storage import Storage
    from tests.prune.vault import Vault


def write(folder: Path, name: str, seed: int, size_bytes: int = 200_000) -> None:
    (folder / name).write_bytes(random.Random(seed).randbytes(size_bytes))


def test_snapshots_go_at_once_and_packs_in_two_phases(vault: Vault, folder: Path, tmp_path: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    latest = vault.backup(folder)
    vault.pass_grace()
    report = vault.prune()
    assert report.removed_snapshots == 1
    assert report.marked_packs == 2  # the content and the listing
    assert report.removed_packs == 0
    assert len(vault.packs) == 4
    vault.assert_sound()
    early = vault.prune()
    assert (early.removed_packs, early.waiting_packs) == (0, 2)
    vault.pass_grace()
    late = vault.prune()
    assert (late.removed_packs, late.waiting_packs) == (2, 0)
    assert late.removed_bytes == report.marked_bytes
    assert len(vault.packs) == 2
    vault.assert_sound()
    vault.assert_clean()
    vault.host().restore(latest.stored, tmp_path / "target")
    assert differences(portrait(folder), portrait(tmp_path / "target")) == []


def test_without_a_time_of_grace_all_goes_at_once(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    report = vault.prune_at_once()
    assert (report.removed_snapshots, report.removed_packs) == (1, 2)
    assert len(vault.packs) == 2
    vault.assert_sound()
    vault.assert_clean()
    assert vault.host().check(read_data=True).sound  # also for who knew what is gone


def test_what_a_signature_describes_stays_for_the_next_edit(vault: Vault, folder: Path):
    """Most of the file is cut out: its blobs are in no version that stays."""
    old = random.Random(1).randbytes(24 << 20)
    moved = b"moves all that follows" + old
    (folder / "large").write_bytes(old)
    vault.backup(folder)
    (folder / "large").write_bytes(moved)
    vault.backup(folder)
    (folder / "large").write_bytes(moved[: 4 << 20] + moved[21 << 20 :])
    latest = vault.backup(folder)
    assert latest.statistics.raw_delta_bytes < 100_000
    vault.pass_grace()
    vault.prune()
    vault.pass_grace()
    vault.prune()
    (folder / "large").write_bytes(moved[: 8 << 20] + moved[21 << 20 :])
    assert vault.backup(folder).statistics.raw_delta_bytes < 100_000
    vault.assert_sound()


def test_packs_that_are_mostly_garbage_are_repacked(vault: Vault, folder: Path, tmp_path: Path):
    for number in range(10):
        write(folder, f"{number}", number)
    vault.backup(folder)
    for number in range(9):
        (folder / f"{number}").unlink()
    latest = vault.backup(folder)
    vault.pass_grace()
    report = vault.prune()
    assert report.repacked_packs == 2  # the content, and the signatures
    assert report.marked_packs == 2
    vault.assert_sound()
    vault.pass_grace()
    before = sum(map(len, vault.objects.values()))
    report = vault.prune()
    assert report.removed_packs == 2
    assert sum(map(len, vault.objects.values())) < before - 9 * 200_000
    vault.assert_sound()
    vault.host("new").restore(latest.stored, tmp_path / "target")
    assert differences(portrait(folder), portrait(tmp_path / "target")) == []
    again = vault.prune()
    assert (again.repacked_packs, again.marked_packs, again.put_bytes) == (0, 0, 0)


def test_repacking_can_be_turned_off(vault: Vault, folder: Path):
    for number in range(3):
        write(folder, f"{number}", number)
    vault.backup(folder)
    (folder / "0").unlink()
    (folder / "1").unlink()
    vault.backup(folder)
    vault.pass_grace()
    report = vault.prune(policy=replace(vault.policy(), repack_above=1.0))
    assert report.repacked_packs == 0


class Denying(NoDeletion):
    """An object lock on what lies in some folders."""

    def __init__(self, storage: Storage, folders: tuple[str, ...]) -> None:
        super().__init__(storage)
        self.folders = folders

    def delete(self, name: str) -> None:
        if name.startswith(self.folders):
            super().delete(name)
        self._storage.delete(name)

    def delete_all(self, names: Iterable[str]) -> None:
        given = [*names]
        self._storage.delete_all(name for name in given if not name.startswith(self.folders))
        super().delete_all(name for name in given if name.startswith(self.folders))


@pytest.mark.parametrize(
    "folders",
    [
        ("snapshots/",),
        ("packs/", "meta/"),
        ("index/",),
        ("locks/", "marks/"),
        ("snapshots/", "packs/", "meta/", "index/", "locks/", "marks/"),
    ],
)
def test_what_may_not_be_removed_is_told_and_tried_again(
    vault: Vault, folder: Path, folders: tuple[str, ...]
):
    vault.cipher = PlainCipher()
    for seed in range(3):
        write(folder, "a", seed, 20_000)
        vault.backup(folder)
    storage = vault.storage
    vault.storage = Denying(storage, folders)
    denied = 0
    sizes = []
    for _ in range(4):
        vault.pass_grace()
        denied += len(vault.prune().denied)
        vault.assert_sound()
        sizes.append(len(vault.names("index/")))
    assert denied > 0
    assert sizes[-1] == sizes[1], "nothing grows from one try to the next"
    write(folder, "a", 9, 20_000)
    vault.backup(folder)
    vault.storage = storage
    for _ in range(3):
        vault.pass_grace()
        assert vault.prune().denied == []
    assert len(vault.names("snapshots/")) == 1
    assert len(vault.packs) == 2
    vault.assert_sound()
    vault.assert_clean()


def test_a_host_that_may_not_delete_backs_up_all_the_same(vault: Vault, folder: Path):
    storage = vault.storage
    for seed in range(3):
        write(folder, "a", seed, 20_000)
        vault.storage = NoDeletion(storage)
        vault.backup(folder)
        vault.storage = storage
    assert len(vault.names("locks/")) >= 6
    vault.pass_grace()
    report = vault.prune()
    assert report.waits_for == []
    assert report.removed_leftovers >= 6
    vault.assert_clean()


def test_small_index_objects_are_merged(vault: Vault, folder: Path):
    vault.cipher = PlainCipher()
    for seed in range(30):
        write(folder, "a", seed, 2000)
        vault.backup(folder)
    assert len(vault.names("index/")) == 30
    assert vault.prune(last=100).removed_indexes == 30
    assert len(vault.names("index/")) == 1
    vault.assert_sound()
    backup = vault.backup(folder)
    assert (backup.statistics.files_read, backup.objects_put) == (0, 1)


def test_pins_stay_and_pins_of_nothing_go(vault: Vault, folder: Path):
    write(folder, "a", 1)
    first = vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    assert pin(vault.storage, first.stored.id)
    assert not pin(vault.storage, first.stored.id)
    pin(vault.storage, "f" * 64)
    report = vault.prune()
    assert [judged.reasons for judged in report.snapshots] == [("pinned",), ("last 1 of 1",)]
    assert vault.names("pins/") == [f"pins/{first.stored.id}"]
    unpin(vault.storage, first.stored.id)
    assert vault.prune().removed_snapshots == 1


def test_the_last_one_without_errors_stays_whatever_the_rules_say(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    report = vault.prune(last=0, hourly=1)
    assert report.removed_snapshots == 0
    assert len(vault.names("snapshots/")) == 1


def test_a_dry_run_writes_nothing(vault: Vault, folder: Path):
    for seed in range(3):
        write(folder, "a", seed)
        vault.backup(folder)
    vault.pass_grace()
    before = dict(vault.objects)
    with vault.host("looker").workshop.opened() as repository:
        report = Pruner(repository, vault.policy(), monitor=SilentMonitor()).look(
            now=vault.clock.now()
        )
    assert (report.removed_snapshots, report.marked_packs) == (2, 4)
    assert vault.objects == before
    assert vault.prune().marked_packs == 4


def test_a_marks_object_that_cannot_be_read_only_costs_time(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    vault.pass_grace()
    vault.prune()
    (name,) = vault.names("marks/")
    vault.objects[name] = b"\xff nonsense"
    backup = vault.backup(folder, "other")
    assert [problem.subject for problem in backup.monitor.problems] == [name]
    vault.pass_grace()
    assert vault.prune().removed_packs == 0
    vault.pass_grace()
    assert vault.prune().removed_packs == 2
    vault.assert_sound()
    assert len(vault.packs) == 2
