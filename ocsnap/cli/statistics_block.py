"""The statistics of a backup, in the very layout that duplicity's users grep (duplicity 3.2.1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ocsnap import units
from ocsnap.cli.text_table import Column, TextTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from ocsnap.commands.backup.report import BackupReport

HEAD: Final = "--------------[ Backup Statistics ]--------------"
SECOND_HEAD: Final = "--------------[ ocsnap Statistics ]--------------"
FOOT: Final = "-" * len(HEAD)

_COLUMNS: Final = (
    Column("Name", 27, is_number=False, breaks=False),
    Column("Value", 20),
    Column("In words", 30, is_number=False),
)
_BAD: Final = frozenset({"Errors", "UnreadableFiles"})


def statistics_block(report: BackupReport) -> str:
    """Return both blocks, duplicity's and ours, as text.

    Args:
        report: the backup.
    """
    lines = [HEAD, *duplicity_lines(report), FOOT, SECOND_HEAD, *own_lines(report), FOOT]
    return "\n".join(lines)


def drawn_statistics(report: BackupReport, columns: int) -> RenderableType:
    """Return both blocks as tables for a terminal, beside each other where it is wide enough.

    The names and the figures are those of the text, so that nobody has to learn two of them.

    Args:
        report: the backup.
        columns: how wide the terminal is.
    """
    from rich.columns import Columns  # noqa: PLC0415 - rich only for a terminal

    blocks = (("Backup Statistics", duplicity_lines), ("ocsnap Statistics", own_lines))
    return Columns([_table(title, lines(report)).drawn(columns) for title, lines in blocks])


def _table(title: str, lines: Iterable[str]) -> TextTable:
    table = TextTable(_COLUMNS, title)
    for line in lines:
        name, _, rest = line.partition(" ")
        value, _, words = rest.partition(" (")
        words = words.removesuffix(")")
        table.add(name, value, words, is_bad=name in _BAD and value != "0")
    return table


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
    yield f"EstimatedMonthlyCost {report.month_dollars:.2f} USD"


def _moment(name: str, seconds: float) -> str:
    return f"{name} {seconds:.2f} ({time.ctime(seconds)})"


def _bytes(name: str, count_bytes: int) -> str:
    return f"{name} {count_bytes} ({units.size(count_bytes)})"
