"""`ocsnap prune`: removes old snapshots, and what nobody needs any more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.reporting.outcome import Operation
from ocsnap.commands.reporting.reporter import Told, reported
from ocsnap.commands.repository_lock import repository_lock
from ocsnap.commands.restore.estimate import (
    RATE_NOTE,
    USUAL_RATE,
    VERIFY_RATE_NOTE,
    measured_rate,
)
from ocsnap.commands.run_lock import run_lock
from ocsnap.errors import ExitStatus, OcsnapError
from ocsnap.monitor import Problem
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.prune import Pruner
from ocsnap.repository.prune_plan import PrunePolicy
from ocsnap.repository.retention import KeepRules, Retention, parse_duration
from ocsnap.storage.prices import load_prices

if TYPE_CHECKING:
    from ocsnap.commands.context import Context, OpenRepository
    from ocsnap.config.sections import PruneConfig
    from ocsnap.repository.prune_report import PruneReport

_ALL: Final = KeepRules(everything=True)
_HOUR_SECONDS: Final = 3600.0


def prune(
    context: Context,
    config: PruneConfig | None = None,
    *,
    dry_run: bool = False,
    remove_damaged: bool = False,
) -> PruneReport:
    """Remove what the rules do not keep.

    Args:
        context: the outside world.
        config: the rules, where they are not those of the configuration.
        dry_run: only tell what would be done.
        remove_damaged: damaged snapshots go, too.

    Returns:
        What was done.

    Raises:
        AlarmError: a snapshot has alarms that nobody has acknowledged.
        BusyError: another prune or repair is at work.
        HookError: a hook stopped it.
        OcsnapError: the repository cannot be pruned; what was done until then is whole.
    """
    folder = state_dir(context)
    if not dry_run:
        demand(context, HookPoint.BEFORE_PRUNE)
    with run_lock(folder, "a prune"):
        opened = connect(context)
        with closing(opened.repository):
            policy = _policy(context, config or context.config.prune, remove_damaged=remove_damaged)
            return _run(context, opened, policy, dry_run=dry_run)


def prune_after_backup(context: Context, opened: OpenRepository) -> PruneReport | None:
    """Prune after a backup that went well; whatever fails, the backup stays a success.

    So it is told of as a prune of its own: hooks, messages and metrics must not say that all is
    well where nothing has been pruned for months.

    Args:
        context: the outside world.
        opened: the repository of the backup, which holds no lock on it any more.

    Returns:
        What was done; None where it failed, which the monitor was told.
    """

    def work() -> PruneReport:
        demand(context, HookPoint.BEFORE_PRUNE)
        policy = _policy(context, context.config.prune, remove_damaged=False)
        return _run(context, opened, policy, dry_run=False)

    try:
        return reported(context, Operation.PRUNE, work, _told).result
    except OcsnapError as error:
        context.monitor.problem(Problem("The prune after the backup", str(error)))
        return None


def _told(report: PruneReport) -> Told:
    stay = sum(judged.stays for judged in report.snapshots)
    lines = [f"Removed {report.removed_snapshots} snapshots; {stay} stay."]
    lines += [f"DENIED {reason}" for reason in report.denied]
    lines += [f"DAMAGED {reason}" for reason in report.obstacles]
    if report.lost_blobs:
        lines.append(f"DAMAGED {report.lost_blobs} pieces of content that snapshots need are lost.")
    status = ExitStatus.OK if report.sound else ExitStatus.DAMAGED
    return Told(status, "\n".join(lines), msgspec.to_builtins(report))


def _run(
    context: Context, opened: OpenRepository, policy: PrunePolicy, *, dry_run: bool
) -> PruneReport:
    clock, traffic = context.clock, opened.traffic
    began = clock.monotonic()
    before = traffic.requests, traffic.put_bytes, traffic.got_bytes
    pruner = Pruner(opened.repository, policy, monitor=context.monitor)
    if dry_run:
        report = pruner.look(now=clock.now())
        _reckon(context, opened, report)
    else:
        context.monitor.step("Locking the repository")
        with repository_lock(opened.repository, Purpose.PRUNE, context.random) as lock:
            report = pruner.prune(lock)
    report.requests = traffic.requests - before[0]
    report.put_bytes = traffic.put_bytes - before[1]
    report.got_bytes = traffic.got_bytes - before[2]
    report.seconds = clock.monotonic() - began
    return report


def _reckon(context: Context, opened: OpenRepository, report: PruneReport) -> None:
    """Say what a prune would take and cost: what is repacked comes and goes, the rest only goes."""
    rate = measured_rate(opened.repository, RATE_NOTE, VERIFY_RATE_NOTE) or USUAL_RATE
    report.foreseen_seconds = 2 * report.repacked_bytes / rate
    if context.config.repository.is_s3:
        prices = load_prices(context.config.repository)
        packs = report.repacked_packs
        report.dollars = prices.fetching(packs, report.repacked_bytes) + prices.putting(packs)
        report.freed_dollars = prices.keeping(report.removed_bytes) or 0.0
        report.prices_of = prices.title


def _policy(context: Context, config: PruneConfig, *, remove_damaged: bool) -> PrunePolicy:
    rules = KeepRules(
        last=config.keep_last,
        hourly=config.keep_hourly,
        daily=config.keep_daily,
        weekly=config.keep_weekly,
        monthly=config.keep_monthly,
        yearly=config.keep_yearly,
        within_seconds=None if config.keep_within is None else parse_duration(config.keep_within),
    )
    if rules.keep_nothing:
        context.monitor.note("No rule is set in [prune], so all snapshots stay.")
        rules = _ALL
    retention = Retention(rules, now=context.clock.now(), calendar=_local)
    return PrunePolicy(
        replace(retention, remove_damaged=remove_damaged),
        grace_seconds=config.grace_hours * _HOUR_SECONDS,
        repack_above=config.repack_above,
    )


def _local(seconds: float) -> datetime:
    """Return a moment in this machine's time zone, in which its people count days."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()
