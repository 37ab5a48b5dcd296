"""`ocsnap repair`: makes the index right, and says what stays lost until the next backup."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.repository_lock import repository_lock
from ocsnap.commands.run_lock import run_lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.repair import Repairer, RepairReport
from ocsnap.snapshot.checker import Checker, CheckReport

if TYPE_CHECKING:
    from ocsnap.commands.context import Context


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a repair.

    Attributes:
        found: what was wrong before.
        repair: what was done.
        left: what is still wrong; the next backup mends what is still on the disk.
    """

    found: CheckReport
    repair: RepairReport
    left: CheckReport


def repair(context: Context, *, read_data: bool, dry_run: bool) -> Repaired:
    """Repair the index.

    Args:
        context: the outside world.
        read_data: download and check everything first, not only what the storage tells.
        dry_run: only tell what would be done.

    Returns:
        What was wrong, what was done, and what is left.

    Raises:
        BusyError: another prune or repair is at work.
        NoSecretKeyError: this host cannot read packs.
        OcsnapError: the repository cannot be looked at.
    """
    folder = state_dir(context)
    with run_lock(folder, "a repair"), ExitStack() as stack:
        repository = connect(context).repository
        stack.callback(repository.close)
        monitor = context.monitor
        repairer = Repairer(repository, monitor=monitor)
        if dry_run:
            repository.synchronise(monitor)
            found = Checker(repository, monitor=monitor).check(read_data=read_data)
            damaged = {damage.name for damage in found.damages}
            return Repaired(found=found, repair=repairer.look(damaged), left=found)
        monitor.step("Locking the repository")
        lock = stack.enter_context(repository_lock(repository, Purpose.REPAIR, context.random))
        repository.synchronise(monitor)
        found = Checker(repository, monitor=monitor).check(read_data=read_data)
        damaged = {damage.name for damage in found.damages}
        done = repairer.repair(damaged, lock)
        left = Checker(repository, monitor=monitor).check(read_data=False)
        if left.files:
            repairer.tell_of_unknown(lock)
        return Repaired(found=found, repair=done, left=left)
