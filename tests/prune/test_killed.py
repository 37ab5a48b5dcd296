"""A prune that dies at any step: everything is whole, and the next ones leave no garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.lock_survey import DEAD_AFTER_SECONDS
from ocsnap.storage.faults import SimulatedCrash
from tests.prune.history import History, Interrupted, make_history
from tests.snapshot.likeness import differences, portrait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.prune.vault import Vault

MANY = 10_000
STEPS = [
    "Reading the index",
    "Finding what the snapshots need",
    "Releasing what is needed again",
    "Rewriting the index",
    "Removing old packs",
    "Removing snapshots",
    "Repacking what is mostly garbage",
    "Marking what nobody needs",
    "Cleaning up",
]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(tmp_path_factory.mktemp("history") / "first")


def changes_of_a_prune(history: History, place: Path) -> int:
    vault = history.again(place, lambda storage: Interrupted(storage, MANY))
    monitor = SilentMonitor()
    vault.prune(monitor=monitor)
    assert monitor.steps == STEPS
    assert monitor.problems == []
    assert isinstance(vault.storage, Interrupted)
    return vault.storage.calls


def prune_to_the_end(vault: Vault) -> None:
    for _ in range(3):
        vault.pass_grace()
        vault.prune()


def test_a_prune_that_dies_anywhere_loses_nothing_and_the_next_ones_clean_up(
    history: History, tmp_path: Path
):
    calls = changes_of_a_prune(history, tmp_path / "whole")
    assert calls >= 15
    whole = history.again(tmp_path / "to the end")
    prune_to_the_end(whole)
    for number in range(1, calls + 1):
        for after in (False, True):
            place = tmp_path / f"{number} {after}"
            vault = history.again(
                place, lambda storage, n=number, a=after: Interrupted(storage, n, after=a)
            )
            with vault.host("another").synchronised() as repository:
                repository.snapshots(SilentMonitor())  # and so knows all that there is
            with pytest.raises(SimulatedCrash):
                vault.prune()
            assert isinstance(vault.storage, Interrupted)
            vault.storage = vault.storage._storage
            vault.assert_sound()
            assert vault.host("pruner").check(read_data=False).sound, "nothing is missed here"
            assert vault.host("another").check(read_data=False).sound, "nor on any other host"
            vault.clock.sleep(DEAD_AFTER_SECONDS + 1)
            latest = vault.backup(history.folder)
            assert latest.statistics.errors == 0
            prune_to_the_end(vault)
            vault.assert_sound()
            vault.assert_clean()
            assert len(vault.packs) <= len(whole.packs) + 1, "the backup may store a listing"
            assert len(vault.names("index/")) <= len(whole.names("index/")) + 2
            target = place / "target"
            assert vault.host("pruner").restore(latest.stored, target).failed == []
            assert differences(portrait(history.folder), portrait(target)) == []
