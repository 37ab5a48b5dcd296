"""`ocsnap unlock` on the command line."""

from __future__ import annotations

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("unlock")(unlock)


def unlock(context: typer.Context) -> int:
    """Lift the maintenance mode that an ocsnap which died has left on.

    The next backup does the same by itself. Maintenance that somebody else turned on is left on.

    Example:

        ocsnap unlock
    """
    from ocsnap.commands.unlock import unlock as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        means = run(world)
    if options.json:
        print_json({"lifted_by": means})
    elif means is None:
        print_text("No ocsnap has left maintenance mode on.")
    else:
        print_text(f"Maintenance mode was lifted by {means}.")
    return int(ExitStatus.OK)
