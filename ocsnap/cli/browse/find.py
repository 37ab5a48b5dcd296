"""`ocsnap find` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.browse.entry_text import (
    entry_record,
    entry_size,
    kind,
    modified,
    moment,
    named,
    snapshot_record,
)
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.browse.search import Found, Search
    from ocsnap.snapshot.history import Version


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("find")(find)


def find(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name; *, ? and [...] stand for others.")
    ],
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only in the home of this user.")
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option(
            "--snapshot",
            metavar="SNAPSHOT",
            help="Only in this one: latest, the first digits of an ID, or a time.",
            show_default="all",
        ),
    ] = None,
    ignore_case: Annotated[
        bool,
        typer.Option("--ignore-case", "-i", help="Take capital and small letters for the same."),
    ] = False,
) -> int:
    """Find a file in all snapshots, with each of its versions.

    A name with a slash in it is a whole path; there * stands for slashes, too. What was deleted
    into the trash has .d and a number behind its name. Exits with 10 when a part could not be
    searched.

    Examples:

        ocsnap find letter.odt --user u1

        ocsnap find '*invoice*' -i

        ocsnap find 'Documents/2026/*.pdf' --user u1
    """
    from ocsnap.commands.browse.look import look  # noqa: PLC0415 - see session
    from ocsnap.commands.browse.search import FindOptions, Search  # noqa: PLC0415 - the same

    options = context.obj
    wanted = FindOptions(pattern=name, user=user, ignore_case=ignore_case, snapshot=snapshot)
    with session(options) as world, look(world) as opened:
        search = Search(opened, wanted)
        if options.json:
            found = [_record(search, item) for item in search.run()]
            names = [snapshot_record(stored) for stored in search.snapshots]
            print_json({"snapshots": names, "found": found, "damaged": search.damaged})
        else:
            count = 0
            for count, item in enumerate(search.run(), 1):  # noqa: B007 - the last one is the sum
                print_text("\n".join(_lines(search, item)))
            print_text(f"Found {count} in {len(search.snapshots)} snapshots.")
    return int(ExitStatus.DAMAGED if search.damaged else ExitStatus.OK)


def _lines(search: Search, item: Found) -> Iterator[str]:
    entry = item.match.versions[-1].entry
    yield named(item.path if item.user is None else f"{item.user}: {item.path}", entry)
    for version in item.match.versions:
        if version.entry.is_directory:
            yield f"    in {_span(search, version)}"
        else:
            size, when = entry_size(version.entry), modified(version.entry)
            yield f"    {size:>10}  {when}  in {_span(search, version)}"


def _span(search: Search, version: Version) -> str:
    held = [search.snapshots[number] for number in version.snapshots]
    first, last = held[0], held[-1]
    start = f"{first.short_id} ({moment(first.snapshot.started)})"
    if len(held) == 1:
        return start
    return f"{start} to {last.short_id} ({moment(last.snapshot.started)}), {len(held)} snapshots"


def _record(search: Search, item: Found) -> dict[str, object]:
    versions = [
        {
            **entry_record(version.entry),
            "snapshots": [search.snapshots[number].id for number in version.snapshots],
        }
        for version in item.match.versions
    ]
    last = item.match.versions[-1].entry
    return {"user": item.user, "path": item.path, "type": kind(last), "versions": versions}
