"""`ocsnap stats` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_parts
from ocsnap.cli.selection import Last  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.cli.text_table import Column, TextTable
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.commands.stats import SnapshotFigures, Stats, UserFigures

_SNAPSHOTS: Final = (
    Column("ID", 10, is_number=False),
    Column("Time", 18, is_number=False),
    Column("Files", 9),
    Column("Size", 10),
    Column("Grown", 10),
    Column("New", 10),
    Column("Deduplicated", 14),
    Column("Saved by deltas", 17),
)
_USERS: Final = (
    Column("User", 28, is_number=False),
    Column("Files", 9),
    Column("Size", 10),
    Column("Shown", 10),
    Column("Grown", 10),
)
_UNKNOWN: Final = "?"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stats")(stats)


def stats(
    context: typer.Context,
    last: Last = None,
) -> int:
    """Show how the backups grow and what is saved.

    Size is what a restore would bring, Grown the difference to the snapshot before; New is content
    that had to be stored, before compression. Deduplicated was stored already, under another name
    or in an older version. Users are those of the latest snapshot, with what they see (Shown) and
    how much they have grown since the first snapshot that is looked at.

    Examples:

        ocsnap stats

        ocsnap stats --last 30

        ocsnap --json stats
    """
    from ocsnap.commands.stats import stats as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found = run(world, last=last)
    if options.json:
        print_json(found)
    else:
        print_parts(_parts(found))
    return int(ExitStatus.OK)


def _parts(found: Stats) -> Iterator[str | TextTable]:
    if not found.snapshots:
        yield "There is no snapshot yet."
        return
    yield _snapshots(found.snapshots)
    yield ""
    yield _users(found.users)
    yield ""
    yield (
        f"Full copies of all snapshots would take {units.size(found.full_bytes)}. Each content "
        f"once is {units.size(found.content_bytes)}; compressed and encrypted the repository takes "
        f"{units.size(found.stored_bytes)}, {_share(found.stored_bytes, found.full_bytes)}."
    )


def _snapshots(snapshots: Iterable[SnapshotFigures]) -> TextTable:
    table = TextTable(_SNAPSHOTS, "Snapshots")
    for each in snapshots:
        moment = datetime.fromtimestamp(each.started, UTC).astimezone()
        table.add(
            each.id[:8],
            f"{moment:%Y-%m-%d %H:%M}",
            str(each.files),
            units.size(each.size_bytes),
            units.size(each.grown_bytes),
            units.size(each.new_bytes),
            units.size(each.deduplicated_bytes),
            units.size(each.delta_saved_bytes),
        )
    return table


def _users(users: Iterable[UserFigures]) -> TextTable:
    table = TextTable(_USERS, "Users")
    for each in users:
        table.add(
            each.user,
            str(each.files),
            units.size(each.size_bytes),
            _UNKNOWN if each.shown_bytes is None else units.size(each.shown_bytes),
            units.size(each.grown_bytes),
        )
    return table


def _share(part_bytes: int, whole_bytes: int) -> str:
    return f"{part_bytes / whole_bytes:.1%} of that" if whole_bytes else "all of it listings"
