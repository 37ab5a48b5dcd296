"""`ocsnap diff` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocsnap import units
from ocsnap.cli.browse.entry_text import (
    entry_record,
    entry_size,
    named,
    snapshot_record,
    snapshot_text,
)
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.commands.browse.difference import Totals
    from ocsnap.snapshot.comparison import Change

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "M", "touched": "T"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff")(diff)


def diff(
    context: typer.Context,
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="The earlier snapshot: the first digits of its ID, or a time.",
        ),
    ],
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The later one: the same, or latest.")
    ] = "latest",
    path: Annotated[
        str, typer.Option("--path", metavar="PATH", help="Only this folder.", show_default=False)
    ] = "",
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only the home of this user.")
    ] = None,
) -> int:
    """Tell what changed from one snapshot to another.

    + is new, - is gone, M has another content, T only another owner, other rights or another time.
    A folder that is new or gone is one line, with the number and size of all in it.

    Examples:

        ocsnap diff 2026-11-01 latest --user u1

        ocsnap diff 1a2b3c4d 5e6f7a8b

        ocsnap diff 2026-11-01 2026-11-02 --user u1 --path Documents
    """
    from ocsnap.commands.browse.difference import Difference, DiffOptions  # noqa: PLC0415 - see session
    from ocsnap.commands.browse.look import look  # noqa: PLC0415 - the same

    options = context.obj
    wanted = DiffOptions(old=old, new=new, path=path, user=user)
    with session(options) as world, look(world) as opened:
        difference = Difference(opened, wanted)
        if options.json:
            changes = [_record(where, change) for where, change in difference.run()]
            snapshots = {
                "old": snapshot_record(difference.old),
                "new": snapshot_record(difference.new),
            }
            print_json({**snapshots, "changes": changes, "totals": difference.totals})
            return int(ExitStatus.OK)
        for where, change in difference.run():
            print_text(_line(where, change))
        ends = f"{snapshot_text(difference.old)} to {snapshot_text(difference.new)}"
        print_text(f"From {ends}: {_sum(difference.totals)}.")
    return int(ExitStatus.OK)


def _line(where: str, change: Change) -> str:
    entry = change.new or change.old
    if entry is None:
        raise ValueError(where)
    size = entry_size(entry)
    if change.old is not None and change.new is not None and not entry.is_directory:
        before, after = entry_size(change.old), entry_size(change.new)
        size = after if before == after else f"{before} -> {after}"
    inside = f" ({entry.entries} entries)" if entry.is_directory and entry.entries else ""
    return f"{_SIGNS[change.kind]} {named(where, entry)}{inside}  {size}"


def _sum(totals: Totals) -> str:
    return (
        f"{totals.added} added ({units.size(totals.added_bytes)}), "
        f"{totals.removed} removed ({units.size(totals.removed_bytes)}), "
        f"{totals.changed} changed ({units.size(totals.changed_bytes)}), "
        f"{totals.touched} touched"
    )


def _record(where: str, change: Change) -> dict[str, object]:
    return {
        "path": where,
        "change": change.kind,
        "old": None if change.old is None else entry_record(change.old),
        "new": None if change.new is None else entry_record(change.new),
    }
