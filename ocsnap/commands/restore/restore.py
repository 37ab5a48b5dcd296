"""`ocsnap restore`: files and database as they were.

Files are built beside the place where they belong and renamed in; what stood there is kept under
another name. A failure before that leaves everything as it was, one during it is undone.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.repository_lock import reader_lock
from ocsnap.commands.restore.dump_folder import DumpFolder
from ocsnap.commands.restore.folders import make_folder, refuse_unless_empty, remove
from ocsnap.commands.restore.layout import (
    Layout,
    Part,
    database_root,
    layout_elsewhere,
    layout_in_place,
    roots_of,
)
from ocsnap.commands.restore.report import RestoreOptions, RestoreOutcome, RestorePlan
from ocsnap.commands.restore.room import check_room
from ocsnap.commands.restore.standstill import Standstill
from ocsnap.commands.restore.swap import MOUNT_POINT, Swap
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.site import open_site
from ocsnap.commands.snapshots import readable
from ocsnap.database.open import load_database
from ocsnap.database.settings import DatabaseSettings
from ocsnap.errors import DamagedError, LocalIOError, OwncloudError, RefusedError
from ocsnap.repository.alarm import doubts
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.selector import select
from ocsnap.snapshot.restorer import Placement, Restorer, RestoreReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.database.database import LoadReport
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

_STAMP: Final = "%Y%m%d-%H%M%S.%f"


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
    if options.devices and not context.superuser:
        raise RefusedError("Only root can make devices.", hint="Run as root, or without --devices.")
    folder = state_dir(context)
    with (
        run_lock(folder, "a restore"),
        closing(connect(context).repository) as repository,
        reader_lock(repository, Purpose.RESTORE, context.random, context.monitor),
    ):
        context.monitor.step("Checking")
        repository.synchronise(context.monitor)
        found = readable(repository, context.monitor)
        stored = _choose(found, context, options)
        doubted = doubts(repository, found, stored, context.monitor)
        run = _Restore(context, options, folder, repository, stored, doubted)
        return run.run(confirm)


@dataclass
class _Restore:
    """One run."""

    context: Context
    options: RestoreOptions
    folder: Path
    repository: Repository
    stored: StoredSnapshot
    doubts: list[str]

    def run(self, confirm: Callable[[RestorePlan], bool]) -> RestoreOutcome:
        clock = self.context.clock
        began = clock.monotonic()
        stamp = datetime.fromtimestamp(clock.now(), UTC).strftime(_STAMP)
        layout = self._layout(stamp)
        self._refuse_if_unfit(layout)
        plan = self._plan(layout)
        if plan.replaced and not confirm(plan):
            raise RefusedError("Nothing was restored.", hint="Confirm it, or give --yes.")
        demand(self.context, HookPoint.BEFORE_RESTORE)
        with ExitStack() as stack:
            report, dump = self._build(layout, stack)
            swap = Swap(layout.moves)
            loaded = self._load_into_built(layout, dump)
            loaded = self._put_in_place(swap, dump, loaded)
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
        if self.options.target is not None:
            refuse_unless_empty(self.options.target)
        for move in layout.moves:
            if os.path.ismount(move.place):
                raise LocalIOError(f"{move.place} cannot be replaced.", hint=MOUNT_POINT)
        if self.loads_database or layout.moves:
            self._refuse_if_site_unfit()
        needs = [
            (Path(os.fsdecode(placement.target)), placement.root.size_bytes)
            for placement in layout.placements
        ]
        dump = database_root(roots_of(self.snapshot, self.options.parts))
        if dump is not None and self.options.target is None:
            needs.append((self.folder, dump.size_bytes))
            if self.snapshot.owncloud.database_kind == "sqlite3":
                needs.append((Path(self.snapshot.owncloud.database_name), dump.size_bytes))
        check_room(needs)

    def _refuse_if_site_unfit(self) -> None:
        """See that what is not restored fits what is."""
        root = self.context.config.owncloud.root
        if not (root / "version.php").is_file():
            raise OwncloudError(
                f"{root}: there is no ownCloud to restore into.",
                hint=f"Put the code of ownCloud {self.snapshot.owncloud.version} there first, "
                "or restore elsewhere with --target.",
            )
        if Part.CONFIG in self.options.parts:
            return
        data_dir = str(self._site().instance.data_dir)
        if Part.DATA in self.options.parts and data_dir != self.snapshot.owncloud.data_dir:
            raise RefusedError(
                f"The data directory was {self.snapshot.owncloud.data_dir}, "
                f"but config.php now says {data_dir}.",
                hint="Restore elsewhere with --target, then move the files.",
            )

    def _plan(self, layout: Layout) -> RestorePlan:
        replaced = [str(move.place) for move in layout.moves if os.path.lexists(move.place)]
        if self.loads_database:
            replaced.append(f"database {self._database_name()}")
        return RestorePlan(
            snapshot=self.stored.id,
            started=self.snapshot.started,
            replaced=replaced,
            doubts=self.doubts,
        )

    def _database_name(self) -> str:
        if Part.CONFIG not in self.options.parts:
            return self._settings(self._site()).name
        snapshot = self.snapshot.owncloud
        name = self.context.config.database.name or snapshot.database_name
        return self._renamed(name, snapshot.database_kind)

    def _renamed(self, name: str, kind: str) -> str:
        wanted = self.options.database_name
        if wanted is None:
            return name
        return str(Path(name).parent / wanted) if kind == "sqlite3" else wanted

    def _site(self) -> Site:
        return open_site(self.context, self.folder, demand_data=False)

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
        stack.callback(remove, [move.built.parent for move in layout.moves])
        self._make_folders(layout)
        restorer = Restorer(
            self.repository,
            monitor=monitor,
            owners=self.context.superuser,
            devices=self.options.devices,
        )
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
                # The web server must get through to what stands in its old place; what is put
                # elsewhere is nobody's business.
                make_folder(folder, mode=0o755 if layout.moves else 0o700)
            for move in layout.moves:
                move.built.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise LocalIOError(
                f"{error.filename} cannot be made: {error.strerror}.", hint="Check the rights."
            ) from error

    # -- putting in place --------------------------------------------------------------------

    def _put_in_place(
        self, swap: Swap, dump: Path | None, loaded: LoadReport | None
    ) -> LoadReport | None:
        if not swap.moves and not self.loads_database:
            return None
        if not swap.moves and self._loads_beside():
            return self._load(self._settings(self._site()), dump)
        brings_config = Part.CONFIG in self.options.parts
        standstill = Standstill(self.context, self.folder, brings_config=brings_config)
        with standstill.before():
            self.context.monitor.step("Putting everything in place")
            try:
                swap.make()
                self._carry_over_database(swap)
                with standstill.after():
                    if self.loads_database and loaded is None:
                        loaded = self._load(self._settings(self._site()), dump)
            except BaseException:
                swap.undo()
                raise
        return loaded

    def _loads_beside(self) -> bool:
        """Return whether the database is loaded under a name that the running ownCloud has not."""
        return (
            self.options.database_name is not None
            and self._database_name() != self._site().settings.name
        )

    def _carry_over_database(self, swap: Swap) -> None:
        """Take along an SQLite file that lies in the data directory and is not restored."""
        if self.snapshot.owncloud.database_kind != "sqlite3" or self.loads_database:
            return
        file = Path(self.snapshot.owncloud.database_name)
        for move in swap.moves:
            if file.is_relative_to(move.place):
                for old in _database_files(move.kept / file.relative_to(move.place)):
                    swap.rename(old, move.place / old.relative_to(move.kept))

    def _load_into_built(self, layout: Layout, dump: Path | None) -> LoadReport | None:
        """Load an SQLite database that belongs into a folder that is put in place anyway."""
        if not self.loads_database or self.snapshot.owncloud.database_kind != "sqlite3":
            return None
        file = Path(self._database_name())
        move = next((move for move in layout.moves if file.is_relative_to(move.place)), None)
        if move is None:
            return None
        built = move.built / file.relative_to(move.place)
        before = built.parent.stat()
        loaded = self._load(DatabaseSettings(kind="sqlite3", name=str(built)), dump)
        os.utime(built.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
        return replace(loaded, database=str(file))

    def _load(self, settings: DatabaseSettings, dump: Path | None) -> LoadReport:
        if dump is None:
            raise DamagedError("The snapshot has no database.", hint="Restore with --data.")
        return load_database(
            settings,
            DumpFolder(dump),
            clock=self.context.clock,
            monitor=self.context.monitor,
        )

    def _settings(self, site: Site) -> DatabaseSettings:
        settings = site.settings
        return replace(settings, name=self._renamed(settings.name, settings.kind))

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
            failed=[_final(path, layout) for path in report.failed],
            left_out=[_final(path, layout) for path in report.left_out],
            places=moved if target is None else [str(target)],
            kept=swap.kept(),
            database=loaded.database if loaded else None,
            kept_database=loaded.kept if loaded else None,
            tables=loaded.tables if loaded else 0,
            rows=loaded.rows if loaded else 0,
            seconds=seconds,
            notes=[*self.doubts, *(loaded.notes if loaded else ())],
        )


def _choose(
    snapshots: Sequence[StoredSnapshot], context: Context, options: RestoreOptions
) -> StoredSnapshot:
    """Take the latest, or that of a time, of this ownCloud if several share the repository."""
    root = str(context.config.owncloud.root)
    others = [stored for stored in snapshots if stored.snapshot.owncloud.root != root]
    wanted = options.snapshot.lower()
    if options.target is None and not any(stored.id.startswith(wanted) for stored in others):
        mine = [stored for stored in snapshots if stored.snapshot.owncloud.root == root]
        return select(mine or snapshots, options.snapshot)
    return select(snapshots, options.snapshot)


def _final(path: str, layout: Layout) -> str:
    """Return where something that was built is in the end."""
    for move in layout.moves:
        if Path(path).is_relative_to(move.built):
            return str(move.place / Path(path).relative_to(move.built))
    return path


def _database_files(file: Path) -> Iterator[Path]:
    for suffix in ("", "-wal", "-shm", "-journal"):
        candidate = file.with_name(file.name + suffix)
        if candidate.exists():
            yield candidate
