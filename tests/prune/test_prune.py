"""What a prune removes, what it keeps, and when."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.snapshot.likeness import differences, portrait

if TYPE_CHECKING:
    from pathlib import Path

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
