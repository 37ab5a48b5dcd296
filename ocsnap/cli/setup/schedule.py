"""`ocsnap schedule` on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.program import program
from ocsnap.cli.session import session
from ocsnap.config import locate
from ocsnap.errors import ExitStatus, RefusedError

if TYPE_CHECKING:
    from ocsnap.commands.schedule.plan import Job
    from ocsnap.commands.schedule.schedule import Installed

_DRY_RUN = typer.Option("--dry-run", "-n", help="Only say what would be written and removed.")
_ROOT = typer.Option(
    "--root", metavar="FOLDER", help="Work on the machine whose files are in this folder."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        rich_markup_mode=None,
        help="""Let backups come by themselves, by systemd or cron.

        Examples:

            ocsnap schedule install --daily 02:15

            ocsnap schedule show

            ocsnap schedule remove
        """,
    )
    group.command("install")(install)
    group.command("show")(show)
    group.command("remove")(remove)
    app.add_typer(group, name="schedule")


def install(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    daily: Annotated[
        str | None, typer.Option("--daily", metavar="HH:MM", help="Each day; the default: 02:15.")
    ] = None,
    weekly: Annotated[
        str | None, typer.Option("--weekly", metavar="'DAY HH:MM'", help="Each week instead.")
    ] = None,
    hourly: Annotated[bool, typer.Option("--hourly", help="Each hour instead.")] = False,
    verify: Annotated[
        str,
        typer.Option("--verify", metavar="'DAY HH:MM'", help="When to verify; or never."),
    ] = "sun 05:45",
    drill: Annotated[
        str,
        typer.Option(
            "--drill",
            metavar="'DAY HH:MM'",
            help="When to rehearse a restore, by the day of the month: '1 07:15'; or never.",
        ),
    ] = "never",
    cron: Annotated[bool, typer.Option("--cron", help="By cron, although systemd runs.")] = False,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="By systemd, although it does not run here.")
    ] = False,
    root: Annotated[Path, _ROOT] = Path("/"),
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> int:
    """Install a schedule; one that was there before goes.

    What is missed while the machine is off is made up for. At each start of the machine a
    maintenance mode that a backup left on is lifted. Run this again after changes of the
    configuration: systemd lets the backup write only where it needs to.

    Examples:

        ocsnap schedule install --daily 02:15

        ocsnap schedule install --dry-run

        ocsnap schedule install --hourly --verify never

        ocsnap schedule install --drill '1 07:15'
    """
    from ocsnap.commands.schedule.plan import make_plan  # noqa: PLC0415 - see session
    from ocsnap.commands.schedule.schedule import Backend, Machine  # noqa: PLC0415 - see session

    if sum([daily is not None, weekly is not None, hourly]) > 1:
        raise typer.BadParameter("Give one of --daily, --weekly and --hourly.")
    if cron and systemd:
        raise typer.BadParameter("Give one of --cron and --systemd.")
    options = context.obj
    config = locate(options.config, os.environ).absolute()
    machine = Machine(root)
    try:
        jobs = _jobs(daily, weekly, verify, drill, hourly=hourly)
    except RefusedError as error:
        raise typer.BadParameter(f"{error.message} {error.hint}") from None
    with session(options) as world:
        plan = make_plan(world, program(), config, jobs)
        chosen = Backend.CRON if cron else Backend.SYSTEMD if systemd else machine.usual_backend()
        if dry_run:
            return _foresee(machine.wanted(plan, chosen), machine.files(), json=options.json)
        found = machine.install(plan, chosen)
    return _tell(found, json=options.json)


def show(context: typer.Context, root: Annotated[Path, _ROOT] = Path("/")) -> int:
    """Show the schedule that is installed.

    Example:

        ocsnap schedule show
    """
    from ocsnap.commands.schedule.schedule import Machine  # noqa: PLC0415 - see session

    return _tell(Machine(root).installed(), json=context.obj.json)


def remove(
    context: typer.Context,
    root: Annotated[Path, _ROOT] = Path("/"),
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> int:
    """Remove the schedule; a backup that runs goes on.

    Example:

        ocsnap schedule remove
    """
    from ocsnap.commands.schedule.schedule import Machine  # noqa: PLC0415 - see session

    if dry_run:
        return _foresee({}, Machine(root).files(), json=context.obj.json)
    gone = Machine(root).remove()
    if context.obj.json:
        print_json({"removed": [str(path) for path in gone]})
    else:
        print_text("\n".join(f"Removed {path}" for path in gone) or "There is no schedule.")
    return int(ExitStatus.OK)


def _foresee(writes: dict[Path, str], stands: list[Path], *, json: bool) -> int:
    """Tell what would be written, with what stands in it, and what would be removed."""
    gone = [path for path in stands if path not in writes]
    if json:
        told = {str(path): text for path, text in writes.items()}
        print_json({"dry_run": True, "writes": told, "removes": [str(path) for path in gone]})
        return int(ExitStatus.OK)
    lines = [f"Would remove {path}" for path in gone]
    lines += [] if lines or writes else ["There is no schedule."]
    for path, text in writes.items():
        lines += [f"Would write {path}:", *(f"    {line}".rstrip() for line in text.splitlines())]
    print_text("\n".join([*lines, "Nothing was done."]))
    return int(ExitStatus.OK)


def _jobs(
    daily: str | None, weekly: str | None, verify: str, drill: str, *, hourly: bool
) -> tuple[Job, ...]:
    from ocsnap.commands.schedule.plan import Job  # noqa: PLC0415 - see session
    from ocsnap.commands.schedule.rhythm import Rhythm  # noqa: PLC0415 - see session

    if weekly is not None:
        rhythm = Rhythm.weekly(weekly)
    else:
        rhythm = Rhythm.hourly(minute=7) if hourly else Rhythm.daily(daily or "02:15")
    jobs = [Job("backup", "back up ownCloud", rhythm)]
    if verify != "never":
        jobs.append(Job("verify", "see that the backups are sound", Rhythm.weekly(verify)))
    if drill != "never":
        jobs.append(Job("drill", "rehearse a restore", Rhythm.monthly(drill)))
    return tuple(jobs)


def _tell(found: Installed | None, *, json: bool) -> int:
    if json:
        print_json({"schedule": None if found is None else _document(found)})
    elif found is None:
        print_text("There is no schedule. Install one with: ocsnap schedule install")
    else:
        lines = [f"By {found.backend}:", *(f"  {line}" for line in found.lines)]
        lines += ["Files:", *(f"  {path}" for path in found.files)]
        if found.active is False:
            lines.append("systemd does not wait for these timers: systemctl start ocsnap-*.timer")
        print_text("\n".join(lines))
    return int(ExitStatus.OK)


def _document(found: Installed) -> dict[str, object]:
    return {
        "backend": found.backend,
        "files": [str(path) for path in found.files],
        "lines": found.lines,
        "active": found.active,
    }
