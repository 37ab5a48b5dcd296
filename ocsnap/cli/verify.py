"""`ocsnap verify` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ocsnap import units
from ocsnap.cli.ages import IfOlderThan  # noqa: TC001 - typer reads it when it starts
from ocsnap.cli.cross_check_text import cross_check_lines
from ocsnap.cli.due import look_first
from ocsnap.cli.options import Verbosity
from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.progress_text import span
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.cli.options import GlobalOptions
    from ocsnap.commands.reporting.reporter import Told
    from ocsnap.commands.verify import VerifyOptions, VerifyReport
    from ocsnap.commands.verify_estimate import VerifyEstimate
    from ocsnap.repository.rotation import Coverage
    from ocsnap.snapshot.checker import CheckReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Download, decrypt and hash everything.")
    ] = False,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="With --read-data: read only so much, such as 5%, and the rest in later runs.",
            show_default=False,
        ),
    ] = None,
    cross_check: Annotated[
        bool,
        typer.Option("--cross-check", help="Compare a snapshot with ownCloud's own file cache."),
    ] = False,
    snapshot: Annotated[
        str,
        typer.Option(
            metavar="SNAPSHOT",
            help="With --cross-check: latest, the first digits of an ID, or a time.",
        ),
    ] = "latest",
    if_older_than: IfOlderThan = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what it would fetch and cost.")
    ] = False,
) -> int:
    """Check that every object is there and is what was stored.

    Without --read-data nothing is downloaded: names, sizes and the checksums that the storage
    tells are compared. Exits with 10 when something is damaged.

    --cross-check holds the files of a snapshot against the rows that ownCloud has of them, in the
    same snapshot's dump: is each there, has it the right size, and with --read-data the right
    checksum. Exits with 18 when the snapshot has not what ownCloud relies on. See docs/verify.md.

    Examples:

        ocsnap verify

        ocsnap verify --read-data

        ocsnap verify --read-data --share 5%

        ocsnap verify --read-data --dry-run

        ocsnap verify --cross-check --read-data --snapshot 2026-11-01
    """
    from ocsnap.commands.reporting.outcome import Operation  # noqa: PLC0415 - see session
    from ocsnap.commands.reporting.reporter import reported  # noqa: PLC0415 - see session
    from ocsnap.commands.verify import VerifyOptions  # noqa: PLC0415 - see session
    from ocsnap.commands.verify import verify as run  # noqa: PLC0415 - see session

    part = None if share is None else _share(share)
    if part is not None and not read_data:
        raise typer.BadParameter("--share goes with --read-data.")
    if snapshot != "latest" and not cross_check:
        raise typer.BadParameter("--snapshot goes with --cross-check.")
    options = context.obj
    wanted = VerifyOptions(
        read_data=read_data, share=part, cross_check=cross_check, snapshot=snapshot
    )
    if dry_run:
        if if_older_than is not None:
            raise typer.BadParameter("--dry-run goes without --if-older-than.")
        return _foresee(options, wanted)
    with session(options) as world:
        if if_older_than is not None:
            status = look_first(world, options, "verify", if_older_than)
            if status is not None:
                return int(status)
        done = reported(world, Operation.VERIFY, lambda: run(world, wanted), _told)
    report = done.result
    if options.json:
        print_json(
            {
                "sound": report.sound,
                "report": report.repository,
                "coverage": report.coverage,
                "cross_check": report.cross_check,
            }
        )
    elif options.verbosity is not Verbosity.QUIET or done.status:
        print_text("\n".join(_all_lines(report)))
    return int(done.status)


def _foresee(options: GlobalOptions, wanted: VerifyOptions) -> int:
    from ocsnap.commands.verify_estimate import estimate  # noqa: PLC0415 - see session

    with session(options) as world:
        foreseen = estimate(world, wanted)
    if options.json:
        print_json({"dry_run": True, "estimate": foreseen})
    else:
        print_text("\n".join(_estimate_lines(foreseen)))
    return int(ExitStatus.OK)


def _estimate_lines(estimate: VerifyEstimate) -> Iterator[str]:
    yield f"Nothing was read. {estimate.objects} objects, {units.size(estimate.stored_bytes)}:"
    if not estimate.fetch_objects:
        yield "Their names, sizes and checksums would be compared, and none would be fetched."
        return
    yield f"{estimate.fetch_objects} of them, {units.size(estimate.fetch_bytes)}, to fetch."
    rate = "the rate of the last check or restore" if estimate.measured else "20 MB a second"
    yield f"About {span(max(estimate.seconds, 1))} at {rate}."
    if estimate.prices_of:
        yield f"About ${estimate.dollars:.2f} for fetching ({estimate.prices_of})."


def _told(report: VerifyReport) -> Told:
    from ocsnap.commands.reporting.reporter import Told  # noqa: PLC0415 - see session

    return Told(report.exit_status, "\n".join(_all_lines(report)), msgspec.to_builtins(report))


def _share(text: str) -> float:
    """Return a share such as `5%` as a number."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not text.endswith("%") or not 0 < percent <= 100:  # also for what is no number
        raise typer.BadParameter(f"--share is a percentage above 0 and up to 100%, not {text!r}.")
    return percent / 100


def _all_lines(report: VerifyReport) -> Iterator[str]:
    if report.cross_check is not None:
        yield from cross_check_lines(report.cross_check)
    yield from _lines(report.repository)
    if report.coverage is not None:
        yield _coverage_line(report.coverage)


def _coverage_line(coverage: Coverage) -> str:
    covered = coverage.covered_bytes / coverage.total_bytes if coverage.total_bytes else 1.0
    line = (
        f"Share {coverage.share * 100:.3g}% of the data a run: run {coverage.runs}; "
        f"{covered:.1%} was read within the latest {coverage.whole_runs} runs"
    )
    if coverage.oldest is None:
        return f"{line}, {coverage.never_read} objects never yet."
    moment = datetime.fromtimestamp(coverage.oldest, UTC).astimezone()
    return f"{line}, everything since {moment:%Y-%m-%d %H:%M}."


def _lines(report: CheckReport) -> Iterator[str]:
    for damage in report.damages:
        yield f"DAMAGED {damage.name}: {damage.reason}"
    for path, ids in report.files.items():
        yield f"LOST {path} in {', '.join(ids)}"
    if report.locked:
        yield f"{report.locked} objects were not looked into: this host has not the secret key."
    if report.removed_meanwhile:
        yield f"{report.removed_meanwhile} objects were removed while they were looked at."
    stored = f"{report.objects} objects, {units.size(report.stored_bytes)}"
    read = f", {units.size(report.read_bytes)} of it read" if report.read_objects else ""
    yield f"Checked {stored}{read}; {report.snapshots} snapshots."
    if report.sound:
        yield "Everything is as it was stored."
    else:
        yield f"{len(report.damages)} objects are damaged, {len(report.files)} files suffer."
