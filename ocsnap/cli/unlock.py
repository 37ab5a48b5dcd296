"""`ocsnap unlock` on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("unlock")(unlock)


def unlock(
    context: typer.Context,
    unattended: Annotated[
        bool,
        typer.Option("--unattended", help="Leave on what a restore has left: for a start-up."),
    ] = False,
) -> int:
    """Lift the maintenance mode that an ocsnap which died has left on.

    Where the machine lived on, a guardian has done so within seconds, and the next backup does the
    same by itself; but not after a restore that died half-way: then see first whether all is in its
    place. Maintenance that somebody else turned on is left on.

    Examples:

        ocsnap unlock

        ocsnap --quiet unlock --unattended
    """
    from ocsnap.commands.unlock import unlock as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        means = run(world, by_hand=not unattended)
    if options.json:
        print_json({"lifted_by": means})
    elif means is not None:
        print_text(f"Maintenance mode was lifted by {means}.")
    elif options.verbosity is not Verbosity.QUIET:
        print_text("No ocsnap has left maintenance mode on.")
    return int(ExitStatus.OK)
