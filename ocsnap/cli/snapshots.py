"""`ocsnap snapshots` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_parts, print_text
from ocsnap.cli.session import session
from ocsnap.cli.text_table import Column, TextTable
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.snapshot import StoredSnapshot


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("snapshots")(snapshots)


def snapshots(context: typer.Context) -> int:
    """List the snapshots and what alarms they raised.

    The oldest comes first.

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
        print_parts([_table(found, waiting)])
    return int(ExitStatus.OK)


def _table(found: Sequence[StoredSnapshot], waiting: frozenset[str]) -> TextTable:
    roots = {stored.snapshot.owncloud.root for stored in found}
    # Where it is always the same it is known.
    folder = [Column("Folder", max(map(len, roots)) + 2, is_number=False)] if len(roots) > 1 else []
    columns = (
        Column("ID", 10, is_number=False),
        Column("Time", 21, is_number=False),
        Column("Host", 20, is_number=False),
        *folder,
        Column("ownCloud", 12, is_number=False),
        Column("Files", 9),
        Column("Size", 10),
        Column("Errors", 8),
        Column("Alarms", 10, is_number=False),
    )
    table = TextTable(columns)
    for stored in found:
        snapshot = stored.snapshot
        moment = datetime.fromtimestamp(snapshot.started, UTC).astimezone()
        table.add(
            stored.short_id,
            f"{moment:%Y-%m-%d %H:%M:%S}",
            snapshot.host,
            *([snapshot.owncloud.root] if folder else []),
            snapshot.owncloud.version,
            str(snapshot.files),
            units.size(snapshot.size_bytes),
            str(snapshot.errors),
            _mark(stored, waiting),
            is_bad=bool(snapshot.errors) or stored.id in waiting,
        )
    return table


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
