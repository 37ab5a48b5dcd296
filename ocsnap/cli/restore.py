"""`ocsnap restore` on the command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from ocsnap.cli.hint import runnable
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import is_confirmed
from ocsnap.cli.restore_back import go_back, openness
from ocsnap.cli.restore_text import dry_lines, estimate_lines, lines
from ocsnap.cli.selection import SnapshotToRestore  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.commands.restore.destination import SiteChoice
    from ocsnap.commands.restore.layout import Part
    from ocsnap.commands.restore.report import RestoreOutcome, RestorePlan
    from ocsnap.monitor import Monitor


_USER_ALONE: Final = "--user goes with --path, --to, --replace, --without, --dry-run only."
_BACK_ALONE: Final = "--undo, --resume and --forget-kept go with --dry-run and --yes only."
_TABLE_ALONE: Final = "--table goes with --db, --snapshot, --database-name and --dry-run only."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restore")(restore)


def restore(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    db: Annotated[bool, typer.Option("--db", help="Restore the database.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Restore the users' files.")] = False,
    snapshot: SnapshotToRestore = "latest",
    target: Annotated[
        Path | None,
        typer.Option(
            "--target", metavar="FOLDER", help="Put the files and the dump into this empty folder."
        ),
    ] = None,
    database_name: Annotated[
        str | None,
        typer.Option(
            "--database-name",
            metavar="NAME",
            help="With --db: load it into a new database of this name.",
        ),
    ] = None,
    devices: Annotated[
        bool, typer.Option("--devices", help="Make device nodes, too; only root may.")
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FOLDER", help="Another folder of ownCloud's code."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="FOLDER", help="Another data directory."),
    ] = None,
    homes_dir: Annotated[
        Path | None,
        typer.Option(
            "--homes-dir",
            metavar="FOLDER",
            help="Another folder for homes that lay outside of the data directory.",
        ),
    ] = None,
    db_host: Annotated[
        str | None,
        typer.Option(
            "--db-host",
            metavar="HOST",
            help="Another database server: host, host:port or host:/socket.",
        ),
    ] = None,
    db_name: Annotated[
        str | None,
        typer.Option("--db-name", metavar="NAME", help="Another database, which is empty."),
    ] = None,
    db_user: Annotated[
        str | None,
        typer.Option("--db-user", metavar="USER", help="Another database account."),
    ] = None,
    db_password_file: Annotated[
        Path | None,
        typer.Option(
            "--db-password-file", metavar="FILE", help="A file with the password of that account."
        ),
    ] = None,
    checksum: Annotated[
        bool,
        typer.Option(
            "--checksum", help="Read every file that stands there; do not trust its times."
        ),
    ] = False,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="TABLE",
            help="With --db: only this table; may be given several times.",
        ),
    ] = None,
    no_fingerprint: Annotated[
        bool, typer.Option("--no-fingerprint", help="Do not warn the sync clients.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Put back what the last restore has replaced.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish a restore that died while it exchanged.")
    ] = False,
    forget_kept: Annotated[
        bool, typer.Option("--forget-kept", help="Remove for good what restores have kept.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only what is this user's.")
    ] = None,
    path: Annotated[
        str | None,
        typer.Option("--path", metavar="PATH", help="With --user: only this file or folder."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FOLDER", help="With --user: into this folder, not into the cloud."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --user: replace what differs, keep no copy.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="ROWS",
            help="With --user: leave these rows out, such as shares; may be given several times.",
        ),
    ] = None,
) -> int:
    """Get files and database back as they were.

    Without --db and --data everything comes back, the configuration of ownCloud included. All is
    built beside what stands there, then exchanged in one go; what stood there is kept, and --undo
    puts it back. With --target nothing that runs is touched: the files and the dump (SQL files for
    `mysql`) go into that folder. With --repository no configuration file is needed. With --root,
    --data-dir, --db-name and their like the site comes to other paths, or into another database.

    With --user one user's file, folder or everything is put back into the cloud that runs, and
    ownCloud is told (occ files:scan); what differs is kept beside under another name. With --to
    it goes into a folder instead. Without --path the user's shares, comments, tags, calendars and
    so on come back as well, the account too if it was deleted.

    With --db --table a table is loaded into a database beside ownCloud's, never over it.

    It asks before it replaces anything. Exits with 10 when something could not be brought back.

    Examples:

        ocsnap restore

        ocsnap restore --dry-run

        ocsnap restore --data --snapshot 2026-11-01

        ocsnap restore --target /srv/look-inside

        ocsnap restore --repository s3://oc-backup/cloud --key-file secret.asc

        ocsnap restore --root /srv/copy --data-dir /srv/data --db-name oc_copy

        ocsnap restore --undo

        ocsnap restore --user u1 --path letter.odt --snapshot 2026-11-01

        ocsnap restore --user u1 --path Documents --to /tmp

        ocsnap restore --user u1 --dry-run

        ocsnap restore --db --table oc_calendarobjects
    """
    of_sites = (
        *(root, data_dir, homes_dir, db_host, db_name, db_user, db_password_file),
        *(devices, checksum, no_fingerprint, undo, resume, forget_kept),
    )
    if user is not None:
        from ocsnap.cli.restore_user import restore_user, topics  # noqa: PLC0415 - see session
        from ocsnap.commands.restore_user.report import UserRestoreOptions  # noqa: PLC0415 - the same

        _refuse_others(_USER_ALONE, db, data, table, target, database_name, *of_sites)
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
    if path is not None or to is not None or replace or without:
        raise typer.BadParameter("--path, --to, --replace and --without go with --user.")
    if table:
        from ocsnap.cli.restore_tables import restore_tables  # noqa: PLC0415 - see session
        from ocsnap.commands.restore_tables import TableOptions  # noqa: PLC0415 - the same

        _refuse_others(_TABLE_ALONE, not db, data, target, *of_sites)
        chosen_tables = TableOptions(
            tables=tuple(table), snapshot=snapshot, name=database_name, dry_run=dry_run
        )
        return restore_tables(context.obj, chosen_tables)
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session
    from ocsnap.commands.restore.destination import SiteChoice  # noqa: PLC0415 - see session
    from ocsnap.commands.restore.report import RestoreOptions  # noqa: PLC0415 - the same
    from ocsnap.commands.restore.restore import restore as run  # noqa: PLC0415 - see session

    options = context.obj
    if undo + resume + forget_kept > 1:
        raise typer.BadParameter("--undo, --resume and --forget-kept exclude one another.")
    if undo or resume or forget_kept:
        _refuse_others(_BACK_ALONE, db, data, target, database_name, *of_sites[:-3])
        return go_back(options, undo=undo, resume=resume, dry_run=dry_run, yes=yes)
    named = {
        "--root": root,
        "--data-dir": data_dir,
        "--homes-dir": homes_dir,
        "--target": target,
        "--db-host": db_host,
        "--db-name": db_name,
        "--db-user": db_user,
        "--db-password-file": db_password_file,
        "--database-name": database_name,
    }
    _refuse_nameless(named)
    site = SiteChoice(
        root=_absolute(root),
        data_dir=_absolute(data_dir),
        homes_dir=_absolute(homes_dir),
        db_host=db_host,
        db_name=db_name,
        db_user=db_user,
        db_password_file=_absolute(db_password_file),
    )
    parts = _parts(db=db, data=data)
    _refuse_contradictions(parts, site, target, database_name)
    wanted = RestoreOptions(
        parts=parts,
        snapshot=snapshot,
        target=target,
        database_name=database_name,
        site=site,
        checksum=checksum,
        fingerprint=not no_fingerprint,
        dry_run=dry_run,
        devices=devices,
    )
    if not (yes or dry_run) and not sys.stdin.isatty() and target is None:
        raise RefusedError(
            "A restore replaces what is there, and nobody can be asked without a terminal.",
            hint="Give --yes, or --target DIR to restore elsewhere.",
        )
    with session(options) as world:
        ask = _asker(world.monitor, yes=yes)
        if dry_run:
            return _print_dry(options, run(world, wanted, ask))

        def restored() -> RestoreOutcome:
            outcome = run(world, wanted, ask)
            steps = [runnable(step, options.config) for step in outcome.steps]
            return msgspec.structs.replace(outcome, steps=steps)

        done = reported(world, Operation.RESTORE, restored, _told)
    if options.json:
        print_json(done.result)
    else:
        print_text("\n".join(lines(done.result)))
    return int(done.status)


def _refuse_others(words: str, *options: object) -> None:
    """Refuse options that belong to another kind of restore.

    Raises:
        typer.BadParameter: one of them is given.
    """
    if any(option is not None and option is not False and option != [] for option in options):
        raise typer.BadParameter(words)


def _refuse_nameless(options: dict[str, Path | str | None]) -> None:
    """Refuse what an unset variable of a script leaves: an empty path is the present folder.

    Raises:
        typer.BadParameter: one of them is empty.
    """
    for option, value in options.items():
        if value is not None and str(value).strip() in {"", "."}:
            raise typer.BadParameter(f"{option} is empty; give a name, or a whole path.")


def _print_dry(options: GlobalOptions, outcome: RestoreOutcome) -> int:
    if options.json:
        print_json(outcome)
    else:
        print_text("\n".join(dry_lines(outcome)))
    return int(ExitStatus.OK)


def _told(outcome: RestoreOutcome) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    status = ExitStatus.DAMAGED if outcome.failed else openness(outcome)
    return Told(status, "\n".join(lines(outcome)), msgspec.to_builtins(outcome))


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _parts(*, db: bool, data: bool) -> frozenset[Part]:
    from ocsnap.commands.restore.layout import Part  # noqa: PLC0415 - see session
    from ocsnap.commands.restore.report import ALL_PARTS  # noqa: PLC0415 - the same

    chosen = {Part.DATABASE: db, Part.DATA: data}
    return frozenset(part for part, wanted in chosen.items() if wanted) or ALL_PARTS


def _refuse_contradictions(
    parts: frozenset[Part], site: SiteChoice, target: Path | None, database_name: str | None
) -> None:
    from ocsnap.commands.restore.layout import Part  # noqa: PLC0415 - see session

    if database_name is not None and Part.DATABASE not in parts:
        raise typer.BadParameter("--database-name goes with --db.")
    if not site.says_anything:
        return
    if target is not None:
        raise typer.BadParameter("--target makes no site: leave out --root, --data-dir and --db-*.")
    if Part.CONFIG not in parts:
        raise typer.BadParameter("--root, --data-dir and --db-* are for a whole site.")
    if database_name is not None:
        raise typer.BadParameter("--db-name names the database of a whole site.")


def _asker(monitor: Monitor, *, yes: bool) -> Callable[[RestorePlan], bool]:
    def ask(plan: RestorePlan) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            return False
        moment = datetime.fromtimestamp(plan.started, UTC).astimezone()
        told = [f"Snapshot {plan.snapshot[:8]} of {moment:%Y-%m-%d %H:%M:%S} will replace:"]
        told += [f"  {item}" for item in plan.replaced]
        told += ["What is there now is kept under another name.", *estimate_lines(plan.estimate)]
        told += [f"WARNING {doubt}" for doubt in plan.doubts]
        return is_confirmed(told, "Go on?", monitor)

    return ask
