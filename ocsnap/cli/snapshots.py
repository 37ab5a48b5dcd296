"""`ocsnap snapshots` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.repository.snapshot import StoredSnapshot


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("snapshots")(snapshots)


def snapshots(context: typer.Context) -> int:
    """List the snapshots, oldest first.

    Example:

        ocsnap snapshots
    """
    from ocsnap.commands.snapshots import snapshots as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found = run(world)
    if options.json:
        print_json({"snapshots": [_record(stored) for stored in found]})
    elif not found:
        print_text("There is no snapshot yet.")
    else:
        print_text("\n".join([_HEAD, *(_line(stored) for stored in found)]))
    return int(ExitStatus.OK)


_HEAD = f"{'ID':<10}{'Time':<21}{'Host':<20}{'ownCloud':<12}{'Files':>9}{'Size':>10}{'Errors':>8}"


def _line(stored: StoredSnapshot) -> str:
    snapshot = stored.snapshot
    moment = datetime.fromtimestamp(snapshot.started, UTC).astimezone()
    return (
        f"{stored.short_id:<10}{moment:%Y-%m-%d %H:%M:%S}  {snapshot.host:<20}"
        f"{snapshot.owncloud.version:<12}{snapshot.files:>9}"
        f"{units.size(snapshot.size_bytes):>10}{snapshot.errors:>8}"
    )


def _record(stored: StoredSnapshot) -> dict[str, object]:
    snapshot = stored.snapshot
    return {
        "id": stored.id,
        "started": snapshot.started,
        "finished": snapshot.finished,
        "host": snapshot.host,
        "owncloud": snapshot.owncloud,
        "files": snapshot.files,
        "size_bytes": snapshot.size_bytes,
        "errors": snapshot.errors,
        "parent": snapshot.parent,
        "roots": [
            {
                "kind": root.kind,
                "name": root.name,
                "files": root.files,
                "size_bytes": root.size_bytes,
            }
            for root in snapshot.roots
        ],
        "statistics": snapshot.statistics,
    }
