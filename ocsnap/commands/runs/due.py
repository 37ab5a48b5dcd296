"""Whether it is time for the next run, from what the last one wrote down on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.commands.context import state_dir
from ocsnap.commands.runs.record import RunState, read_record

if TYPE_CHECKING:
    from ocsnap.commands.context import Context

BACKUP = "backup"


def is_due(context: Context, age_seconds: float, command: str = BACKUP) -> bool:
    """Return whether the last run is older than so many seconds, or there is none.

    A backup that failed is tried again. A check that found something has told of it, and does so
    again at its own time, not each hour.

    Nothing is asked of the storage: a look once an hour must cost nothing.

    Args:
        context: the outside world.
        age_seconds: how old it may be, from its begin on; seconds.
        command: what runs.
    """
    record = read_record(state_dir(context), command)
    if record is None or record.repository != context.config.repository.url:
        return True
    began = record.last_good if command == BACKUP else record.started
    if began is None:
        return True
    age = context.clock.now() - began
    # One from the future tells that a clock was wrong, and not when it was made.
    return not 0 <= age < age_seconds


def runs_since(context: Context, command: str = BACKUP) -> float | None:
    """Return for how many seconds a run has been at work on this machine; None: there is none.

    Args:
        context: the outside world.
        command: what runs.
    """
    record = read_record(state_dir(context), command)
    if record is None or record.state is not RunState.RUNNING:
        return None
    return context.clock.now() - record.started
