"""`ocsnap restore --undo`, `--resume` and `--forget-kept` on the command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ocsnap.cli.hint import runnable
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import is_confirmed
from ocsnap.cli.restore_text import undone_lines
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.report import RestoreOutcome
    from ocsnap.commands.restore.undo import Undone
    from ocsnap.monitor import Monitor


def go_back(options: GlobalOptions, *, undo: bool, resume: bool, dry_run: bool, yes: bool) -> int:
    """Run the command.

    Args:
        options: what every command shares.
        undo: put back what stood there.
        resume: finish what died; neither: remove for good what is kept.
        dry_run: only tell.
        yes: do not ask.

    Returns:
        The exit status.
    """
    with session(options, local=True) as world:
        if dry_run:
            done = _would(world, undo=undo, resume=resume)
        else:
            done = _do(world, undo=undo, resume=resume, yes=yes)
    done = replace(done, steps=[runnable(step, options.config) for step in done.steps])
    if options.json:
        print_json(done)
    else:
        print_text("\n".join(undone_lines(done)))
    return int(openness(done))


def openness(done: RestoreOutcome | Undone) -> ExitStatus:
    """Return the status that says whether users are locked out against all expectation."""
    left_on = not (done.is_open or done.awaits_code)
    return ExitStatus.MAINTENANCE_LEFT_ON if left_on else ExitStatus.OK


def _would(world: Context, *, undo: bool, resume: bool) -> Undone:
    from ocsnap.commands.restore import undo as commands  # noqa: PLC0415 - see session

    if resume:
        return commands.would_resume(world)
    return commands.would_undo(world) if undo else commands.would_forget(world)


def _do(world: Context, *, undo: bool, resume: bool, yes: bool) -> Undone:
    from ocsnap.commands.restore import undo as commands  # noqa: PLC0415 - see session

    if resume:
        return commands.resume(world)
    if undo:
        question = "This comes back; what was restored is kept under another name:"
        return commands.undo(world, _list_asker(world.monitor, question, yes=yes))
    return commands.forget_kept(
        world, _list_asker(world.monitor, "This is removed for good:", yes=yes)
    )


def _list_asker(monitor: Monitor, head: str, *, yes: bool) -> Callable[[list[str]], bool]:
    def ask(items: list[str]) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            return False
        return is_confirmed([head, *(f"  {item}" for item in items)], "Go on?", monitor)

    return ask
