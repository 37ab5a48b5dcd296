"""`ocsnap prune` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.ages import age
from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.progress_text import span
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.config.sections import PruneConfig
    from ocsnap.repository.prune_report import JudgedSnapshot, PruneReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prune")(prune)


def prune(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only tell what would be done, and why.")
    ] = False,
    keep_last: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Keep so many of the newest.")
    ] = None,
    keep_hourly: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Keep the last one of each of so many hours."),
    ] = None,
    keep_daily: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Keep the last one of each of so many days."),
    ] = None,
    keep_weekly: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Keep the last one of each of so many weeks."),
    ] = None,
    keep_monthly: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Keep the last one of each of so many months."),
    ] = None,
    keep_yearly: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Keep the last one of each of so many years."),
    ] = None,
    keep_within: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Keep all that are at most so much older than the newest: 36h, 30d, 1y6m.",
        ),
    ] = None,
    remove_damaged: Annotated[
        bool, typer.Option("--remove-damaged", help="Remove damaged snapshots, too.")
    ] = False,
) -> int:
    """Remove the snapshots that no rule keeps.

    The rules stand in [prune] of the configuration; an option here takes the place of its key. A
    snapshot stays if any rule says so. The newest one without errors stays always, and so do those
    that are pinned. What the others alone needed is marked, and removed by the first prune after
    prune.grace_hours, so backups and restores may run meanwhile.

    Exits with 10 when something is damaged that snapshots need.

    Examples:

        ocsnap prune --dry-run

        ocsnap prune --keep-daily 14 --keep-monthly 12
    """
    from ocsnap.commands.prune.prune import prune as run  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session

    options = context.obj
    wanted = {
        "keep_last": keep_last,
        "keep_hourly": keep_hourly,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "keep_yearly": keep_yearly,
        "keep_within": keep_within,
    }
    with session(options) as world:
        config = _with(world.config.prune, wanted)

        def work() -> PruneReport:
            return run(world, config, dry_run=dry_run, remove_damaged=remove_damaged)

        if dry_run:
            report = work()
            status = _status(report)
        else:
            done = reported(world, Operation.PRUNE, work, _told)
            report, status = done.result, done.status
    if options.json:
        print_json(report)
    elif dry_run or status or options.verbosity is not Verbosity.QUIET:
        verdicts = [_verdict(judged) for judged in report.snapshots] if dry_run else []
        print_text("\n".join([*verdicts, *prune_lines(report)]))
    return int(status)


def _status(report: PruneReport) -> ExitStatus:
    return ExitStatus.OK if report.sound else ExitStatus.DAMAGED


def _told(report: PruneReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    return Told(_status(report), "\n".join(prune_lines(report)), msgspec.to_builtins(report))


def _with(config: PruneConfig, wanted: dict[str, Any]) -> PruneConfig:
    """Put what the command line says in the place of the configuration's."""
    given = {name: value for name, value in wanted.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, int) and value < 0:
            option = name.replace("_", "-")
            raise typer.BadParameter(f"--{option} must be 0 or more.")
    if "keep_within" in given:
        age(given["keep_within"])
    return msgspec.structs.replace(config, **given)


def _verdict(judged: JudgedSnapshot) -> str:
    moment = datetime.fromtimestamp(judged.started, UTC).astimezone()
    word = "keep" if judged.stays else "remove"
    line = f"{word:<8}{judged.id[:8]}  {moment:%Y-%m-%d %H:%M:%S}  {judged.host}"
    return f"{line}  {', '.join(judged.reasons)}" if judged.stays else line


def prune_lines(report: PruneReport) -> Iterator[str]:
    """Yield what a prune did, for people.

    Args:
        report: the prune.
    """
    would = "Would remove" if report.dry_run else "Removed"
    kept = sum(judged.stays for judged in report.snapshots)
    yield f"{would} {report.removed_snapshots} snapshots; {kept} stay."
    yield f"{would} {report.removed_packs} packs, {units.size(report.removed_bytes)}."
    for word, packs, size_bytes in (
        ("repack" if report.dry_run else "Repacked", report.repacked_packs, report.repacked_bytes),
        ("mark" if report.dry_run else "Marked", report.marked_packs, report.marked_bytes),
    ):
        if packs:
            begin = f"Would {word}" if report.dry_run else word
            yield f"{begin} {packs} packs, {units.size(size_bytes)}."
    if report.waiting_packs:
        size = units.size(report.waiting_bytes)
        yield f"{report.waiting_packs} packs, {size}, are marked and go later."
    yield from _cost_lines(report)
    for who in report.waits_for:
        yield f"At work on the repository: {who}."
    yield from _in_the_way(report)
    if not report.dry_run:
        yield (
            f"{report.requests} requests, {units.size(report.got_bytes)} read, "
            f"{units.size(report.put_bytes)} written; "
            f"the repository has {units.size(report.repository_bytes)}."
        )


def _cost_lines(report: PruneReport) -> Iterator[str]:
    if report.dry_run and report.repacked_packs:
        yield f"About {span(max(report.foreseen_seconds, 1))} to copy what is repacked."
    if report.prices_of:
        yield (
            f"About ${report.dollars:.2f} for fetching, and ${report.freed_dollars:.2f} a month "
            f"less for keeping ({report.prices_of})."
        )


def _in_the_way(report: PruneReport) -> Iterator[str]:
    if report.open_alarms:
        ids = " ".join(report.open_alarms)
        yield f"But nothing is removed while alarms are open: ocsnap acknowledge {ids}"
    for reason in report.denied:
        yield f"DENIED {reason} It is tried again next time."
    for reason in report.obstacles:
        yield f"DAMAGED {reason}: nothing but snapshots is removed as long as it is so."
    if report.lost_blobs:
        yield f"DAMAGED {report.lost_blobs} pieces of content that snapshots need are lost."
    if not report.sound:
        yield "Run: ocsnap verify, then ocsnap repair; or give up what is lost: --remove-damaged."
