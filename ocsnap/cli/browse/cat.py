"""`ocsnap cat` on the command line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ocsnap.cli.browse.entry_text import with_snapshot
from ocsnap.cli.output import write_bytes
from ocsnap.cli.selection import SnapshotToRead  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus, RefusedError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cat")(cat)


def cat(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="[SNAPSHOT:]PATH", help="The file.")],
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="The path is one in the home of this user."),
    ] = None,
    snapshot: SnapshotToRead = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write even to a terminal.")] = False,
) -> int:
    """Write the content of one file to standard output.

    Examples:

        ocsnap cat --user u1 2026-11-01:Documents/letter.odt > letter.odt

        ocsnap cat latest:database/tables/oc_share.sql | less
    """
    from ocsnap.commands.browse.content import content  # noqa: PLC0415 - see session
    from ocsnap.commands.browse.look import look  # noqa: PLC0415 - the same

    options = context.obj
    if options.json:
        raise RefusedError("cat writes the file itself, so it has no --json.", hint="Leave it out.")
    if sys.stdout.isatty() and not yes:
        raise RefusedError(
            "What a file holds may do odd things to a terminal.",
            hint="Send it into a file or a pager, or give --yes.",
        )
    chosen, path = with_snapshot(path, snapshot)
    with session(options) as world, look(world) as opened:
        for piece in content(opened, chosen, path, user):
            write_bytes(piece)
    return int(ExitStatus.OK)
