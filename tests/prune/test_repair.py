"""What is lost or damaged: the index is repaired, and the next backup mends from the disk."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import NoSecretKeyError
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.lock_survey import DEAD_AFTER_SECONDS, Purpose
from ocsnap.repository.marks import Marks, put_marks
from ocsnap.repository.repair import Repairer, RepairReport
from ocsnap.snapshot.checker import Checker, CheckReport
from ocsnap.storage.faults import SimulatedCrash
from tests.prune.history import Interrupted, write
from tests.prune.plain_cipher import PlainCipher
from tests.prune.vault import Vault
from tests.repository.workshop import REPOSITORY
from tests.snapshot.likeness import differences, portrait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.snapshot.studio import Backup


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path, cipher=PlainCipher())


def repair(
    vault: Vault, name: str = "mender", *, read_data: bool = True
) -> tuple[RepairReport, CheckReport]:
    """Repair once as `ocsnap repair` does; return what was done and what is left."""
    vault.clock.sleep(1)
    monitor = SilentMonitor()
    with vault.host(name).workshop.opened() as repository:
        repairer = Repairer(repository, monitor=monitor)
        lock = vault.lock(Purpose.REPAIR, repository.storage)
        lock.take()
        repository.synchronise(monitor)
        found = Checker(repository, monitor=monitor).check(read_data=read_data)
        done = repairer.repair({damage.name for damage in found.damages}, lock)
        left = Checker(repository, monitor=monitor).check(read_data=False)
        if left.files:
            repairer.tell_of_unknown(lock)
        lock.release()
    return done, left


def grown(vault: Vault, folder: Path) -> Backup:
    """Make three snapshots; the large file of the second is a delta of the first's."""
    write(folder, "large", 1, 300_000)
    write(folder, "small", 2)
    vault.backup(folder)
    content = (folder / "large").read_bytes()
    (folder / "large").write_bytes(content[:100_000] + b"an edit" + content[100_000:])
    (folder / "inside").mkdir()
    write(folder / "inside", "file", 3)
    second = vault.backup(folder)
    write(folder, "third", 4)
    vault.backup(folder)
    return second


