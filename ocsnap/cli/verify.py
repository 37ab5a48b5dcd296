"""`ocsnap verify` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.snapshot.checker import CheckReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Download, decrypt and hash everything.")
    ] = False,
) -> int:
    """Check that every object is there and is what was stored.

    Without --read-data nothing is downloaded: names, sizes and the checksums that the storage
    tells are compared. Exits with 10 when something is damaged.

    Examples:

        ocsnap verify

        ocsnap verify --read-data
    """
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session
    from ocsnap.commands.verify import verify as run  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        done = reported(world, Operation.VERIFY, lambda: run(world, read_data=read_data), _told)
    report = done.result
    if options.json:
        print_json({"sound": report.sound, "report": report})
    else:
        print_text("\n".join(_lines(report)))
    return int(done.status)


def _told(report: CheckReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    status = ExitStatus.OK if report.sound else ExitStatus.DAMAGED
    return Told(status, "\n".join(_lines(report)), msgspec.to_builtins(report))


def _lines(report: CheckReport) -> Iterator[str]:
    for damage in report.damages:
        yield f"DAMAGED {damage.name}: {damage.reason}"
    for path, ids in report.files.items():
        yield f"LOST {path} in {', '.join(ids)}"
    if report.locked:
        yield f"{report.locked} objects were not looked into: this host has not the secret key."
    stored = f"{report.objects} objects, {units.size(report.stored_bytes)}"
    read = f", {units.size(report.read_bytes)} of it read" if report.read_objects else ""
    yield f"Checked {stored}{read}; {report.snapshots} snapshots."
    if report.sound:
        yield "Everything is as it was stored."
    else:
        yield f"{len(report.damages)} objects are damaged, {len(report.files)} files suffer."
