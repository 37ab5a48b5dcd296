"""`ocsnap ls` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.browse.entry_text import (
    entry_record,
    long_line,
    named,
    snapshot_record,
    with_snapshot,
)
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.selection import SnapshotToRead  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.commands.browse.listing import Listed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ls")(ls)


def ls(
    context: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="[SNAPSHOT:]PATH", help="What to list.", show_default=False)
    ] = "",
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="The path is one in the home of this user."),
    ] = None,
    snapshot: SnapshotToRead = None,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="Show rights, owner, size and time.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-R", help="List what is in the folders, too.")
    ] = False,
) -> int:
    """List what a snapshot has.

    With --user the path is as the user sees it; files_versions and files_trashbin are found as
    well. Without, it begins with config, data, database or homes/USER, or is an absolute path.

    Examples:

        ocsnap ls --user u1 -l Documents

        ocsnap ls --user u1 2026-11-01:Documents

        ocsnap ls --user u1 files_trashbin/files

        ocsnap ls latest:homes
    """
    from ocsnap.commands.browse.listing import ListOptions, list_entries  # noqa: PLC0415 - see session
    from ocsnap.commands.browse.look import look  # noqa: PLC0415 - the same

    options = context.obj
    chosen, path = with_snapshot(path, snapshot)
    wanted = ListOptions(snapshot=chosen, path=path, user=user, recursive=recursive)
    with session(options) as world, look(world) as opened:
        stored, entries = list_entries(opened, wanted)
        if options.json:
            listed = [_record(item) for item in entries]
            print_json({"snapshot": snapshot_record(stored), "entries": listed})
            return int(ExitStatus.OK)
        for item in entries:
            if long:
                print_text(long_line(item.path, item.entry, stored.snapshot))
            else:
                print_text(named(item.path, item.entry))
    return int(ExitStatus.OK)


def _record(item: Listed) -> dict[str, object]:
    return {"path": item.path, **entry_record(item.entry)}
