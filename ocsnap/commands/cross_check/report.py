"""What a cross-check found."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ocsnap.repository.snapshot import StoredSnapshot

MOST_NAMED: Final = 1000
"""Findings of one kind that are kept by name; the others are counted."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The snapshot has not what ownCloud relies on."""

    WARNING = "warning"
    """The snapshot has what was on the disk, but ownCloud knows it otherwise."""

    NOTE = "note"
    """There is a harmless reason."""


class FindingKind(StrEnum):
    """In what way a file and its row disagree."""

    MISSING = "missing"
    """A row without a file."""

    LOST_HOME = "lost-home"
    """Rows of a home that is not in the snapshot."""

    UNLISTED = "unlisted"
    """A file without a row."""

    KIND = "kind"
    """A folder where the other has a file."""

    SIZE = "size"
    CONTENT = "content"

    UNREADABLE = "unreadable"
    """The content is damaged in the repository."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One disagreement.

    Attributes:
        kind: in what way.
        severity: how bad it is.
        path: the user, or `data`, and the path in there.
        text: a sentence on what is expected and what there is.
    """

    kind: FindingKind
    severity: Severity
    path: str
    text: str


class CrossCheckReport(msgspec.Struct, kw_only=True):
    """The result; all counts are of files, not of folders.

    Attributes:
        snapshot: id of the snapshot.
        started: begin of its backup; seconds since the epoch.
        rows: rows of the file cache that tell of files here.
        files: files in the snapshot, but for configuration and database.
        read_contents: whether contents were read at all.
        compared_sizes: files whose size was compared.
        compared_contents: files whose content was compared with ownCloud's checksum.
        compared_bytes: their sizes.
        without_checksum: files for which ownCloud knows no checksum.
        encrypted: files that ownCloud itself encrypts: only their presence can be checked.
        left_out: rows of what a backup leaves out.
        elsewhere: rows of storages that are on no disk of this ownCloud, by the kind of storage.
        not_listed: files that ownCloud has no rows for, and needs none.
        counts: number of findings by kind and severity, `missing/error`.
        findings: the first of each kind.
        notes: sentences worth reading.
    """

    snapshot: str
    started: float
    rows: int = 0
    files: int = 0
    read_contents: bool = False
    compared_sizes: int = 0
    compared_contents: int = 0
    compared_bytes: int = 0
    without_checksum: int = 0
    encrypted: int = 0
    left_out: int = 0
    elsewhere: dict[str, int] = {}
    not_listed: int = 0
    counts: dict[str, int] = {}
    findings: list[Finding] = []
    notes: list[str] = []

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return self._count(Severity.ERROR)

    @property
    def warnings(self) -> int:
        """Number of findings that are warnings."""
        return self._count(Severity.WARNING)

    @property
    def sound(self) -> bool:
        """Whether the snapshot has all that ownCloud relies on."""
        return not self.errors

    def _count(self, severity: Severity) -> int:
        end = f"/{severity.value}"
        return sum(count for name, count in self.counts.items() if name.endswith(end))


def unreadable(stored: StoredSnapshot, what: str, reason: str) -> CrossCheckReport:
    """Return the report of a cross-check that could not be made.

    Args:
        stored: the snapshot.
        what: what could not be read.
        reason: why, in a sentence.
    """
    report = CrossCheckReport(snapshot=stored.id, started=stored.snapshot.started)
    findings = Findings()
    kind, severity = FindingKind.UNREADABLE, Severity.ERROR
    findings.add(Finding(kind=kind, severity=severity, path=what, text=reason))
    findings.put_into(report)
    return report


class Findings:
    """Gathers findings, from several threads, in bounded memory."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._named: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Take one in."""
        key = f"{finding.kind.value}/{finding.severity.value}"
        with self._lock:
            self._counts[key] += 1
            if self._counts[key] <= MOST_NAMED:
                self._named.append(finding)

    def put_into(self, report: CrossCheckReport) -> None:
        """Hand over all that was gathered, the worst first."""
        order = list(Severity)
        report.counts = dict(sorted(self._counts.items()))
        self._named.sort(key=lambda each: (order.index(each.severity), each.path))
        report.findings = self._named