def damage(vault: Vault, name: str, how: str) -> None:
    content = vault.objects[name]
    if how == "delete":
        del vault.objects[name]
    elif how == "truncate":
        vault.objects[name] = content[: len(content) // 2]
    else:
        middle = len(content) // 2
        vault.objects[name] = (
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )


HOWS = ["delete", "truncate", "flip"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("host", ["host", "new"])
def test_a_lost_index_comes_back_from_the_packs(vault: Vault, folder: Path, how: str, host: str):
    grown(vault, folder)
    for name in vault.names("index/"):
        damage(vault, name, how)
    done, left = repair(vault, host)
    assert left.sound
    assert done.dropped_packs == []
    assert done.relisted_packs == len(vault.packs)
    vault.assert_sound()
    before = len(vault.packs)
    assert vault.backup(folder).statistics.raw_delta_bytes == 0
    assert len(vault.packs) == before
    again, left = repair(vault, host)
    assert (again.relisted_packs, again.removed_indexes, left.sound) == (0, [], True)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("mender", ["host", "new"])
@pytest.mark.parametrize("next_one", ["host", "other"])
def test_lost_content_is_stored_again_by_the_next_backup(  # noqa: PLR0913, PLR0917
    vault: Vault, folder: Path, how: str, number: int, mender: str, next_one: str
):
    grown(vault, folder)
    lost = vault.names("packs/")[number]
    damage(vault, lost, how)
    done, left = repair(vault, mender)
    assert done.dropped_packs == [lost]
    assert left.files
    backup = vault.backup(folder, next_one)
    assert backup.statistics.raw_delta_bytes > 0
    report = vault.host("judge").check(read_data=True)
    if how != "delete":
        assert [each.name for each in report.damages] in ([], [lost])
    still_lost = {path.rpartition("/")[2] for path in report.files}
    # The first version of the large file is on no disk any more; all else is.
    assert still_lost <= {"large"}
    latest = backup.stored.short_id
    assert all(latest not in ids for ids in report.files.values())


def test_a_delta_is_mended_for_older_snapshots_too(vault: Vault, folder: Path):
    write(folder, "large", 1, 300_000)
    vault.backup(folder)
    first = set(vault.names("packs/"))
    content = (folder / "large").read_bytes()
    (folder / "large").write_bytes(content + random.Random(9).randbytes(5000))
    vault.backup(folder)
    write(folder, "other", 3)
    vault.backup(folder)
    (edit, *_) = sorted(
        set(vault.names("packs/")) - first, key=lambda name: len(vault.objects[name])
    )
    damage(vault, edit, "delete")
    _, left = repair(vault)
    assert [len(ids) for ids in left.files.values()] == [2]
    vault.backup(folder)
    vault.assert_sound()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("host", ["host", "new"])
def test_lost_listings_are_stored_again_by_the_next_backup(
    vault: Vault, folder: Path, tmp_path: Path, how: str, host: str
):
    write(folder, "a", 1)
    (folder / "inside").mkdir()
    write(folder / "inside", "b", 2)
    vault.backup(folder)
    for name in vault.names("meta/"):
        damage(vault, name, how)
    _, left = repair(vault)
    assert left.files
    backup = vault.backup(folder, host)
    report = vault.host("judge").check(read_data=True)
    assert report.files == {}
    target = tmp_path / "target"
    vault.host("judge").restore(backup.stored, target)
    assert differences(portrait(folder), portrait(target)) == []


def test_what_is_lost_is_told_and_prune_stands_still_until_it_is_given_up(
    vault: Vault, folder: Path
):
    write(folder, "a", 1)
    old = vault.backup(folder)
    (lost,) = vault.names("packs/")
    write(folder, "a", 2)
    vault.backup(folder)
    damage(vault, lost, "flip")
    _, left = repair(vault)
    assert left.files == {f"{folder}/a": [old.stored.short_id]}
    vault.pass_grace()
    report = vault.prune()
    assert not report.sound
    assert report.removed_snapshots == 0
    assert report.snapshots[0].reasons == ("damaged, so it counts for no rule",)
    policy = vault.policy()
    given_up = replace(policy, retention=replace(policy.retention, remove_damaged=True))
    assert vault.prune(policy=given_up).removed_snapshots == 1
    for _ in range(2):
        vault.pass_grace()
        assert vault.prune().sound
    assert len(vault.packs) == 2
    vault.assert_sound()


def test_nothing_is_removed_while_the_index_cannot_be_read(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    damage(vault, vault.names("index/")[0], "flip")
    vault.pass_grace()
    report = vault.prune()
    assert report.obstacles
    assert (report.marked_packs, report.removed_packs) == (0, 0)
    _, left = repair(vault)
    assert left.sound
    vault.pass_grace()
    assert vault.prune().sound
    vault.assert_sound()


def test_nothing_is_removed_while_a_snapshot_cannot_be_read(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    write(folder, "a", 2)
    vault.backup(folder)
    damage(vault, vault.names("snapshots/")[0], "flip")
    vault.pass_grace()
    assert vault.prune().obstacles
    assert len(vault.packs) == 4
    policy = vault.policy()
    given_up = replace(policy, retention=replace(policy.retention, remove_damaged=True))
    for _ in range(2):
        vault.pass_grace()
        assert vault.prune(policy=given_up).sound
    assert len(vault.packs) == 2
    vault.assert_sound()


def test_a_repair_that_dies_anywhere_is_finished_by_the_next(vault: Vault, folder: Path):
    grown(vault, folder)
    objects = dict(vault.objects)
    lost = vault.names("packs/")[0]
    number = 0
    died = True
    while died:
        number += 1
        vault.objects.clear()
        vault.objects.update(objects)
        damage(vault, vault.names("index/")[0], "flip")
        damage(vault, vault.names("index/")[1], "delete")
        damage(vault, lost, "flip")
        storage = vault.storage
        vault.storage = Interrupted(storage, number)
        try:
            repair(vault, f"first {number}")
            died = False
        except SimulatedCrash:
            pass
        vault.storage = storage
        vault.clock.sleep(DEAD_AFTER_SECONDS + 1)
        repair(vault, f"second {number}")
        vault.backup(folder, f"next {number}")
        report = vault.host(f"judge {number}").check(read_data=True)
        assert {path.rpartition("/")[2] for path in report.files} <= {"large"}
    assert number > 8


def test_forged_marks_keep_nobody_from_restoring(vault: Vault, folder: Path, tmp_path: Path):
    """Who may only put objects says that all is removed and lost: backups store it anew."""
    backup = grown(vault, folder)
    content = (folder / "small").read_bytes()
    named = [name for name in vault.objects if name.endswith(".gpg")]
    forged = Marks(
        repository=REPOSITORY,
        doomed=dict.fromkeys(named),
        lost=dict.fromkeys(named),
        removed=dict.fromkeys(named),
    )
    put_marks(vault.storage, forged, after=0)
    for host in ("host", "new"):
        target = tmp_path / f"target of {host}"
        assert vault.host(host).restore(backup.stored, target).failed == []
        assert (target / "small").read_bytes() == content
    assert vault.backup(folder).statistics.raw_delta_bytes > 300_000
    for _ in range(2):
        vault.pass_grace()
        vault.prune(last=9)
    vault.assert_sound()
    assert len(vault.names("snapshots/")) == 4


def test_repair_needs_the_key(vault: Vault, folder: Path):
    write(folder, "a", 1)
    vault.backup(folder)
    vault.cipher = PlainCipher(can_decrypt=False)
    with pytest.raises(NoSecretKeyError, match="cannot read what is to be repaired"):
        repair(vault)
    with pytest.raises(NoSecretKeyError, match="cannot tell what snapshots need"):
        vault.prune()
