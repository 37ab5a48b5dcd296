"""`ocsnap backup` on the command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from ocsnap.commands.backup.report import BackupReport
    from ocsnap.commands.reporting.reporter import Told


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup")(backup)


def backup(
    context: typer.Context,
    no_maintenance: Annotated[
        bool, typer.Option("--no-maintenance", help="Do not freeze: somebody else sees to it.")
    ] = False,
    snapshot_command: Annotated[
        str | None,
        typer.Option("--snapshot-command", help="Make a file system snapshot with this command."),
    ] = None,
    snapshot_cleanup_command: Annotated[
        str | None,
        typer.Option("--snapshot-cleanup-command", help="Remove the snapshot with this command."),
    ] = None,
    snapshot_path: Annotated[
        Path | None,
        typer.Option("--snapshot-path", help="Where the data directory is in the snapshot."),
    ] = None,
) -> int:
    """Make a snapshot: freeze ownCloud, dump its database, store what changed, lift the freeze.

    Exits with 3 when the snapshot was made but files are missing from it, and with 17 when so much
    is lost or changed since the one before that it may be an accident or an attack.

    Examples:

        ocsnap backup

        ocsnap -c /etc/ocsnap/test.toml --json backup
    """
    from ocsnap.commands.backup.backup import BackupOptions  # noqa: PLC0415 - see session
    from ocsnap.commands.backup.backup import backup as run  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session

    options = context.obj
    wanted = BackupOptions(
        maintenance=False if no_maintenance else None,
        snapshot_command=tuple(shlex.split(snapshot_command or "")),
        snapshot_cleanup_command=tuple(shlex.split(snapshot_cleanup_command or "")),
        snapshot_path=snapshot_path,
    )
    with session(options) as world:
        done = reported(world, Operation.BACKUP, lambda: run(world, wanted), _told)
    report = done.result
    if options.json:
        print_json(report)
    else:
        print_text(_text(report))
    return int(done.status)


def _told(report: BackupReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    figures: dict[str, Any] = msgspec.to_builtins(report)
    return Told(_status(report), _text(report), figures, report.failed_hooks)


def _status(report: BackupReport) -> ExitStatus:
    if report.alarms:
        return ExitStatus.ALARM
    return ExitStatus.INCOMPLETE if report.statistics.errors else ExitStatus.OK


def _text(report: BackupReport) -> str:
    from ocsnap.cli.prune import prune_lines  # noqa: PLC0415 - see session
    from ocsnap.cli.statistics_block import statistics_block  # noqa: PLC0415 - see session

    lines = [f"Note: {note}" for note in report.notes]
    lines += [f"ALARM {alarm.text}" for alarm in report.alarms]
    if report.open_alarms:
        lines.append(
            "Alarms are open, so nothing is deleted until somebody has looked: "
            f"ocsnap acknowledge {' '.join(report.open_alarms)}"
        )
    pruned = [] if report.prune is None else prune_lines(report.prune)
    return "\n".join([*lines, statistics_block(report), *pruned])
