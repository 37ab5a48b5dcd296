"""`ocsnap restore --user` on the command line: options of its own, questions and reports."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.browse.entry_text import moment
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.question import is_confirmed
from ocsnap.cli.restore_text import estimate_lines
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.commands.restore_user.report import (
        RowAction,
        UserRestoreOptions,
        UserRestoreOutcome,
        UserRestorePlan,
    )
    from ocsnap.monitor import Monitor

_ACTS: Final = {"put": "+", "exchange": "M", "leave": "="}


def topics(wanted: list[str]) -> frozenset[str]:
    """Check the names that --without was given.

    Raises:
        typer.BadParameter: one of them is no topic.
    """
    from ocsnap.owncloud.user_rows.topics import Topic  # noqa: PLC0415 - see session

    known = {topic.value for topic in Topic}
    for name in wanted:
        if name not in known:
            raise typer.BadParameter(f"--without {name}: known are {', '.join(sorted(known))}.")
    return frozenset(wanted)


def restore_user(options: GlobalOptions, wanted: UserRestoreOptions, *, yes: bool) -> int:
    """Run the command.

    Args:
        options: what every command shares.
        wanted: what to restore.
        yes: do not ask.

    Returns:
        The exit status.
    """
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - the same
    from ocsnap.commands.restore_user.restore_user import restore_user as run  # noqa: PLC0415 - see session

    asks = wanted.to is None and not wanted.dry_run
    if asks and not yes and not sys.stdin.isatty():
        raise RefusedError(
            "This puts files into the cloud that runs, and nobody can be asked without a terminal.",
            hint="Give --yes, or --dry-run to see what would be done, or --to DIR.",
        )
    with session(options) as world:
        ask = _asker(world.monitor, yes=yes)
        if asks:
            # What changes the cloud that runs is told like every other restore.
            done = reported(world, Operation.RESTORE, lambda: run(world, wanted, ask), _told)
            outcome, status = done.result, done.status
        else:
            outcome = run(world, wanted, ask)
            status = _status(outcome)
    if options.json:
        print_json(outcome)
    else:
        print_text("\n".join(_lines(outcome)))
    return int(status)


def _told(outcome: UserRestoreOutcome) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    return Told(_status(outcome), "\n".join(_lines(outcome)), msgspec.to_builtins(outcome))


def _status(outcome: UserRestoreOutcome) -> ExitStatus:
    if outcome.failed:
        return ExitStatus.DAMAGED
    return ExitStatus.OK if outcome.scan_failure is None else ExitStatus.OWNCLOUD


def _asker(monitor: Monitor, *, yes: bool) -> Callable[[UserRestorePlan], bool]:
    def ask(plan: UserRestorePlan) -> bool:
        if yes:
            return True
        way = "replaced" if plan.replace else "kept under another name"
        lines = [
            f"From snapshot {plan.snapshot[:8]} of {moment(plan.started)}, for {plan.user}:",
            f"  {plan.put} files and folders come where nothing stands;",
            f"  {plan.exchanged} come where something else stands, which is {way};",
            f"  together {units.size(plan.size_bytes)}.",
        ]
        lines += [f"  {line}" for line in estimate_lines(plan.estimate)]
        if plan.rows:
            lines.append(f"  {plan.rows} rows of the database are brought back.")
        lines += [f"WARNING {doubt}" for doubt in plan.doubts]
        return is_confirmed(lines, "Go on?", monitor)

    return ask


def _lines(outcome: UserRestoreOutcome) -> Iterator[str]:
    for path in outcome.failed:
        yield f"LOST {path}"
    for path in outcome.left_out:
        yield f"Left out, a socket or a device: {path}"
    if outcome.dry_run:
        yield from _what_would_be(outcome)
        return
    skipped = [row for row in outcome.rows if row.act == "skip"]
    for row in skipped:
        yield f"Not brought back: {row.table}: {row.row}: {row.reason}"
    for path, kept in outcome.kept:
        yield f"What was {path} is now {kept}"
    yield (
        f"Restored {outcome.restored} entries, {units.size(outcome.size_bytes)}, from snapshot "
        f"{outcome.snapshot[:8]} in {units.duration(outcome.seconds)}."
    )
    if outcome.same:
        yield f"{outcome.same} files were right already."
    yield f"Files are in {outcome.place}"
    if outcome.rows:
        yield _counted(outcome.rows)
    for note in outcome.notes:
        yield f"Note: {note}"
    if outcome.scan_failure is not None:
        rows = (
            " Rows were not brought back yet: start the restore again after."
            if outcome.scanned == [outcome.user]
            else ""
        )
        yield (
            f"ownCloud did not take in the files: {outcome.scan_failure} When that is mended, run: "
            f"occ files:scan --path={shlex.quote(outcome.scanned[0])}.{rows}"
        )


def _what_would_be(outcome: UserRestoreOutcome) -> Iterator[str]:
    for action in outcome.actions:
        inside = f" ({action.entries} entries)" if action.entries > 1 else ""
        yield f"{_ACTS[action.act]} {action.path}{inside}  {units.size(action.size_bytes)}"
    for row in outcome.rows:
        reason = f": {row.reason}" if row.reason else ""
        yield f"{row.act} {row.table}: {row.row}{reason}"
    for note in outcome.notes:
        yield f"Note: {note}"
    total = sum(action.size_bytes for action in outcome.actions if action.act != "leave")
    yield (
        f"Nothing was done. {len(outcome.actions)} paths, {units.size(total)}; "
        f"{outcome.same} files are right already."
    )
    if outcome.rows:
        yield _counted(outcome.rows)
    if outcome.estimate is not None:
        yield from estimate_lines(outcome.estimate)


def _counted(rows: list[RowAction]) -> str:
    counts = dict.fromkeys(("insert", "update", "present", "skip"), 0)
    for row in rows:
        counts[row.act] += 1
    return (
        f"Rows: {counts['insert']} inserted, {counts['update']} changed, "
        f"{counts['present']} there already, {counts['skip']} left out."
    )
