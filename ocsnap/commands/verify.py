"""`ocsnap verify`: is everything there, and is it what was stored?"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.repository_lock import reader_lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.snapshot.checker import Checker

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.snapshot.checker import CheckReport


def verify(context: Context, *, read_data: bool) -> CheckReport:
    """Check the repository.

    Args:
        context: the outside world.
        read_data: download, decrypt and hash everything.

    Returns:
        What is wrong; nothing, if `sound`.

    Raises:
        HookError: a hook stopped it.
        OcsnapError: the repository cannot be looked at.
    """
    demand(context, HookPoint.BEFORE_VERIFY)
    opened = connect(context)
    with (
        closing(opened.repository) as repository,
        reader_lock(repository, Purpose.VERIFY, context.random, context.monitor),
    ):
        return Checker(repository, monitor=context.monitor).check(read_data=read_data)
