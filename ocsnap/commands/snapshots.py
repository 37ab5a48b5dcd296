"""`ocsnap snapshots`: what there is to restore."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.repository.snapshot import StoredSnapshot


def snapshots(context: Context) -> list[StoredSnapshot]:
    """Return all snapshots, oldest first.

    Args:
        context: the outside world.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    with closing(connect(context).repository) as repository:
        return repository.snapshots(context.monitor)
