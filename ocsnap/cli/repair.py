"""`ocsnap repair` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.repair import Repaired


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("repair")(repair)


def repair(
    context: typer.Context,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Download and check everything first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only tell what would be done.")
    ] = False,
) -> int:
    """Make the index right again, and tell what stays damaged.

    The index says where in the repository each piece of a file lies. Packs that no index lists are
    listed again, as their own trailers say; packs that are damaged or missing are listed no more;
    ocsnap.json is written anew if it is damaged or missing. The next backup then looks closely and
    stores again what is lost and still on the disk as it was: that mends older snapshots, too.

    With --read-data everything is fetched, with --dry-run too: only so can it tell what is damaged.
    What that takes and costs is foreseen by: ocsnap verify --read-data --dry-run.

    Exits with 10 when something stays lost.

    Examples:

        ocsnap repair --dry-run

        ocsnap repair --read-data && ocsnap backup
    """
    from ocsnap.commands.repair import repair as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        done = run(world, read_data=read_data, dry_run=dry_run)
    if options.json:
        print_json({"sound": done.left.sound, "report": done})
    else:
        print_text("\n".join(_lines(done)))
    return int(ExitStatus.OK if done.left.sound else ExitStatus.DAMAGED)


def _lines(done: Repaired) -> Iterator[str]:
    for damage in done.found.damages:
        yield f"DAMAGED {damage.name}: {damage.reason}"
    if done.repair.described:
        would = "Would write" if done.repair.dry_run else "Wrote"
        yield f"{would} the repository's description (ocsnap.json) anew."
    would = "Would list" if done.repair.dry_run else "Listed"
    yield f"{would} {done.repair.relisted_packs} packs again that no index listed."
    would = "Would take" if done.repair.dry_run else "Took"
    yield f"{would} {len(done.repair.dropped_packs)} packs out of the index that are lost."
    for reason in done.repair.denied:
        yield f"DENIED {reason}"
    for damage in done.left.damages:
        if not done.repair.dry_run:
            yield f"LEFT {damage.name}: {damage.reason}"
    for path, ids in done.left.files.items():
        yield f"LOST {path} in {', '.join(ids)}"
    if done.left.sound:
        yield "Everything is as it was stored."
    elif done.left.files:
        yield "Run: ocsnap backup. It stores again what is still on the disk as it was."
    if any(damage.name.startswith("snapshots/") for damage in done.left.damages):
        yield "A damaged snapshot is given up with: ocsnap prune --remove-damaged."
