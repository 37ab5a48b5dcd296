"""What a drill would fetch and write, how long it would take and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.browse.look import look
from ocsnap.commands.restore.estimate import Estimate, Estimator
from ocsnap.commands.restore.layout import Part, layout_elsewhere
from ocsnap.storage.prices import billing

if TYPE_CHECKING:
    from ocsnap.commands.context import Context


def estimate(context: Context, snapshot: str) -> Estimate:
    """Foresee a drill; nothing is written.

    Args:
        context: the outside world.
        snapshot: what it would restore; see `select`.

    Returns:
        The numbers.

    Raises:
        OcsnapError: no snapshot, or no repository.
    """
    prices = billing(context.config.repository)
    with look(context, locked=True) as opened:
        stored = opened.choose(snapshot)
        layout = layout_elsewhere(stored.snapshot, frozenset(Part), Path("/nowhere"))
        estimator = Estimator(opened.repository, checksum=False, prices=prices)
        return estimator.estimate(layout.placements)
