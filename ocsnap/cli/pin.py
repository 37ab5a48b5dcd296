"""`ocsnap pin` and `ocsnap unpin` on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

_Snapshot = Annotated[
    str,
    typer.Argument(
        metavar="SNAPSHOT",
        help="latest, the first digits of an ID, or a time such as 2026-11-01T20:30.",
    ),
]

_DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say which snapshot it is.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pin")(pin)
    app.command("unpin")(unpin)


def pin(context: typer.Context, snapshot: _Snapshot, dry_run: _DryRun = False) -> int:
    """Let a snapshot stay, whatever the rules of prune say.

    Examples:

        ocsnap pin latest

        ocsnap pin 1f2e3d4c
    """
    from ocsnap.commands.prune.pin import pin as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found, new = run(world, snapshot, dry_run=dry_run)
    if options.json:
        print_json({"snapshot": found, "pinned": True, "changed": new, "dry_run": dry_run})
    elif dry_run and new:
        print_text(f"Would pin {found[:8]}. Nothing was done.")
    else:
        print_text(f"{found[:8]} is pinned{'' if new else ' already'}.")
    return int(ExitStatus.OK)


def unpin(context: typer.Context, snapshot: _Snapshot, dry_run: _DryRun = False) -> int:
    """Leave a snapshot to the rules of prune again.

    The access key of the store must be allowed to delete.

    Example:

        ocsnap unpin 1f2e3d4c
    """
    from ocsnap.commands.prune.pin import unpin as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found, was_pinned = run(world, snapshot, dry_run=dry_run)
    if options.json:
        told = {"snapshot": found, "pinned": False, "changed": was_pinned, "dry_run": dry_run}
        print_json(told)
    elif dry_run and was_pinned:
        print_text(f"Would leave {found[:8]} to the rules again. Nothing was done.")
    else:
        print_text(f"{found[:8]} is {'no longer' if was_pinned else 'not'} pinned.")
    return int(ExitStatus.OK)
