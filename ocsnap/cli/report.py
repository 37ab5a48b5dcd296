"""`ocsnap report` on the command line."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.selection import Last  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus, LocalIOError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="Where to write the page.")],
    last: Last = None,
) -> int:
    """Write how the backups have gone into a page for a browser.

    It shows what went wrong, how snapshots have grown, how long backups took and locked users
    out, what was left out, every run on this machine, and whose files they are. The page loads
    nothing from anywhere. It names users, so only its owner can read it.

    Examples:

        ocsnap report --html backups.html

        ocsnap report --html backups.html --last 90
    """
    from ocsnap.cli.report_page import report_page  # noqa: PLC0415 - see session
    from ocsnap.commands.report import history  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        found = history(world, last=last)
    _write(html, report_page(found).encode())
    if options.json:
        print_json({"file": str(html), "snapshots": len(found.stats.snapshots)})
    else:
        print_text(f"Wrote {html}: {len(found.stats.snapshots)} snapshots.")
    return int(ExitStatus.OK)


def _write(path: Path, data: bytes) -> None:
    """Put a file in its place, whole, or leave what is there."""
    try:
        handle, part = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(part).replace(path)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LocalIOError(f"{path}: cannot be written: {error.strerror}.") from error
