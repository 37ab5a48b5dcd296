"""`ocsnap report`: how the backups have gone, all in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.context import state_dir
from ocsnap.commands.runs.history import read_history
from ocsnap.commands.runs.record import RunRecord  # noqa: TC001 - msgspec looks at it
from ocsnap.commands.stats import Stats, stats

if TYPE_CHECKING:
    from ocsnap.commands.context import Context


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is made of.

    Attributes:
        made: when it was gathered; seconds since the epoch.
        host: the machine.
        repository: `repository.url`.
        stats: figures of snapshots, of users and of the repository.
        runs: all runs on this machine that are remembered, the latest first.
    """

    made: float
    host: str
    repository: str
    stats: Stats
    runs: tuple[RunRecord, ...]


def history(context: Context, *, last: int | None = None) -> History:
    """Gather it.

    Args:
        context: the outside world.
        last: look only at so many of the latest snapshots.

    Returns:
        The history.

    Raises:
        OcsnapError: the repository or the notes of runs cannot be read.
    """
    return History(
        made=context.clock.now(),
        host=context.host,
        repository=context.config.repository.url,
        stats=stats(context, last=last),
        runs=tuple(read_history(state_dir(context))),
    )
