"""`ocsnap unlock`: lifts what an ocsnap that died has left on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.commands.context import state_dir
from ocsnap.commands.run_lock import run_lock
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.lease import read_lease
from ocsnap.owncloud.lift import demand_liftable, lift

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.context import Context
    from ocsnap.owncloud.lease import Lease

RESTORES: Final = "restores"
"""The folder of the journals, looked for before they are worth an import."""


def unlock(context: Context, *, by_hand: bool = False) -> str | None:
    """Lift a forgotten maintenance mode.

    Args:
        context: the outside world.
        by_hand: somebody asked for it, so lift it also where a restore died half-way.

    Returns:
        What lifted it; None if no ocsnap had left it on.

    Raises:
        BusyError: the ocsnap that turned it on is still at work.
        MaintenanceLeftOnError: it could not be lifted, or a restore died half-way.
    """
    folder = state_dir(context)
    if by_hand and _settled(context, folder):
        return "the end of the restore"
    environment = child_environment(context.environment)
    means = lift(
        folder,
        clock=context.clock,
        monitor=context.monitor,
        environment=environment,
        unguarded_too=by_hand,
    )
    return None if means is None else means.value


def foresee(context: Context, *, by_hand: bool = False) -> Lease | None:
    """Say what `unlock` would lift; nothing is done.

    Args:
        context: the outside world.
        by_hand: as for `unlock`.

    Returns:
        Who left it on; None: nobody.

    Raises:
        BusyError: the ocsnap that turned it on is still at work.
        MaintenanceLeftOnError: a restore died half-way, or the lease is damaged.
    """
    folder = state_dir(context)
    if (folder / RESTORES).is_dir():
        from ocsnap.commands.restore.undo import demand_whole  # noqa: PLC0415 - rarely needed, slow

        demand_whole(folder)
    lease = read_lease(folder)
    if lease is not None:
        demand_liftable(lease, unguarded_too=by_hand)
    return lease


def has_journals(folder: Path) -> bool:
    """Return whether a restore has left a journal: nobody else need know how to read one.

    Args:
        folder: `backup.state_dir`.
    """
    return any((folder / RESTORES).glob("*"))


def _settled(context: Context, folder: Path) -> bool:
    """Bring a restore to its end that died when all was exchanged already.

    Returns:
        Whether there was one.

    Raises:
        MaintenanceLeftOnError: one has died before, and nothing may be opened.
    """
    if not (folder / RESTORES).is_dir():
        return False
    from ocsnap.commands.restore import journal as journals  # noqa: PLC0415 - rarely needed, and slow
    from ocsnap.commands.restore.undo import in_pieces, settle  # noqa: PLC0415 - the same

    journal = journals.unfinished(journals.read_all(folder))
    if journal is None or journal.phase is journals.Phase.BUILDING:
        return False
    with run_lock(folder, "unlocking"):  # a restore that is at work has not died
        if journal.phase in journals.IN_PIECES:
            raise in_pieces(journal)
        settle(context, folder)
    return True
