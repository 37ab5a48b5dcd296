"""What `ocsnap restore` tells people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap import units
from ocsnap.cli.progress_text import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.commands.restore.estimate import Estimate
    from ocsnap.commands.restore.report import RestoreOutcome
    from ocsnap.commands.restore.undo import Undone


def lines(outcome: RestoreOutcome) -> Iterator[str]:
    """Tell what a restore did, and what is left to the admin."""
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
    if outcome.reused_bytes:
        yield f"{units.size(outcome.reused_bytes)} of it stood there already and was not fetched."
    if not outcome.is_open:
        yield "ownCloud is still in maintenance."
    yield from step_lines(outcome.steps)


def dry_lines(outcome: RestoreOutcome) -> Iterator[str]:
    """Tell what a restore would do."""
    yield f"Snapshot {outcome.snapshot[:8]}; nothing was changed."
    for place in outcome.places:
        yield f"Would be written: {place}"
    for item in outcome.replaced:
        yield f"Would be replaced, and kept under another name: {item}"
    if outcome.estimate is not None:
        yield from estimate_lines(outcome.estimate)


def estimate_lines(estimate: Estimate) -> Iterator[str]:
    """Tell what is written and fetched, how long it takes and what it costs."""
    yield (
        f"{estimate.files} entries; {units.size(estimate.write_bytes)} come out of the repository"
        f" in {estimate.fetch_packs} packs, {units.size(estimate.fetch_bytes)} to fetch."
    )
    if estimate.reuse_files:
        yield (
            f"{estimate.reuse_files} files, {units.size(estimate.reuse_bytes)}, stand there"
            f" already; {units.size(estimate.check_bytes)} of them are read to be sure."
        )
    if estimate.delete_files:
        yield f"{estimate.delete_files} files and folders that are not in it will be gone."
    # The rate of a restore is that of all of it, with its database.
    usual = "at 20 MB a second, and what loading a database takes"
    rate = "at the rate of the last restore" if estimate.measured else usual
    yield f"About {span(max(estimate.seconds, 1))} {rate}."
    if estimate.prices_of:
        yield f"About ${estimate.dollars:.2f} for fetching ({estimate.prices_of})."


def undone_lines(done: Undone) -> Iterator[str]:
    """Tell what was done with an earlier restore, or would be."""
    if done.dry_run:
        yield from (f"Would {act[0].lower()}{act[1:]}" for act in done.would)
        yield "Nothing was done." if done.would else "Nothing is kept."
        return
    for note in done.notes:
        yield f"Note: {note}"
    for item in done.removed:
        yield f"Removed {item}"
    for item in done.kept:
        yield f"Kept: {item}"
    if done.snapshot:
        yield f"The restore of snapshot {done.snapshot[:8]} is settled."
    elif not done.removed:
        yield "Nothing was kept."
    if not done.is_open:
        yield "ownCloud is still in maintenance."
    yield from step_lines(done.steps)


def step_lines(steps: Sequence[str]) -> Iterator[str]:
    """Tell what is left to the admin."""
    if steps:
        yield "What is left to do:"
    for number, step in enumerate(steps, 1):
        yield f"  {number}. {step}"
