"""`ocsnap restore`: files and database as they were.

Files are built beside the place where they belong and renamed in; what stood there is kept under
another name. A failure before that leaves everything as it was, one during it is undone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.dump_folder import DumpFolder
from ocsnap.commands.layout import (
    Layout,
    Part,
    database_root,
    layout_elsewhere,
    layout_in_place,
    roots_of,
)
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.site import open_site
from ocsnap.commands.swap import Swap
from ocsnap.database.open import load_database
from ocsnap.errors import DamagedError, LocalIOError, OwncloudError, RefusedError
from ocsnap.repository.selector import LATEST, select
from ocsnap.snapshot.restorer import Placement, Restorer, RestoreReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.database.database import LoadReport
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

_STAMP: Final = "%Y%m%d-%H%M%S"
ALL_PARTS: Final = frozenset(Part)


@dataclass(frozen=True)
class RestoreOptions:
    """What to restore, and where to.

    Attributes:
        parts: which parts of the snapshot.
        snapshot: how the snapshot is named; see `select`.
        target: an empty or absent folder for the files and the dump; None: where they were.
        database_name: load the database under this name instead of its own.
    """

    parts: frozenset[Part] = ALL_PARTS
    snapshot: str = LATEST
    target: Path | None = None
    database_name: str | None = None


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore is about to do.

    Attributes:
        snapshot: id of the snapshot.
        started: when its backup began; seconds since the epoch.
        replaced: folders and databases that it replaces; they are kept under other names.
    """

    snapshot: str
    started: float
    replaced: list[str]


class RestoreOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did.

    Attributes:
        snapshot: id of the snapshot.
        files: entries restored.
        size_bytes: sizes of the regular files.
        failed: paths that could not be restored, or not whole.
        left_out: sockets and devices.
        places: where the files are now.
        kept: where what stood there before is now.
        database: where the database is now; None if none was loaded.
        kept_database: where the previous database is now.
        tables: tables loaded.
        rows: rows loaded.
        seconds: how long it took.
        notes: sentences worth reading.
    """

    snapshot: str
    files: int
    size_bytes: int
    failed: list[str]
    left_out: list[str]
    places: list[str]
    kept: list[str]
    database: str | None
    kept_database: str | None
    tables: int
    rows: int
    seconds: float
    notes: list[str]


def restore(
    context: Context, options: RestoreOptions, confirm: Callable[[RestorePlan], bool]
) -> RestoreOutcome:
    """Restore a snapshot or parts of it.

    Args:
        context: the outside world.
        options: what and where to.
        confirm: asked before anything that stands is replaced.

    Returns:
        What was restored; files that are damaged in the repository are named there.

    Raises:
        RefusedError: `confirm` said no, or the target is not empty.
        OcsnapError: nothing was changed.
    """
    folder = state_dir(context)
    with run_lock(folder, "a restore"), closing(connect(context).repository) as repository:
        context.monitor.step("Checking")
        repository.synchronise(context.monitor)
        stored = select(repository.snapshots(context.monitor), options.snapshot)
        run = _Restore(context, options, folder, repository, stored)
        return run.run(confirm)


@dataclass
class _Restore:
    """One run."""

    context: Context
    options: RestoreOptions
    folder: Path
    repository: Repository
    stored: StoredSnapshot

    def run(self, confirm: Callable[[RestorePlan], bool]) -> RestoreOutcome:
        clock = self.context.clock
        began = clock.monotonic()
        stamp = datetime.fromtimestamp(clock.now(), UTC).strftime(_STAMP)
        layout = self._layout(stamp)
        self._refuse_if_unfit(layout)
        plan = self._plan(layout)
        if plan.replaced and not confirm(plan):
            raise RefusedError("Nothing was restored.", hint="Confirm it, or give --yes.")
        with ExitStack() as stack:
            report, dump = self._build(layout, stack)
            swap = Swap(layout.moves)
            loaded = self._put_in_place(swap, dump)
        return self._outcome(report, layout, swap, loaded, clock.monotonic() - began)

    @property
    def snapshot(self) -> Snapshot:
        return self.stored.snapshot

    @property
    def loads_database(self) -> bool:
        if Part.DATABASE not in self.options.parts:
            return False
        return self.options.target is None or self.options.database_name is not None

    # -- before anything is touched ----------------------------------------------------------

    def _layout(self, stamp: str) -> Layout:
        parts, target = self.options.parts, self.options.target
        if target is not None:
            return layout_elsewhere(self.snapshot, parts, target.absolute())
        configured = str(self.context.config.owncloud.root)
        if configured != self.snapshot.owncloud.root:
            raise RefusedError(
                f"The snapshot is of {self.snapshot.owncloud.root}, "
                f"but owncloud.root is {configured}.",
                hint="Correct owncloud.root, or restore elsewhere with --target.",
            )
        return layout_in_place(self.snapshot, parts, stamp)

    def _refuse_if_unfit(self, layout: Layout) -> None:
        target = self.options.target
        if target is not None and target.exists() and any(target.iterdir()):
            raise RefusedError(f"{target} is not empty.", hint="Name another --target.")
        needed = sum(placement.root.size_bytes for placement in layout.placements)
        for folder in layout.folders[:1]:
            existing = next(path for path in (folder, *folder.parents) if path.exists())
            free = shutil.disk_usage(existing).free
            if free < needed:
                raise LocalIOError(
                    f"{existing} has {free} bytes free, the restore needs {needed}.",
                    hint="Make room, or restore elsewhere with --target.",
                )

    def _plan(self, layout: Layout) -> RestorePlan:
        replaced = [str(move.place) for move in layout.moves if os.path.lexists(move.place)]
        if self.loads_database:
            name = self.options.database_name or self.snapshot.owncloud.database_name
            replaced.append(f"database {name}")
        return RestorePlan(
            snapshot=self.stored.id, started=self.snapshot.started, replaced=replaced
        )

    # -- building ----------------------------------------------------------------------------

    def _build(self, layout: Layout, stack: ExitStack) -> tuple[RestoreReport, Path | None]:
        """Build all files beside their places; a failure removes them."""
        monitor = self.context.monitor
        placements = list(layout.placements)
        dump: Path | None = None
        root = database_root(roots_of(self.snapshot, self.options.parts))
        if self.options.target is not None and root is not None:
            dump = self.options.target.absolute() / Part.DATABASE.value
        elif root is not None:
            scratch = tempfile.TemporaryDirectory(dir=self.folder, prefix="restore-")
            dump = Path(stack.enter_context(scratch)) / "dump"
            placements.append(Placement(root, os.fsencode(dump)))
        total_bytes = sum(placement.root.size_bytes for placement in placements)
        monitor.step("Restoring files", total_bytes=total_bytes)
        self._make_folders(layout)
        stack.callback(_remove, [move.built for move in layout.moves])
        restorer = Restorer(self.repository, monitor=monitor, owners=self.context.superuser)
        report = restorer.restore(placements)
        lost = [path for path in report.failed if dump and Path(path).is_relative_to(dump)]
        if lost:
            raise DamagedError(
                f"The database dump is damaged in the repository: {', '.join(lost)}.",
                hint="Run ocsnap verify, then restore another --snapshot.",
            )
        return report, dump

    def _make_folders(self, layout: Layout) -> None:
        try:
            for folder in layout.folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalIOError(
                f"{error.filename} cannot be made: {error.strerror}.", hint="Check the rights."
            ) from error

    # -- putting in place --------------------------------------------------------------------

    def _put_in_place(self, swap: Swap, dump: Path | None) -> LoadReport | None:
        if not swap.moves and not self.loads_database:
            return None
        with self._frozen():
            self.context.monitor.step("Putting everything in place")
            swap.make()
            try:
                self._carry_over_database(swap)
                return self._load(dump) if dump is not None and self.loads_database else None
            except BaseException:
                swap.undo()
                raise

    def _frozen(self) -> ExitStack:
        """Freeze what still runs; a site that is broken cannot be frozen, and need not be."""
        stack = ExitStack()
        try:
            site = open_site(self.context, self.folder, demand_data=False)
            freeze = stack.enter_context(site.maintenance.freeze())
        except OwncloudError as error:
            self.context.monitor.note(
                f"ownCloud was not put into maintenance: {error.message} "
                "Stop the web server if it runs."
            )
        else:
            if freeze.found_on:
                # The restored config.php knows nothing of it.
                stack.callback(site.occ.set_maintenance, on=True)
        return stack

    def _carry_over_database(self, swap: Swap) -> None:
        """Take along an SQLite file that lies in the data directory and is not restored."""
        if self.snapshot.owncloud.database_kind != "sqlite3" or self.loads_database:
            return
        file = Path(self.snapshot.owncloud.database_name)
        for move in swap.moves:
            if file.is_relative_to(move.place):
                for old in _database_files(move.kept / file.relative_to(move.place)):
                    new = move.place / old.relative_to(move.kept)
                    old.rename(new)
                    swap.done.append((old, new))

    def _load(self, dump: Path) -> LoadReport:
        site = open_site(self.context, self.folder, demand_data=False)
        self.context.monitor.step("Loading the database")
        return load_database(
            self._settings(site),
            DumpFolder(dump),
            clock=self.context.clock,
            monitor=self.context.monitor,
        )

    def _settings(self, site: Site) -> DatabaseSettings:
        name = self.options.database_name
        return site.settings if name is None else replace(site.settings, name=name)

    def _outcome(
        self,
        report: RestoreReport,
        layout: Layout,
        swap: Swap,
        loaded: LoadReport | None,
        seconds: float,
    ) -> RestoreOutcome:
        moved = [str(move.place) for move in layout.moves]
        target = self.options.target
        return RestoreOutcome(
            snapshot=self.stored.id,
            files=report.files,
            size_bytes=report.size_bytes,
            failed=report.failed,
            left_out=report.left_out,
            places=moved if target is None else [str(target)],
            kept=swap.kept(),
            database=loaded.database if loaded else None,
            kept_database=loaded.kept if loaded else None,
            tables=loaded.tables if loaded else 0,
            rows=loaded.rows if loaded else 0,
            seconds=seconds,
            notes=list(loaded.notes) if loaded else [],
        )


def _database_files(file: Path) -> Iterator[Path]:
    for suffix in ("", "-wal", "-shm", "-journal"):
        candidate = file.with_name(file.name + suffix)
        if candidate.exists():
            yield candidate


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
