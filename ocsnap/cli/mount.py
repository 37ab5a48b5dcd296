"""`ocsnap mount` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocsnap.cli.output import print_json
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("mount")(mount)


def mount(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An empty folder.")],
    allow_other: Annotated[
        bool,
        typer.Option("--allow-other", help="Let other users look, as far as modes let them."),
    ] = False,
) -> int:
    """Show all snapshots as folders that can only be read.

    It goes on until Ctrl-C or fusermount -u. latest leads to the youngest;
    snapshots/TIME/USER/files holds a user's files, and _config, _data and _database beside the
    users the rest. Times are in UTC. Needs FUSE: see docs/mount.md.

    Examples:

        ocsnap mount /mnt/backups

        cp /mnt/backups/latest/alice/files/letter.odt /tmp
    """
    from ocsnap.commands.mount.mount import MountOptions  # noqa: PLC0415 - see session
    from ocsnap.commands.mount.mount import mount as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        run(world, MountOptions(folder=folder, allow_other=allow_other))
    if options.json:
        print_json({"mounted": str(folder.absolute())})
    return int(ExitStatus.OK)
