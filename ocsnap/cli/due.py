"""Whether a run is wanted at all: for looks that come each hour, to make up for what was missed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json
from ocsnap.errors import BusyError, ExitStatus

if TYPE_CHECKING:
    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.context import Context


def look_first(
    world: Context, options: GlobalOptions, command: str, age_seconds: float
) -> ExitStatus | None:
    """Look whether a run is wanted; None: it is, and nobody is at it yet.

    Args:
        world: the outside world.
        options: what was said before the command's name.
        command: its name.
        age_seconds: how old the last run may be; seconds.

    Returns:
        What to exit with at once.

    Raises:
        BusyError: somebody is at it, and the caller is not one who looks in each hour.
    """
    from ocsnap.commands.runs.due import BACKUP, is_due, runs_since  # noqa: PLC0415 - start-up time
    from ocsnap.commands.unlock import unlock  # noqa: PLC0415 - the same

    since_seconds = runs_since(world, command)
    if since_seconds is not None and since_seconds < age_seconds:
        # A first one takes its time: whoever looks in once an hour need not tell of it each time.
        if options.verbosity is not Verbosity.QUIET or options.json:
            raise BusyError(f"A {command} is at work already.", hint="See: ocsnap status.")
        return ExitStatus.BUSY
    if is_due(world, age_seconds, command):
        return None
    if command == BACKUP:
        # What was forgotten is lifted also here; what somebody at work holds, he will lift himself.
        with contextlib.suppress(BusyError):
            unlock(world)
    text = f"The last {'snapshot' if command == BACKUP else command} is young enough."
    if options.json:
        print_json({"skipped": text})
    else:
        world.monitor.note(text)
    return ExitStatus.OK
