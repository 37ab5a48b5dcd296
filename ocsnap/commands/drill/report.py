"""What a drill tells."""

from __future__ import annotations

import msgspec

from ocsnap.commands.cross_check.report import CrossCheckReport


class DrillReport(msgspec.Struct, kw_only=True):
    """A rehearsal of the restore.

    Attributes:
        snapshot: id of the snapshot.
        host: the machine that rehearsed.
        started: begin of the drill; seconds since the epoch.
        recovery_point_seconds: how old the restored state was then: what would have been lost.
        recovery_seconds: how long it took until files and database were there; None if they were
            not.
        files_seconds: of it, the files.
        database_seconds: of it, the database.
        check_seconds: what the checks took afterwards.
        files: entries restored.
        size_bytes: sizes of the regular files.
        tables: tables loaded.
        rows: rows loaded, each table compared with the dump's count and checksum.
        database: where it was loaded.
        folder: where the files were restored.
        kept: whether both are still there.
        cross_check: the restored files against the restored rows; None if it did not come to that.
        problems: what is wrong, in sentences.
        notes: sentences worth reading.
        files_of_report: where this report was written.
    """

    snapshot: str
    host: str
    started: float
    recovery_point_seconds: float
    recovery_seconds: float | None = None
    files_seconds: float = 0.0
    database_seconds: float = 0.0
    check_seconds: float = 0.0
    files: int = 0
    size_bytes: int = 0
    tables: int = 0
    rows: int = 0
    database: str = ""
    folder: str = ""
    kept: bool = False
    cross_check: CrossCheckReport | None = None
    problems: list[str] = []
    notes: list[str] = []
    files_of_report: list[str] = []

    @property
    def sound(self) -> bool:
        """Whether everything came back and is right."""
        return not self.problems and self.cross_check is not None and self.cross_check.sound
