"""`ocsnap backup` on the command line."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ocsnap.cli.ages import age
from ocsnap.cli.detach import detach as start_detached
from ocsnap.cli.due import look_first
from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import is_terminal, print_drawn, print_json, print_text
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.backup.backup import BackupOptions
    from ocsnap.commands.backup.report import BackupReport
    from ocsnap.commands.reporting.reporter import Told


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup")(backup)


def backup(
    context: typer.Context,
    no_maintenance: Annotated[
        bool,
        typer.Option("--no-maintenance", help="Do not freeze ownCloud: somebody else sees to it."),
    ] = False,
    snapshot_command: Annotated[
        str | None,
        typer.Option(
            "--snapshot-command",
            metavar="COMMAND",
            help="Command that makes a snapshot of the file system, to be read instead of it.",
        ),
    ] = None,
    snapshot_cleanup_command: Annotated[
        str | None,
        typer.Option(
            "--snapshot-cleanup-command",
            metavar="COMMAND",
            help="Command that removes that snapshot.",
        ),
    ] = None,
    snapshot_path: Annotated[
        Path | None,
        typer.Option(
            "--snapshot-path",
            metavar="FOLDER",
            help="Where the data directory is in that snapshot.",
        ),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", help="Go on without this terminal, once all is checked; see ocsnap status."
        ),
    ] = False,
    if_older_than: Annotated[
        float | None,
        typer.Option(
            "--if-older-than",
            help="Only if the last snapshot made here is older than this: 20h, 1d12h.",
            parser=age,
            metavar="AGE",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Only say what is new, and what it takes and costs."),
    ] = False,
) -> int:
    """Make a snapshot of files, database and configuration.

    The long work is done while users go on; ownCloud is frozen for seconds. What is stored is what
    changed.

    Exits with 3 when the snapshot was made but files are missing from it, with 17 when so much is
    lost or changed since the one before that it may be an accident or an attack, and at once with
    12 when another ocsnap is at work. With --quiet nothing is printed unless something is wrong.

    Examples:

        ocsnap backup

        ocsnap backup --dry-run

        ocsnap backup --detach

        ocsnap --quiet backup --if-older-than 20h

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
    if dry_run:
        if detach or if_older_than is not None:
            raise typer.BadParameter("--dry-run goes without --detach and --if-older-than.")
        return _foresee(options, wanted)
    if detach:
        arguments = _arguments(options, wanted, if_older_than)
        return start_detached(options, "backup", arguments)
    with session(options) as world:
        if if_older_than is not None:
            status = look_first(world, options, "backup", if_older_than)
            if status is not None:
                return int(status)
        done = reported(world, Operation.BACKUP, lambda: run(world, wanted), _told)
    report = done.result
    if options.json:
        print_json(report)
    elif options.verbosity is not Verbosity.QUIET or done.status:
        _show(report)
    return int(done.status)


def _foresee(options: GlobalOptions, wanted: BackupOptions) -> int:
    from ocsnap.cli.forecast_text import forecast_lines  # noqa: PLC0415 - see session
    from ocsnap.commands.backup.forecast import forecast  # noqa: PLC0415 - see session

    with session(options) as world:
        foreseen = forecast(world, wanted)
    if options.json:
        print_json({"dry_run": True, "forecast": foreseen})
    else:
        print_text("\n".join(forecast_lines(foreseen)))
    return int(ExitStatus.OK)


def _told(report: BackupReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    figures: dict[str, Any] = msgspec.to_builtins(report)
    return Told(report.exit_status, _text(report), figures, report.failed_hooks)


def _arguments(
    options: GlobalOptions, wanted: BackupOptions, age_seconds: float | None
) -> list[str]:
    """Return the command line of a run with these options."""
    arguments = ["--verbose"] if options.verbosity is Verbosity.VERBOSE else []
    if wanted.maintenance is False:
        arguments.append("--no-maintenance")
    for name, command in (
        ("--snapshot-command", wanted.snapshot_command),
        ("--snapshot-cleanup-command", wanted.snapshot_cleanup_command),
    ):
        arguments += [name, shlex.join(command)] if command else []
    if wanted.snapshot_path is not None:
        arguments += ["--snapshot-path", str(wanted.snapshot_path)]
    if age_seconds is not None:
        arguments += ["--if-older-than", f"{age_seconds // 3600:.0f}h"]
    return arguments


def _text(report: BackupReport) -> str:
    from ocsnap.cli.statistics_block import statistics_block  # noqa: PLC0415 - see session

    return "\n".join([*_before(report), statistics_block(report), *_after(report)])


def _show(report: BackupReport) -> None:
    """Print the report: for a person at a terminal as tables, else as the text that is mailed."""
    from ocsnap.cli.statistics_block import drawn_statistics  # noqa: PLC0415 - see session

    if not is_terminal():
        print_text(_text(report))
        return
    if before := [*_before(report)]:
        print_text("\n".join(before))
    print_drawn(partial(drawn_statistics, report))
    if after := _after(report):
        print_text("\n".join(after))


def _before(report: BackupReport) -> Iterator[str]:
    yield from (f"Note: {note}" for note in report.notes)
    yield from (f"ALARM {alarm.text}" for alarm in report.alarms)
    if report.open_alarms:
        yield (
            "Alarms are open, so nothing is deleted until somebody has looked: "
            f"ocsnap acknowledge {' '.join(report.open_alarms)}"
        )


def _after(report: BackupReport) -> list[str]:
    from ocsnap.cli.prune import prune_lines  # noqa: PLC0415 - see session

    return [] if report.prune is None else [*prune_lines(report.prune)]
