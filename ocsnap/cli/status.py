"""`ocsnap status` on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocsnap.cli.output import print_json, print_text
from ocsnap.cli.progress_text import progress_text, span
from ocsnap.cli.session import session
from ocsnap.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.commands.runs.record import RunRecord
    from ocsnap.monitor import Monitor

FOLLOW_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 10.0
"""Longer without a sign of life, and people want to know."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    context: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing it until the run ends.")
    ] = False,
) -> int:
    """Tell how far a run is, and how the last ones ended.

    Nothing is asked of ownCloud or the storage. With --follow it exits as the run that it followed.

    Examples:

        ocsnap status

        ocsnap status --follow

        ocsnap --json status
    """
    options = context.obj
    with session(options, local=True) as world:
        records = _records(world)
        if follow:
            return _follow(world, records, json=options.json)
        now = world.clock.now()
    if options.json:
        print_json({"runs": [_document(record) for record in records]})
    elif not records:
        print_text("Nothing has run on this machine yet.")
    else:
        print_text("\n".join(line for record in records for line in _lines(record, now)))
    return int(ExitStatus.OK)


def _records(world: Context) -> list[RunRecord]:
    from ocsnap.commands.context import state_dir  # noqa: PLC0415 - see session
    from ocsnap.commands.runs.record import read_records  # noqa: PLC0415 - see session

    return read_records(state_dir(world))


def _follow(world: Context, records: list[RunRecord], *, json: bool) -> int:
    from ocsnap.commands.runs.record import RunState  # noqa: PLC0415 - see session

    running = next((record for record in records if record.state is RunState.RUNNING), None)
    if running is None:
        print_json({"runs": []}) if json else print_text("No run is going on.")
        return int(ExitStatus.OK)
    shown: RunRecord | None = None
    record = running
    while record.state is RunState.RUNNING:
        if not json:
            _show(world.monitor, record, shown)
        shown = record
        world.clock.sleep(FOLLOW_SECONDS)
        record = _again(world, record)
    if json:
        print_json({"runs": [_document(record)]})
    else:
        print_text("\n".join(_lines(record, world.clock.now())))
    return int(ExitStatus.INTERNAL if record.exit_status is None else record.exit_status)


def _show(monitor: Monitor, record: RunRecord, before: RunRecord | None) -> None:
    """Move the display on by what has been done since it was last looked at."""
    if before is None or before.step_number != record.step_number:
        monitor.step(f"{record.command}: {record.step}", total_bytes=record.total_bytes)
        monitor.advance(files=record.done_files, size_bytes=record.done_bytes)
    else:
        files = record.done_files - before.done_files
        monitor.advance(files=files, size_bytes=record.done_bytes - before.done_bytes)
    monitor.at(record.place)


def _again(world: Context, record: RunRecord) -> RunRecord:
    """Return what the same run says now; a later run of the command is not followed."""
    found = [other for other in _records(world) if other.command == record.command]
    return found[0] if found and found[0].pid == record.pid else record


def _lines(record: RunRecord, now: float) -> Iterator[str]:
    from ocsnap.commands.runs.record import RunState  # noqa: PLC0415 - see session

    name = f"{record.command:<10}"
    ended = record.updated if record.finished is None else record.finished
    took = span(ended - record.started)
    match record.state:
        case RunState.RUNNING:
            age = span(now - record.started)
            step = f"{record.step or 'Starting'}{f': {record.place}' if record.place else ''}"
            yield f"{name}running for {age}, process {record.pid}: {step}"
            yield f"{'':10}{_progress(record)}"
            if now - record.updated >= _SILENT_SECONDS:
                silent = span(now - record.updated)
                yield f"{'':10}nothing has moved for {silent}"
        case RunState.DONE:
            snapshot = f", snapshot {record.snapshot[:8]}" if record.snapshot else ""
            status = f", with status {record.exit_status}" if record.exit_status else ""
            yield f"{name}done {_moment(ended)}, took {took}{snapshot}{status}"
        case RunState.FAILED:
            yield f"{name}FAILED {_moment(ended)} with status {record.exit_status}"
            if record.message:
                yield f"{'':10}{record.message}"
        case RunState.DIED:
            yield f"{name}DIED after {_moment(ended)}: {record.step}"
            yield f"{'':10}It was killed, or the machine went down. Run it again."
    if record.problems:
        yield f"{'':10}{record.problems} problems"


def _progress(record: RunRecord) -> str:
    rate, left = record.bytes_per_second, record.remaining_seconds
    told = progress_text(record.done_bytes, record.total_bytes, rate, left)
    files = f"{record.done_files} files"
    return f"{files}, {told}" if told else files


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _document(record: RunRecord) -> dict[str, object]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return {**fields, "state": record.state, "remaining_seconds": record.remaining_seconds}
