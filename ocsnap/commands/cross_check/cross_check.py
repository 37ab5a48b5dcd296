"""The cross-check: a snapshot's files against the rows of the file cache in its own dump.

Both are of the same moment, so each file of the one must be in the other. What differs without a
reason is an error; what was written to the disk past ownCloud, or is unknown to it, is a warning:
the backup is as the disk was, and `occ files:scan` would make ownCloud see it.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.commands.cross_check import trees
from ocsnap.commands.cross_check.book import Book, Kind, Present, Remembered, Wanted
from ocsnap.commands.cross_check.memory import Memory
from ocsnap.commands.cross_check.report import (
    CrossCheckReport,
    Finding,
    FindingKind,
    Findings,
    Severity,
)
from ocsnap.commands.scratch_folder import scratch_folder
from ocsnap.owncloud import checksums
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.cross_check.side import Side
    from ocsnap.database.rows import DumpRows
    from ocsnap.monitor import Monitor
    from ocsnap.repository.snapshot import StoredSnapshot


class CrossCheck:
    """One cross-check."""

    def __init__(
        self,
        stored: StoredSnapshot,
        *,
        exclude: tuple[str, ...],
        scratch_dir: Path,
        monitor: Monitor,
    ) -> None:
        """Prepare.

        Args:
            stored: the snapshot.
            exclude: the configured patterns of what is left out.
            scratch_dir: an existing folder for temporary files that only we can enter.
            monitor: is told of the progress.
        """
        self._snapshot = stored.snapshot
        self._scratch_dir = scratch_dir
        self._monitor = monitor
        self._roots = trees.roots_of(stored.snapshot)
        self._left_out = trees.LeftOut(stored.snapshot, self._roots, exclude)
        self._open = {(user, os.fsencode(path)) for user, path in stored.snapshot.open_files}
        self._findings = Findings()
        self._report = CrossCheckReport(snapshot=stored.id, started=stored.snapshot.started)

    def run(self, rows: DumpRows, files: Side) -> CrossCheckReport:
        """Compare.

        Args:
            rows: the tables of the snapshot's dump.
            files: the files.

        Returns:
            What differs.

        Raises:
            DatabaseError: the dump is damaged.
            DamagedError: a listing is damaged.
            OcsnapError: the storage or the key fails.
        """
        with (
            scratch_folder(self._scratch_dir, "cross-check-") as folder,
            closing(Book(folder)) as book,
        ):
            self._write_down(book, rows, files)
            self._monitor.step("Comparing files and rows")
            for remembered, present in book.pairs():
                self._compare(book, remembered, present, files)
            self._report.read_contents = files.has_contents
            if files.has_contents:
                files.compare(book, self)
        if not self._left_out.certain:
            self._report.notes.append(
                "What is left out is configured otherwise now than when the snapshot was made: "
                "missing files may have been left out then."
            )
        self._findings.put_into(self._report)
        return self._report

    # -- gathering ---------------------------------------------------------------------------

    def _write_down(self, book: Book, rows: DumpRows, files: Side) -> None:
        self._monitor.step("Reading ownCloud's file cache")
        memory = Memory(rows, self._snapshot.owncloud.table_prefix, self._roots)
        for remembered in memory.remembered():
            book.add(remembered)
            self._report.rows += not remembered.folder
        self._report.elsewhere = dict(sorted(memory.elsewhere.items()))
        for user, count in sorted(memory.lost_homes.items()):
            text = f"ownCloud knows {count} files in this home, which is not in the snapshot."
            self._find(FindingKind.LOST_HOME, Severity.ERROR, user, text)
        self._monitor.step("Listing the files")
        for item in files.items(self._roots):
            book.add(item)
            self._report.files += item.kind == Kind.FILE

    # -- comparing ---------------------------------------------------------------------------

    def _compare(
        self,
        book: Book,
        remembered: list[Remembered],
        present: Present | None,
        files: Side,
    ) -> None:
        if present is None:
            self._missing(remembered[0])
        elif not remembered:
            self._unlisted(present)
        elif present.kind != Kind.OTHER:  # a link may lead to either
            for row in remembered:
                self._compare_one(book, row, present, files)

    def _missing(self, row: Remembered) -> None:
        if self._left_out.matches(row.root, row.path):
            self._report.left_out += not row.folder
            return
        what = "a folder" if row.folder else f"a file of {row.size} bytes"
        if self._is_open(row.root, row.path):
            text = f"ownCloud knows {what}, which was being uploaded during the backup."
            self._find(FindingKind.MISSING, Severity.NOTE, self._shown(row), text)
        else:
            text = f"ownCloud knows {what}, the snapshot has none."
            self._find(FindingKind.MISSING, Severity.ERROR, self._shown(row), text)

    def _unlisted(self, file: Present) -> None:
        if file.kind != Kind.FILE:
            return
        if not trees.must_be_listed(self._roots[file.root], file.path):
            self._report.not_listed += 1
            return
        is_open = self._is_open(file.root, file.path)
        severity = Severity.NOTE if is_open else Severity.WARNING
        text = f"the snapshot has a file of {file.size} bytes that ownCloud does not know."
        self._find(FindingKind.UNLISTED, severity, self._shown(file), text)

    def _compare_one(self, book: Book, row: Remembered, file: Present, files: Side) -> None:
        if row.folder != (file.kind == Kind.FOLDER):
            names = ("a folder", "a file") if row.folder else ("a file", "a folder")
            text = f"ownCloud knows {names[0]}, the snapshot has {names[1]}."
            self._find(FindingKind.KIND, Severity.ERROR, self._shown(row), text)
            return
        if row.folder:
            return
        if row.encrypted:
            self._report.encrypted += 1
            return
        touched = row.mtime != file.mtime
        self._report.compared_sizes += row.size >= 0
        if row.size >= 0 and row.size != file.size:
            text = f"ownCloud knows {row.size} bytes, the snapshot has {file.size}"
            self._differs(FindingKind.SIZE, row, text, touched=touched, unsteady=file.unsteady)
        elif not checksums.parse(row.checksum):
            self._report.without_checksum += 1
        elif files.has_contents:
            self._want(book, row, file, files, touched=touched)

    def _want(
        self,
        book: Book,
        row: Remembered,
        file: Present,
        files: Side,
        *,
        touched: bool,
    ) -> None:
        if not file.size:
            self._compare_empty(row, touched=touched)
            return
        place = files.place(file)
        if place is None:
            text = "its content is not in the repository."
            self._find(FindingKind.UNREADABLE, Severity.ERROR, self._shown(row), text)
        elif files.wants(place.pack):
            # A file that is still being written may be a mixture.
            young = touched or file.unsteady
            item = (place.pack, place.offset, row.root, row.path, file.size, row.checksum)
            book.add(Wanted(*item, young, file.content))

    def _compare_empty(self, row: Remembered, *, touched: bool) -> None:
        wanted = Wanted("", 0, row.root, row.path, 0, row.checksum, touched, b"")
        names = checksums.differing(checksums.parse(row.checksum), ())
        if names:
            self.differs(wanted, names)
        else:
            self.same(wanted)

    # -- contents (see `Judge`) --------------------------------------------------------------

    def same(self, file: Wanted) -> None:
        """Count a file that is as ownCloud knows it."""
        self._report.compared_contents += 1
        self._report.compared_bytes += file.size

    def differs(self, file: Wanted, names: list[str]) -> None:
        """Report a file with another content."""
        self.same(file)
        text = f"its {' and '.join(names)} is not what ownCloud knows"
        self._differs(FindingKind.CONTENT, file, text, touched=file.touched, unsteady=False)

    def unreadable(self, file: Wanted, reason: str) -> None:
        """Report a file whose content is damaged."""
        self._find(FindingKind.UNREADABLE, Severity.ERROR, self._shown(file), reason)

    # -- reporting ---------------------------------------------------------------------------

    def _differs(
        self,
        kind: FindingKind,
        where: Remembered | Wanted,
        text: str,
        *,
        touched: bool,
        unsteady: bool,
    ) -> None:
        if unsteady or self._is_open(where.root, where.path):
            reason, severity = "it was being written during the backup.", Severity.NOTE
        elif touched:
            reason, severity = "it was written past ownCloud.", Severity.WARNING
        else:
            reason, severity = "its time says that nobody wrote it.", Severity.ERROR
        self._find(kind, severity, self._shown(where), f"{text}; {reason}")

    def _is_open(self, number: int, path: bytes) -> bool:
        root = self._roots[number]
        names = {root.name} if root.kind is RootKind.HOME else {f"local::{os.fsdecode(root.path)}/"}
        return any((name, path) in self._open for name in names)

    def _shown(self, item: Remembered | Present | Wanted) -> str:
        return f"{self._roots[item.root].name}/{os.fsdecode(item.path)}"

    def _find(self, kind: FindingKind, severity: Severity, path: str, text: str) -> None:
        self._findings.add(Finding(kind=kind, severity=severity, path=path, text=text))
