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
    from collections.abc import Iterator, Sequence

    from ocsnap.repository.snapshot import StoredSnapshot


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("snapshots")(snapshots)


def snapshots(context: typer.Context) -> int:
    """List the snapshots, oldest first, and what alarms they raised.

    Example:

        ocsnap snapshots
    """
    from ocsnap.commands.snapshots import listing  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found, waiting = listing(world)
    if options.json:
        print_json({"snapshots": [_record(stored, waiting) for stored in found]})
    elif not found:
        print_text("There is no snapshot yet.")
    else:
        print_text("\n".join(_lines(found, waiting)))
    return int(ExitStatus.OK)


def _lines(found: Sequence[StoredSnapshot], waiting: frozenset[str]) -> Iterator[str]:
    roots = {stored.snapshot.owncloud.root for stored in found}
    # Where it is always the same it is known.
    width = max(map(len, roots)) + 2 if len(roots) > 1 else 0
    yield (
        f"{'ID':<10}{'Time':<21}{'Host':<20}{'Folder' if width else '':<{width}}{'ownCloud':<12}"
        f"{'Files':>9}{'Size':>10}{'Errors':>8}  Alarms"
    )
    yield from (_line(stored, waiting, width) for stored in found)


def _line(stored: StoredSnapshot, waiting: frozenset[str], root_width: int) -> str:
    snapshot = stored.snapshot
    moment = datetime.fromtimestamp(snapshot.started, UTC).astimezone()
    root = snapshot.owncloud.root if root_width else ""
    return (
        f"{stored.short_id:<10}{moment:%Y-%m-%d %H:%M:%S}  {snapshot.host:<20}"
        f"{root:<{root_width}}{snapshot.owncloud.version:<12}{snapshot.files:>9}"
        f"{units.size(snapshot.size_bytes):>10}{snapshot.errors:>8}  {_mark(stored, waiting)}"
    ).rstrip()


def _mark(stored: StoredSnapshot, waiting: frozenset[str]) -> str:
    kinds = ", ".join(dict.fromkeys(alarm.kind for alarm in stored.snapshot.alarms))
    return kinds if not kinds or stored.id in waiting else f"{kinds} (acknowledged)"


def _record(stored: StoredSnapshot, waiting: frozenset[str]) -> dict[str, object]:
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
        "alarms": snapshot.alarms,
        "acknowledged": bool(snapshot.alarms) and stored.id not in waiting,
    }
