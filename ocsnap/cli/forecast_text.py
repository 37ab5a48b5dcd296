"""What `ocsnap backup --dry-run` tells people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocsnap import units
from ocsnap.cli.progress_text import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.backup.forecast import Forecast


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """Tell what a backup would find, send, take and cost.

    Args:
        forecast: the backup that was not made.
    """
    yield from (f"Note: {note}" for note in forecast.notes)
    if forecast.parent is None or forecast.parent_started is None:
        yield "Nothing was done. It would be the first backup of this ownCloud:"
    else:
        moment = datetime.fromtimestamp(forecast.parent_started, UTC).astimezone()
        since = f"snapshot {forecast.parent[:8]} of {moment:%Y-%m-%d %H:%M:%S}"
        yield f"Nothing was done. Since {since}:"
    files = forecast.files
    for word, count, size_bytes in (
        ("New", files.new_files, files.new_file_bytes),
        ("Changed", files.changed_files, files.changed_file_bytes),
        ("Deleted", files.deleted_files, files.deleted_file_bytes),
        ("All", files.source_files, files.source_file_bytes),
    ):
        yield f"  {word + ':':<10}{count} entries, {units.size(size_bytes)}"
    yield f"  {'Database:':<10}{forecast.tables} tables, {units.size(forecast.dump_bytes)}"
    if files.moved_bytes:
        yield f"{units.size(files.moved_bytes)} of what is new stood there under another name."
    yield from _amount_lines(forecast)
    if forecast.prices_of:
        yield (
            f"About ${forecast.dollars:.2f} for {forecast.objects} objects sent, and"
            f" ${forecast.month_dollars:.2f} a month for keeping them ({forecast.prices_of})."
        )
    if forecast.prunes:
        yield "A prune would follow; see: ocsnap prune --dry-run"


def _amount_lines(forecast: Forecast) -> Iterator[str]:
    upload, most = units.size(forecast.upload_bytes), units.size(forecast.most_upload_bytes)
    if forecast.upload_bytes < forecast.most_upload_bytes:
        yield f"About {upload} to upload, {most} at most."
    else:
        yield f"At most {upload} to upload."
    time = f"About {span(max(forecast.seconds, 1))}"
    if not forecast.backups:
        yield f"{time} at 20 MB a second."
        return
    former = "the last backup" if forecast.backups == 1 else f"the last {forecast.backups} backups"
    yield f"{time}, going by {former}."
    if forecast.maintenance_seconds:
        locked_out = span(max(forecast.maintenance_seconds, 1))
        yield f"ownCloud would be in maintenance for about {locked_out} of it."
