"""A cross-check's report as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ocsnap import units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.cross_check.report import CrossCheckReport

_WORDS: Final = {"error": "WRONG", "warning": "DIFFERS", "note": "Note"}


def cross_check_lines(report: CrossCheckReport) -> Iterator[str]:
    """Return the lines that tell people of a cross-check.

    Args:
        report: what was found.
    """
    for finding in report.findings:
        yield f"{_WORDS[finding.severity.value]} {finding.path}: {finding.text}"
    total = sum(report.counts.values())
    if total > len(report.findings):
        yield f"{total - len(report.findings)} more are not named: too many of one kind."
    moment = datetime.fromtimestamp(report.started, UTC).astimezone()
    yield (
        f"Cross-check of snapshot {report.snapshot[:8]} of {moment:%Y-%m-%d %H:%M:%S}: "
        f"{report.files} files, {report.rows} rows of them in ownCloud's file cache."
    )
    yield f"  Size compared: {report.compared_sizes} files."
    if report.read_contents:
        yield (
            f"  Content compared with ownCloud's checksum: {report.compared_contents} files, "
            f"{units.size(report.compared_bytes)}; ownCloud has none for {report.without_checksum}."
        )
    else:
        yield "  Contents were not read: that takes --read-data."
    yield from _exceptions(report)
    if report.sound and not report.warnings:
        yield "The snapshot has all that ownCloud knows, and nothing that it does not."
    else:
        yield f"{report.errors} are wrong, {report.warnings} differ since ownCloud last looked."


def _exceptions(report: CrossCheckReport) -> Iterator[str]:
    if report.encrypted:
        yield f"  Encrypted by ownCloud, so only their presence was checked: {report.encrypted}."
    if report.left_out:
        yield f"  Rows of what a backup leaves out: {report.left_out}."
    for kind, count in report.elsewhere.items():
        yield f"  Rows of storages that are not on this ownCloud's disks ({kind}): {count}."
    if report.not_listed:
        yield f"  Files that ownCloud keeps no list of: {report.not_listed}."
    for note in report.notes:
        yield f"  {note}"
