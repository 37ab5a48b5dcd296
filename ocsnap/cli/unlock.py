"""`ocsnap unlock` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.cli.options import GlobalOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("unlock")(unlock)


def unlock(
    context: typer.Context,
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="For the start of the machine: leave on what a restore that died needs.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say whether there is something to lift.")
    ] = False,
) -> int:
    """Lift the maintenance mode that a dead ocsnap left on.

    Where the machine lived on, a guardian has done so within seconds, and the next backup does the
    same by itself. After a restore that died while it exchanged it is left on: ocsnap restore
    --undo goes back to the old site, --resume on to the new one. Maintenance that somebody else
    turned on is left on.

    Examples:

        ocsnap unlock

        ocsnap unlock --dry-run

        ocsnap --quiet unlock --unattended
    """
    from ocsnap.commands.unlock import unlock as run  # noqa: PLC0415 - see session

    options = context.obj
    if dry_run:
        return _foresee(options, by_hand=not unattended)
    with session(options) as world:
        means = run(world, by_hand=not unattended)
    if options.json:
        print_json({"lifted_by": means})
    elif means is not None:
        print_text(f"Maintenance mode was lifted by {means}.")
    elif options.verbosity is not Verbosity.QUIET:
        print_text("No ocsnap has left maintenance mode on.")
    return int(ExitStatus.OK)


def _foresee(options: GlobalOptions, *, by_hand: bool) -> int:
    from ocsnap.commands.unlock import foresee  # noqa: PLC0415 - see session

    with session(options) as world:
        lease = foresee(world, by_hand=by_hand)
    if options.json:
        left_on = None if lease is None else {"root": lease.root, "since": lease.started_at}
        print_json({"dry_run": True, "left_on": left_on})
    elif lease is None:
        print_text("No ocsnap has left maintenance mode on.")
    else:
        moment = datetime.fromtimestamp(lease.started_at, UTC).astimezone()
        print_text(
            f"Would lift the maintenance mode of {lease.root}, which process {lease.pid} has left"
            f" on since {moment:%Y-%m-%d %H:%M:%S}. Nothing was done."
        )
    return int(ExitStatus.OK)
