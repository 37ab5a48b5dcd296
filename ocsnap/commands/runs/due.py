"""Whether it is time for the next backup, from what the last one wrote down on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.commands.context import state_dir
from ocsnap.commands.runs.record import RunState, read_record

if TYPE_CHECKING:
    from ocsnap.commands.context import Context

BACKUP = "backup"


def is_due(context: Context, age_seconds: float) -> bool:
    """Return whether the last backup is older than so many seconds, or there is none.

    Nothing is asked of the storage: a look once an hour must cost nothing.

    Args:
        context: the outside world.
        age_seconds: how old it may be, from its begin on; seconds.
    """
    record = read_record(state_dir(context), BACKUP)
    if record is None or record.repository != context.config.repository.url:
        return True
    if record.last_good is None:
        return True
    age = context.clock.now() - record.last_good
    # One from the future tells that a clock was wrong, and not when it was made.
    return not 0 <= age < age_seconds


def runs_since(context: Context) -> float | None:
    """Return for how many seconds a backup has been at work on this machine; None: there is none.

    Args:
        context: the outside world.
    """
    record = read_record(state_dir(context), BACKUP)
    if record is None or record.state is not RunState.RUNNING:
        return None
    return context.clock.now() - record.started
