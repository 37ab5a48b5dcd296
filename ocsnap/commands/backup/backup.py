"""`ocsnap backup`: one snapshot of the whole ownCloud.

The order is that of docs/design.md: everything is checked before anything is touched; a live pass
stores what it can while users work; the window holds only what must not move; what can wait (the
dump of transactional tables, uploads) goes on after it; the snapshot object is the commit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ocsnap import __version__
from ocsnap.commands.backup.file_passes import FilePasses
from ocsnap.commands.backup.guard import Guard
from ocsnap.commands.backup.owners import group_names, user_names
from ocsnap.commands.backup.preflight import preflight
from ocsnap.commands.backup.protection import renew_locks
from ocsnap.commands.backup.report import BackupReport
from ocsnap.commands.backup.sources import config_source
from ocsnap.commands.backup.stored_dump import StoredDump, store_dump
from ocsnap.commands.backup.window import Window
from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.reporting.hooks import HookPoint, demand
from ocsnap.commands.repository_lock import repository_lock
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.runs.recorder import recorded
from ocsnap.commands.unlock import has_journals, unlock
from ocsnap.monitor import Problem
from ocsnap.owncloud.homes import home_paths
from ocsnap.owncloud.maintenance import Freeze
from ocsnap.repository.alarm import unacknowledged
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.commit import commit
from ocsnap.repository.lineage import lineage
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.rescue import kit
from ocsnap.repository.snapshot import MAINTENANCE_FIGURE, OwncloudRecord, Root, RootKind, Snapshot
from ocsnap.repository.spool import Spool
from ocsnap.snapshot.archiver import Archiver
from ocsnap.snapshot.live import LiveMonitor
from ocsnap.snapshot.statistics import Statistics
from ocsnap.storage.prices import load_prices

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.backup.file_passes import RootKey
    from ocsnap.commands.backup.preflight import Preflight
    from ocsnap.commands.context import Context, OpenRepository
    from ocsnap.commands.site import Site
    from ocsnap.database.database import Dump
    from ocsnap.repository.alarm import Alarm
    from ocsnap.repository.lock import Lock
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot


@dataclass(frozen=True)
class BackupOptions:
    """What the command line may change of the configuration.

    Attributes:
        maintenance: whether to put ownCloud into maintenance; None: as configured.
        snapshot_command: makes a snapshot of the file system; empty: as configured.
        snapshot_cleanup_command: removes it.
        snapshot_path: where the data directory is found in it.
    """

    maintenance: bool | None = None
    snapshot_command: tuple[str, ...] = ()
    snapshot_cleanup_command: tuple[str, ...] = ()
    snapshot_path: Path | None = None


def backup(context: Context, options: BackupOptions) -> BackupReport:
    """Make one snapshot.

    Args:
        context: the outside world.
        options: what the command line changes.

    Returns:
        What was done; `statistics.errors` counts files that are missing from the snapshot.

    Raises:
        OcsnapError: no snapshot was made; ownCloud is as it was before.
    """
    folder = state_dir(context)
    with (
        run_lock(folder, "a backup"),
        recorded(context, folder, "backup") as record,
        ExitStack() as stack,
    ):
        context = record.context
        context.monitor.step("Checking")
        demand(context, HookPoint.BEFORE_BACKUP)
        # First of all: users may be locked out since an ocsnap died, and config.php says so too.
        if has_journals(folder):
            _refuse_pieces(context, folder)
        unlock(context)
        checked = preflight(context, options, folder)
        spool = Spool(context.config.backup.spool_dir or folder / "spool")
        opened = connect(context, create=True)
        stack.callback(opened.repository.close)
        with repository_lock(opened.repository, Purpose.BACKUP, context.random) as lock:
            run = _Backup(context, checked, opened, spool, lock, notes=[*checked.notes])
            report = run.run()
        record.conclude(report.exit_status, snapshot=report.snapshot)
        return _pruned(context, opened, report)


@dataclass
class _Backup:
    """One run."""

    context: Context
    checked: Preflight
    opened: OpenRepository
    spool: Spool
    lock: Lock
    statistics: Statistics = field(default_factory=Statistics)
    notes: list[str] = field(default_factory=list)
    dumped: StoredDump | None = None
    earlier: list[StoredSnapshot] = field(default_factory=list)

    def run(self) -> BackupReport:
        context = self.context
        started = context.clock.now()
        self.repository.fence(self.lock, context.monitor)
        self.repository.synchronise(context.monitor)
        parent = self._parent()
        before = {_key(root): root for root in parent.snapshot.roots} if parent else {}
        passes = FilePasses(context, self.site, self.repository, dict(before))
        window = self._window(passes)
        if window.freezes:
            passes.live(LiveMonitor(context.monitor))
        # Before the freeze, which writes into config.php: it shall come back as the admin left it.
        config = self._archive_config(before)
        window.check_room()
        window.run(lambda dump: self._dump(dump, before))
        self.statistics.add(passes.statistics)
        return self._commit(started, parent, [config, *passes.found()], window)

    @property
    def site(self) -> Site:
        return self.checked.site

    @property
    def repository(self) -> Repository:
        return self.opened.repository

    def _parent(self) -> StoredSnapshot | None:
        # Only of the parent are the roots needed; of thousands of users all would fill memory.
        self.earlier = self.repository.snapshots(self.context.monitor, with_roots=False)
        root = str(self.site.instance.root)
        mine = lineage(self.earlier, root=root, host=self.context.host)
        return self.repository.snapshot(mine[-1].name) if mine else None

    def _archive_config(self, before: dict[RootKey, Root]) -> Root:
        source = config_source(self.site.instance)
        archiver = Archiver(self.repository, clock=self.context.clock, monitor=self.context.monitor)
        archived = archiver.archive(source, before.get((source.kind, source.name)))
        self.statistics.add(archived.statistics)
        return archived.root

    def _window(self, passes: FilePasses) -> Window:
        return Window(
            self.context,
            self.site,
            passes,
            self.spool,
            snapshot=self.checked.snapshot,
            freezes=self.checked.freezes,
            freeze=Freeze(),
        )

    def _dump(self, dump: Dump, before: dict[RootKey, Root]) -> None:
        name = self.site.settings.name
        previous = before.get((RootKind.DATABASE, name))
        self.dumped = store_dump(self.context, self.repository, dump, name, previous)
        self.notes += dump.info.notes

    def _commit(
        self, started: float, parent: StoredSnapshot | None, roots: list[Root], window: Window
    ) -> BackupReport:
        context, repository, dumped = self.context, self.repository, self.dumped
        if dumped is None:
            raise AssertionError("the window ended without a dump")
        context.monitor.step("Storing the rest")
        repository.flush()
        roots = [*roots, dumped.root]
        lost_homes = self._count_lost_roots(parent, roots)
        self.statistics.raw_delta_bytes += dumped.statistics.raw_delta_bytes
        owners = [root.entry for root in roots]
        snapshot = Snapshot(
            repository=repository.id,
            started=started,
            finished=context.clock.now(),
            host=context.host,
            program=__version__,
            parent=parent.id if parent else None,
            owncloud=self._owncloud(window.freeze),
            roots=roots,
            users=user_names(entry.uid for entry in owners),
            groups=group_names(entry.gid for entry in owners),
            statistics={
                **msgspec.to_builtins(self.statistics),
                MAINTENANCE_FIGURE: window.report().total_seconds,
            },
            errors=self.statistics.errors,
            open_files=window.freeze.open_paths,
            rows=dumped.rows,
            alarms=self._alarms(parent, roots, window, lost_homes),
            rescue=tuple(file.name for file in kit.files()),
        )
        stored = commit(repository, snapshot, lock=self.lock, monitor=context.monitor)
        repository.trim_cache(snapshot)
        if note := renew_locks(context, repository, first=not self.earlier):
            self.notes.append(note)
        return self._report(stored, dumped, window)

    def _alarms(
        self,
        parent: StoredSnapshot | None,
        roots: list[Root],
        window: Window,
        lost_homes: list[Root],
    ) -> tuple[Alarm, ...]:
        if parent is None or self.dumped is None:
            return ()
        guard = Guard(self.context.config.guard, parent.snapshot, self.site.instance.table_prefix)
        return guard.alarms(roots, window.passes.signs, self.dumped.rows, lost_homes)

    def _count_lost_roots(self, parent: StoredSnapshot | None, roots: list[Root]) -> list[Root]:
        """Count the entries of homes that are gone as a whole; their users should be gone too.

        Returns:
            Those whose users are not.
        """
        present = {_key(root) for root in roots}
        lost = [
            root
            for root in (parent.snapshot.roots if parent else ())
            if _key(root) not in present and root.kind is RootKind.HOME
        ]
        expected = home_paths(self.site.database.query, self.site.instance) if lost else {}
        for root in lost:
            self.statistics.deleted_files += root.files
            if root.name in expected:
                self.statistics.errors += 1
                reason = "this home is gone, but its user is not; is its disk mounted?"
                self.context.monitor.problem(Problem(str(expected[root.name]), reason))
        return [root for root in lost if root.name in expected]

    def _open_alarms(self, made: StoredSnapshot) -> list[StoredSnapshot]:
        found = [*self.earlier, made]
        return unacknowledged(self.repository, found, self.context.monitor)

    def _owncloud(self, freeze: Freeze) -> OwncloudRecord:
        instance, settings = self.site.instance, self.site.settings
        return OwncloudRecord(
            version=instance.installed_version,
            root=str(instance.root),
            data_dir=str(instance.data_dir),
            table_prefix=instance.table_prefix,
            database_kind=settings.kind,
            database_name=settings.name,
            maintenance=freeze.found_on,
        )

    def _report(self, stored: StoredSnapshot, dumped: StoredDump, window: Window) -> BackupReport:
        traffic = self.opened.traffic
        snapshot = stored.snapshot
        put_bytes = traffic.put_bytes - self.lock.put_bytes
        content_bytes = self.repository.writer.stored_bytes(BlobKind.CONTENT)
        repository_bytes = self.repository.cache.expected_bytes()
        prices = load_prices(self.context.config.repository)
        return BackupReport(
            snapshot=stored.id,
            parent=snapshot.parent,
            started=snapshot.started,
            finished=self.context.clock.now(),
            statistics=self.statistics,
            window=window.report(),
            database_kind=self.site.settings.kind,
            tables=dumped.tables,
            dump_bytes=dumped.statistics.source_file_bytes,
            dump_new_bytes=dumped.statistics.raw_delta_bytes,
            dump_seconds=dumped.seconds,
            put_bytes=put_bytes,
            deleted_bytes=traffic.deleted_bytes,
            metadata_bytes=put_bytes - content_bytes,
            objects_put=traffic.objects_put - self.lock.objects_put,
            requests=traffic.requests,
            repository_bytes=repository_bytes,
            month_dollars=prices.keeping(repository_bytes) or 0.0,
            notes=tuple(self.notes),
            alarms=snapshot.alarms,
            failed_hooks=window.failed_hooks,
            open_alarms=tuple(stored.short_id for stored in self._open_alarms(stored)),
        )


def _pruned(context: Context, opened: OpenRepository, report: BackupReport) -> BackupReport:
    """Prune if that is wanted, but not what an incomplete backup may be needed for."""
    if not context.config.prune.after_backup:
        return report
    if report.open_alarms:
        return report  # which says so
    if report.statistics.errors:
        context.monitor.note("Nothing is pruned after a backup that left something out.")
        return report
    from ocsnap.commands.prune.prune import prune_after_backup  # noqa: PLC0415 - only who wants it

    return msgspec.structs.replace(report, prune=prune_after_backup(context, opened))


def _refuse_pieces(context: Context, folder: Path) -> None:
    from ocsnap.commands.restore.undo import refuse_pieces  # noqa: PLC0415 - rarely needed, and slow

    refuse_pieces(context, folder)


def _key(root: Root) -> RootKey:
    return root.kind, root.name
