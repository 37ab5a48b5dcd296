"""`ocsnap drill`: does it really come back, how long does it take, and how old is it then?

The live ownCloud is not touched: files go into a scratch folder, the database into a scratch schema
beside its own. Both are removed at the end; after a kill the next drill does it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.backup.sources import refuse_inside
from ocsnap.commands.browse.look import look
from ocsnap.commands.context import state_dir
from ocsnap.commands.cross_check.cross_check import CrossCheck
from ocsnap.commands.cross_check.restored_files import RestoredFiles
from ocsnap.commands.drill.report import DrillReport
from ocsnap.commands.drill.scratch import PREFIX, Scratch, Scratches, database_name
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.restore.dump_folder import DumpFolder
from ocsnap.commands.restore.layout import Part, layout_elsewhere
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.runs.recorder import recorded
from ocsnap.commands.site import open_site
from ocsnap.database.database import read_manifest
from ocsnap.database.open import load_database, open_rows
from ocsnap.database.settings import DatabaseSettings
from ocsnap.errors import DamagedError, DatabaseError, ExitStatus, LocalIOError, ObjectMissingError
from ocsnap.repository.selector import LATEST
from ocsnap.snapshot.restorer import Restorer

if TYPE_CHECKING:
    from ocsnap.commands.browse.look import Look
    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.layout import Layout
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

FOLDER: Final = "drill"
_ALL: Final = frozenset(Part)
_STAMP: Final = "%Y%m%d%H%M%S%f"
_STAMP_DIGITS: Final = 17


@dataclass(frozen=True)
class DrillOptions:
    """How to rehearse.

    Attributes:
        snapshot: what to restore; see `select`.
        scratch: the folder in which the scratch folder is made; None: in `backup.state_dir`.
        keep: leave what was restored.
    """

    snapshot: str = LATEST
    scratch: Path | None = None
    keep: bool = False


def drill(context: Context, options: DrillOptions) -> DrillReport:
    """Restore a snapshot into scratch places and check it.

    Args:
        context: the outside world.
        options: what, and where.

    Returns:
        What was found, and how long it took; `sound` says whether all is right.

    Raises:
        HookError: a hook stopped it.
        OcsnapError: it could not begin: no room, no snapshot, no repository, another drill.
    """
    notes = state_dir(context) / FOLDER
    try:
        notes.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LocalIOError(f"{notes} cannot be made: {error.strerror}.") from error
    with (
        run_lock(notes, "a drill"),
        recorded(context, state_dir(context), "drill") as record,
    ):
        context = record.context
        demand(context, HookPoint.BEFORE_DRILL)
        with look(context, locked=True) as opened:
            stored = opened.choose(options.snapshot)
            report = _Drill(context, options, notes, opened, stored).run()
        record.conclude(ExitStatus.OK if report.sound else ExitStatus.UNSOUND)
        return report


@dataclass
class _Drill:
    context: Context
    options: DrillOptions
    notes: Path
    look: Look
    stored: StoredSnapshot

    def run(self) -> DrillReport:
        context, snapshot = self.context, self.snapshot
        now = context.clock.now()
        stamp = f"{datetime.fromtimestamp(now, UTC):{_STAMP}}"[:_STAMP_DIGITS]
        settings = self._settings()
        base = (self.options.scratch or self.notes).absolute()
        scratches = Scratches(self.notes, settings, context.monitor)
        report = DrillReport(
            snapshot=self.stored.id,
            host=context.host,
            started=now,
            recovery_point_seconds=max(0.0, now - snapshot.started),
            kept=self.options.keep,
        )
        if removed := scratches.remove_dead():
            report.notes.append(f"Removed what {removed} drills that were killed had left.")
        name = None if settings is None else database_name(settings.name, stamp)
        scratch = Scratch(base / f"{PREFIX}{stamp}", name)
        self._refuse_unfit(base)
        with ExitStack() as stack:
            stack.enter_context(scratches.made(scratch, stamp, keep=self.options.keep))
            self._rehearse(report, scratch, settings)
        if self.options.keep:
            report.folder = str(scratch.folder)
        return report

    @property
    def snapshot(self) -> Snapshot:
        return self.stored.snapshot

    def _settings(self) -> DatabaseSettings | None:
        """Return how the database server is reached; None for SQLite, which needs none."""
        if self.snapshot.owncloud.database_kind == "sqlite3":
            return None
        settings = open_site(self.context, state_dir(self.context), demand_data=False).settings
        if settings.kind != "mysql":
            raise DatabaseError(
                "The snapshot's database is of MySQL, and ownCloud now has another.",
                hint="Name a server in [database].",
            )
        return settings

    def _refuse_unfit(self, base: Path) -> None:
        refuse_inside(Path(self.snapshot.owncloud.data_dir), [("--scratch", base)])
        if not base.is_dir():
            raise LocalIOError(f"{base} is no folder.", hint="Name another one with --scratch.")
        needed_bytes = self.snapshot.size_bytes
        if self.snapshot.owncloud.database_kind == "sqlite3":
            needed_bytes += sum(
                root.size_bytes for root in self.snapshot.roots if root.kind.value == "database"
            )
        check_room([(base, needed_bytes)])

    # -- the rehearsal -----------------------------------------------------------------------

    def _rehearse(
        self, report: DrillReport, scratch: Scratch, settings: DatabaseSettings | None
    ) -> None:
        """Restore, measure, check; what goes wrong is no failure but what drills are for."""
        clock = self.context.clock
        layout = layout_elsewhere(self.snapshot, _ALL, scratch.folder)
        dump = DumpFolder(scratch.folder / Part.DATABASE.value)
        began = clock.monotonic()
        try:
            self._restore_files(report, layout)
            report.files_seconds = clock.monotonic() - began
            self._load(report, scratch, dump, settings)
            report.recovery_seconds = clock.monotonic() - began
            report.database_seconds = report.recovery_seconds - report.files_seconds
            self._check(report, layout, dump)
            report.check_seconds = clock.monotonic() - began - report.recovery_seconds
        except (DamagedError, DatabaseError, ObjectMissingError, LocalIOError) as error:
            report.problems.append(str(error))

    def _restore_files(self, report: DrillReport, layout: Layout) -> None:
        monitor = self.context.monitor
        total_bytes = sum(placement.root.size_bytes for placement in layout.placements)
        monitor.step("Restoring files", total_bytes=total_bytes)
        for folder in layout.folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        restorer = Restorer(self.look.repository, monitor=monitor, owners=self.context.superuser)
        done = restorer.restore(layout.placements)
        report.files, report.size_bytes = done.files, done.size_bytes
        report.problems += [f"{path} did not come back, or not whole." for path in done.failed]
        report.notes += [f"Left out, a socket or a device: {path}" for path in done.left_out]
        expected = self.snapshot.files
        if done.files != expected:
            report.problems.append(
                f"{done.files} entries came back, the snapshot tells of {expected}."
            )

    def _load(
        self,
        report: DrillReport,
        scratch: Scratch,
        dump: DumpFolder,
        settings: DatabaseSettings | None,
    ) -> None:
        if settings is None:
            target = DatabaseSettings(kind="sqlite3", name=str(scratch.folder / "loaded.sqlite"))
        else:
            target = replace(settings, name=scratch.database or "")
        loaded = load_database(target, dump, clock=self.context.clock, monitor=self.context.monitor)
        report.database, report.tables, report.rows = loaded.database, loaded.tables, loaded.rows

    def _check(self, report: DrillReport, layout: Layout, dump: DumpFolder) -> None:
        manifest = read_manifest(dump)
        rows = {table.name: table.rows for table in manifest.tables}
        for table, expected in self.snapshot.rows.items():
            if rows.get(table) != expected:
                report.problems.append(
                    f"The table {table} has {rows.get(table)} rows, the backup told {expected}."
                )
        folders = {
            placement.root.path: Path(os.fsdecode(placement.target))
            for placement in layout.placements
        }
        check = CrossCheck(
            self.stored,
            exclude=self.context.config.backup.exclude,
            scratch_dir=state_dir(self.context),
            monitor=self.context.monitor,
        )
        side = RestoredFiles(folders, monitor=self.context.monitor)
        with open_rows(dump, scratch_dir=state_dir(self.context)) as tables:
            report.cross_check = check.run(tables, side)
