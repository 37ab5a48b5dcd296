"""`ocsnap unlock`: lifts what an ocsnap that died has left on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.commands.context import state_dir
from ocsnap.owncloud.command import child_environment
from ocsnap.owncloud.lift import lift

if TYPE_CHECKING:
    from ocsnap.commands.context import Context


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
    environment = child_environment(context.environment)
    means = lift(
        state_dir(context),
        clock=context.clock,
        monitor=context.monitor,
        environment=environment,
        unguarded_too=by_hand,
    )
    return None if means is None else means.value
