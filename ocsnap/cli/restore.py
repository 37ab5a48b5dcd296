"""`ocsnap restore` on the command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import is_confirmed
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.commands.restore.report import RestoreOutcome, RestorePlan
    from ocsnap.monitor import Monitor


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restore")(restore)


def restore(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    db: Annotated[bool, typer.Option("--db", help="Restore the database.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Restore the users' files.")] = False,
    snapshot: Annotated[
        str,
        typer.Option("--snapshot", help="ID, latest, or a time such as 2026-11-01T20:30."),
    ] = "latest",
    target: Annotated[
        Path | None,
        typer.Option("--target", help="Put the files and the dump into this empty folder."),
    ] = None,
    database_name: Annotated[
        str | None,
        typer.Option("--database-name", help="Load the database under this name instead."),
    ] = None,
    devices: Annotated[
        bool, typer.Option("--devices", help="Make device nodes, too; only root may.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --user: only tell what would be done.")
    ] = False,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="With --db: only this table, into a database of its own."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only what is this user's.")] = None,
    path: Annotated[
        str | None, typer.Option("--path", help="With --user: only this file or folder.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="With --user: into this folder, not into the cloud."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --user: replace what differs, keep no copy.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="With --user: leave these rows out, for example shares."),
    ] = None,
) -> int:
    """Get files and database back as they were.

    Without --db and --data everything comes back, the configuration of ownCloud included. What
    stands there now is kept under another name, and the report says which. With --target nothing
    that runs is touched: the files and the dump (SQL files for `mysql`) go into that folder.

    With --user one user's file, folder or everything is put back into the cloud that runs, and
    ownCloud is told (occ files:scan); what differs is kept beside under another name. With --to
    it goes into a folder instead. Without --path the user's shares, comments, tags, calendars and
    so on come back as well, the account too if it was deleted.

    With --db --table a table is loaded into a database beside ownCloud's, never over it.

    Examples:

        ocsnap restore

        ocsnap restore --data --snapshot 2026-11-01

        ocsnap restore --db --yes

        ocsnap restore --target /srv/look-inside

        ocsnap restore --user u1 --path Documents/letter.odt --snapshot 2026-11-01

        ocsnap restore --user u1 --path Documents --to /tmp

        ocsnap restore --user u1 --dry-run

        ocsnap restore --db --table oc_calendarobjects
    """
    if user is not None:
        from ocsnap.cli.restore_user import restore_user, topics  # noqa: PLC0415 - see session
        from ocsnap.commands.restore_user.report import UserRestoreOptions  # noqa: PLC0415 - the same

        if db or data or table or target is not None or database_name is not None:
            raise typer.BadParameter("--user goes with --path, --to and the like only.")
        theirs = UserRestoreOptions(
            user=user,
            path=path,
            snapshot=snapshot,
            to=to,
            replace=replace,
            dry_run=dry_run,
            without=topics(without or []),
        )
        return restore_user(context.obj, theirs, yes=yes)
    if dry_run or path is not None or to is not None or replace or without:
        raise typer.BadParameter("--dry-run, --path, --to, --replace, --without go with --user.")
    if table:
        from ocsnap.cli.restore_tables import restore_tables  # noqa: PLC0415 - see session
        from ocsnap.commands.restore_tables import TableOptions  # noqa: PLC0415 - the same

        if not db or data or target is not None:
            raise typer.BadParameter("--table goes with --db, --snapshot and --database-name only.")
        chosen_tables = TableOptions(tables=tuple(table), snapshot=snapshot, name=database_name)
        return restore_tables(context.obj, chosen_tables)
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session
    from ocsnap.commands.restore.layout import Part  # noqa: PLC0415 - see session
    from ocsnap.commands.restore.report import ALL_PARTS, RestoreOptions  # noqa: PLC0415 - the same
    from ocsnap.commands.restore.restore import restore as run  # noqa: PLC0415 - see session

    options = context.obj
    chosen = {Part.DATABASE: db, Part.DATA: data}
    parts = frozenset(part for part, wanted in chosen.items() if wanted) or ALL_PARTS
    if database_name is not None and Part.DATABASE not in parts:
        raise typer.BadParameter("--database-name goes with --db.")
    wanted = RestoreOptions(
        parts=parts,
        snapshot=snapshot,
        target=target,
        database_name=database_name,
        devices=devices,
    )
    if not yes and not sys.stdin.isatty() and target is None:
        raise RefusedError(
            "A restore replaces what is there, and nobody can be asked without a terminal.",
            hint="Give --yes, or --target DIR to restore elsewhere.",
        )
    with session(options) as world:
        ask = _asker(world.monitor, yes=yes)
        done = reported(world, Operation.RESTORE, lambda: run(world, wanted, ask), _told)
    outcome = done.result
    if options.json:
        print_json(outcome)
    else:
        print_text("\n".join(_lines(outcome)))
    return int(done.status)


def _told(outcome: RestoreOutcome) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    status = ExitStatus.DAMAGED if outcome.failed else ExitStatus.OK
    return Told(status, "\n".join(_lines(outcome)), msgspec.to_builtins(outcome))


def _asker(monitor: Monitor, *, yes: bool) -> Callable[[RestorePlan], bool]:
    def ask(plan: RestorePlan) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            return False
        moment = datetime.fromtimestamp(plan.started, UTC).astimezone()
        lines = [f"Snapshot {plan.snapshot[:8]} of {moment:%Y-%m-%d %H:%M:%S} will replace:"]
        lines += [f"  {item}" for item in plan.replaced]
        lines += ["What is there now is kept under another name."]
        lines += [f"WARNING {doubt}" for doubt in plan.doubts]
        return is_confirmed(lines, "Go on?", monitor)

    return ask


def _lines(outcome: RestoreOutcome) -> Iterator[str]:
    for path in outcome.failed:
        yield f"LOST {path}"
    for path in outcome.left_out:
        yield f"Left out, a socket or a device: {path}"
    for note in outcome.notes:
        yield f"Note: {note}"
    yield (
        f"Restored {outcome.files} entries, {units.size(outcome.size_bytes)}, from snapshot "
        f"{outcome.snapshot[:8]} in {units.duration(outcome.seconds)}."
    )
    for place in outcome.places:
        yield f"Files are in {place}"
    for kept in outcome.kept:
        yield f"What was there is kept in {kept}"
    if outcome.database is not None:
        yield f"Loaded {outcome.tables} tables, {outcome.rows} rows, into {outcome.database}"
    if outcome.kept_database is not None:
        yield f"The database that was there is kept as {outcome.kept_database}"
