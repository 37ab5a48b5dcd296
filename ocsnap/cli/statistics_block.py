"""The statistics of a backup, in the very layout that duplicity's users grep (duplicity 3.2.1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ocsnap import units
from ocsnap.storage.prices import load_prices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.backup.report import BackupReport

HEAD: Final = "--------------[ Backup Statistics ]--------------"
SECOND_HEAD: Final = "--------------[ ocsnap Statistics ]--------------"
FOOT: Final = "-" * len(HEAD)


def statistics_block(report: BackupReport) -> str:
    """Return both blocks, duplicity's and ours, as text.

    Args:
        report: the backup.
    """
    lines = [HEAD, *duplicity_lines(report), FOOT, SECOND_HEAD, *own_lines(report), FOOT]
    return "\n".join(lines)


def duplicity_lines(report: BackupReport) -> Iterator[str]:
    """Yield the lines of duplicity's block: names, order, units and layout are duplicity's."""
    figures = report.statistics
    elapsed = report.finished - report.started
    entries = figures.new_files + figures.changed_files + figures.deleted_files
    change = report.put_bytes - report.deleted_bytes
    yield _moment("StartTime", report.started)
    yield _moment("EndTime", report.finished)
    yield f"ElapsedTime {elapsed:.2f} ({units.duration(elapsed)})"
    yield f"SourceFiles {figures.source_files}"
    yield _bytes("SourceFileSize", figures.source_file_bytes)
    yield f"NewFiles {figures.new_files}"
    yield _bytes("NewFileSize", figures.new_file_bytes)
    yield f"DeletedFiles {figures.deleted_files}"
    yield f"ChangedFiles {figures.changed_files}"
    yield _bytes("ChangedFileSize", figures.changed_file_bytes)
    yield _bytes("ChangedDeltaSize", figures.changed_delta_bytes)
    yield f"DeltaEntries {entries}"
    yield _bytes("RawDeltaSize", figures.raw_delta_bytes)
    yield _bytes("TotalDestinationSizeChange", change)
    yield f"Errors {figures.errors}"


def own_lines(report: BackupReport) -> Iterator[str]:
    """Yield the lines of the second block."""
    figures = report.statistics
    elapsed = max(report.finished - report.started, 1e-9)
    yield f"SnapshotId {report.snapshot[:8]}"
    yield f"MaintenanceSeconds {report.window.total_seconds:.2f}"
    for name, seconds in (
        ("On", report.window.on_seconds),
        ("Settle", report.window.settle_seconds),
        ("Drain", report.window.drain_seconds),
        ("Database", report.window.database_seconds),
        ("Scan", report.window.scan_seconds),
        ("Read", report.window.read_seconds),
        ("Off", report.window.off_seconds),
    ):
        yield f"Maintenance{name}Seconds {seconds:.2f}"
    yield f"DumpSeconds {report.dump_seconds:.2f}"
    yield _bytes("DumpSize", report.dump_bytes)
    yield f"DumpTables {report.tables}"
    yield f"UnreadableFiles {figures.errors}"
    yield f"DirectoriesRead {figures.directories_read}"
    yield f"FilesRead {figures.files_read}"
    yield _bytes("DedupedBytes", figures.deduplicated_bytes)
    yield _bytes("MetadataBytes", report.metadata_bytes)
    yield f"ObjectsPut {report.objects_put}"
    yield f"RequestsMade {report.requests}"
    yield f"ThroughputMBps {figures.read_bytes / elapsed / 1e6:.2f}"
    yield _bytes("RepositorySize", report.repository_bytes)
    # As if all of it lay in the usual storage class; `ocsnap cost` asks where it lies.
    yield f"EstimatedMonthlyCost {load_prices().keeping(report.repository_bytes) or 0:.2f} USD"


def _moment(name: str, seconds: float) -> str:
    return f"{name} {seconds:.2f} ({time.ctime(seconds)})"


def _bytes(name: str, count_bytes: int) -> str:
    return f"{name} {count_bytes} ({units.size(count_bytes)})"
