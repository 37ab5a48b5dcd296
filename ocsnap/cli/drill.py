"""`ocsnap drill` on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.ages import IfOlderThan  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.cross_check_text import cross_check_lines
from ocsnap.cli.due import look_first
from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.restore_text import estimate_lines
from ocsnap.cli.selection import SnapshotToRestore  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.drill.report import DrillReport
    from ocsnap.commands.reporting.reporter import Told


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("drill")(drill)


def drill(
    context: typer.Context,
    snapshot: SnapshotToRestore = "latest",
    scratch: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="An existing folder with room for all files; else backup.state_dir.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave what was restored where it is.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what it would fetch and cost.")
    ] = False,
    if_older_than: IfOlderThan = None,
) -> int:
    """Rehearse the restore in a scratch folder and database.

    All is restored, checked, and removed; the running ownCloud is not touched. It tells how long
    the restore took (recovery time) and how old the restored state was (recovery point), and writes
    the same into backup.state_dir/drill. Exits with 18 when anything did not come back as it was.
    With --quiet nothing is printed unless something is wrong. Fit for a monthly timer: ocsnap
    schedule install --drill.

    Examples:

        ocsnap drill

        ocsnap drill --dry-run

        ocsnap drill --scratch /mnt/large --snapshot 2026-11-01
    """
    if dry_run:
        return _foresee(context.obj, snapshot)
    from ocsnap.commands.context import state_dir  # noqa: PLC0415 - see session
    from ocsnap.commands.document import document  # noqa: PLC0415 - see session
    from ocsnap.commands.drill.drill import FOLDER, DrillOptions  # noqa: PLC0415 - see session
    from ocsnap.commands.drill.drill import drill as run  # noqa: PLC0415 - see session
    from ocsnap.commands.drill.written import write  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session

    options = context.obj
    with session(options) as world:
        if if_older_than is not None:
            status = look_first(world, options, "drill", if_older_than)
            if status is not None:
                return int(status)
        wanted = DrillOptions(snapshot=snapshot, scratch=scratch, keep=keep)
        done = reported(world, Operation.DRILL, lambda: run(world, wanted), _told)
        report = done.result
        text = "\n".join(_lines(report))
        told = json.dumps({"sound": report.sound, "report": document(report)}, indent=2)
        report.files_of_report = write(
            state_dir(world) / FOLDER, report.started, text=text, document=told
        )
    if options.json:
        print_json({"sound": report.sound, "report": report})
    elif options.verbosity is not Verbosity.QUIET or done.status:
        print_text("\n".join([text, *(f"Report: {path}" for path in report.files_of_report)]))
    return int(done.status)


def _foresee(options: GlobalOptions, snapshot: str) -> int:
    from ocsnap.commands.drill.estimate import estimate  # noqa: PLC0415 - see session

    with session(options) as world:
        foreseen = estimate(world, snapshot)
    if options.json:
        print_json({"dry_run": True, "estimate": foreseen})
    else:
        print_text("\n".join([*estimate_lines(foreseen), "Nothing was done."]))
    return int(ExitStatus.OK)


def _told(report: DrillReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    status = ExitStatus.OK if report.sound else ExitStatus.UNSOUND
    figures: dict[str, Any] = {"sound": report.sound, "report": msgspec.to_builtins(report)}
    return Told(status, "\n".join(_lines(report)), figures)


def _lines(report: DrillReport) -> Iterator[str]:
    for problem in report.problems:
        yield f"WRONG {problem}"
    if report.cross_check is not None:
        yield from cross_check_lines(report.cross_check)
    for note in report.notes:
        yield f"Note: {note}"
    moment = datetime.fromtimestamp(report.started, UTC).astimezone()
    yield f"Drill of {moment:%Y-%m-%d %H:%M:%S} on {report.host}, snapshot {report.snapshot[:8]}:"
    yield f"  Files:          {report.files} entries, {units.size(report.size_bytes)}"
    yield f"  Database:       {report.tables} tables, {report.rows} rows"
    if report.recovery_seconds is None:
        yield "  Recovery time:  not reached"
    else:
        parts = (
            f"files {units.duration(report.files_seconds)}, "
            f"database {units.duration(report.database_seconds)}"
        )
        yield f"  Recovery time:  {units.duration(report.recovery_seconds)} ({parts})"
    yield f"  Recovery point: {units.duration(report.recovery_point_seconds)} before the drill"
    if report.kept:
        yield f"  Kept: {report.folder}, database {report.database}. Remove both yourself."
    yield "All came back as it was." if report.sound else "Something is wrong: see above."
