"""`ocsnap acknowledge` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.repository.snapshot import StoredSnapshot


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("acknowledge")(acknowledge)


def acknowledge(
    context: typer.Context,
    snapshot: Annotated[
        list[str],
        typer.Argument(
            metavar="SNAPSHOT...",
            help="Snapshots that raised an alarm: their IDs, or latest.",
            show_default=False,
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why all is well, for later.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say which alarms these are.")
    ] = False,
) -> int:
    """Say that all is well in spite of a snapshot's alarms.

    Until then `ocsnap prune` deletes nothing, since the older snapshots may be all that is left of
    what was lost. That it was said, when and by whom, is kept in the repository.

    Examples:

        ocsnap acknowledge 1a2b3c4d

        ocsnap acknowledge latest --reason "Alice converted all her music"
    """
    from ocsnap.commands.acknowledge import acknowledge as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        done = run(world, snapshot, reason=reason, dry_run=dry_run)
    if options.json:
        found = [{"id": each.id, "alarms": each.snapshot.alarms} for each in done]
        print_json({"acknowledged": found, "dry_run": dry_run})
    else:
        print_text("\n".join(_lines(done, dry_run=dry_run)))
    return int(ExitStatus.OK)


def _lines(done: Sequence[StoredSnapshot], *, dry_run: bool) -> Iterator[str]:
    if not done:
        yield "All of them had been acknowledged before."
    for stored in done:
        yield f"{'Would acknowledge' if dry_run else 'Acknowledged'} {stored.short_id}:"
        for alarm in stored.snapshot.alarms:
            yield f"  {alarm.text}"
