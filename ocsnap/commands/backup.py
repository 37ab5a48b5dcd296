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
from ocsnap.commands.context import connect, state_dir
from ocsnap.commands.owners import group_names, user_names
from ocsnap.commands.report import BackupReport, WindowReport
from ocsnap.commands.run_lock import run_lock
from ocsnap.commands.site import open_site
from ocsnap.commands.sources import config_source, data_sources
from ocsnap.owncloud.homes import homes
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.snapshot import OwncloudRecord, Root, RootKind, Snapshot
from ocsnap.snapshot.archiver import Archiver
from ocsnap.snapshot.live import LiveMonitor
from ocsnap.snapshot.statistics import Statistics
from ocsnap.snapshot.streams import Stream, StreamArchiver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocsnap.commands.context import Context, OpenRepository
    from ocsnap.commands.site import Site
    from ocsnap.database.database import Dump
    from ocsnap.monitor import Monitor
    from ocsnap.owncloud.maintenance import Freeze
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot
    from ocsnap.snapshot.archiver import Source

_Key = tuple[RootKind, str]


def backup(context: Context) -> BackupReport:
    """Make one snapshot.

    Args:
        context: the outside world.

    Returns:
        What was done; `statistics.errors` counts files that are missing from the snapshot.

    Raises:
        OcsnapError: no snapshot was made; ownCloud is as it was before.
    """
    folder = state_dir(context)
    with run_lock(folder, "a backup"), ExitStack() as stack:
        context.monitor.step("Checking")
        site = open_site(context, folder)
        site.database.check()
        opened = connect(context, create=True)
        stack.callback(opened.repository.close)
        return _Backup(context, folder, site, opened).run()


@dataclass
class _Dumped:
    """The archived dump and its figures."""

    root: Root
    tables: int
    statistics: Statistics
    seconds: float


@dataclass
class _Backup:
    """One run."""

    context: Context
    folder: Path
    site: Site
    opened: OpenRepository
    statistics: Statistics = field(default_factory=Statistics)
    notes: list[str] = field(default_factory=list)

    def run(self) -> BackupReport:
        clock, monitor = self.context.clock, self.context.monitor
        started = clock.now()
        repository = self.repository
        repository.synchronise(monitor)
        parent = self._parent()
        before = {_key(root): root for root in parent.snapshot.roots} if parent else {}
        monitor.step("Storing what has changed while users go on working")
        live, live_figures = self._archive(self._sources(), before, LiveMonitor(monitor))
        repository.writer.flush()
        # Before the freeze, which writes into config.php: it shall come back as the admin left it.
        config, self.statistics = self._archive(
            [config_source(self.site.instance)], before, monitor
        )
        with ExitStack() as stack:
            monitor.step("Freezing ownCloud")
            with self.site.maintenance.freeze() as freeze:
                dump = stack.enter_context(self.site.database.freeze())
                monitor.step("Storing the last changes")
                roots, figures = self._archive(self._sources(), {**before, **live}, monitor)
                dumped = None if dump.transactional else self._dump(dump, before)
            self.statistics.add(live_figures.followed_by(figures))
            if dumped is None:
                dumped = self._dump(dump, before)
        return self._commit(started, parent, [*config.values(), *roots.values()], dumped, freeze)

    @property
    def repository(self) -> Repository:
        return self.opened.repository

    def _parent(self) -> StoredSnapshot | None:
        """Return the latest snapshot of this very ownCloud."""
        root = str(self.site.instance.root)
        snapshots = self.repository.snapshots(self.context.monitor)
        mine = [stored for stored in snapshots if stored.snapshot.owncloud.root == root]
        return mine[-1] if mine else None

    def _sources(self) -> list[Source]:
        """List the folders; a home's etag is read before the home is."""
        site = self.site
        database_file = site.instance.sqlite_path if site.settings.kind == "sqlite3" else None
        found = homes(site.database.query, site.instance)
        exclude = self.context.config.backup.exclude
        return data_sources(site.instance, found, exclude, database_file)

    def _archive(
        self, sources: Sequence[Source], before: dict[_Key, Root], monitor: Monitor
    ) -> tuple[dict[_Key, Root], Statistics]:
        archiver = Archiver(self.repository, clock=self.context.clock, monitor=monitor)
        roots = {}
        figures = Statistics()
        for source in sources:
            key = (source.kind, source.name)
            archived = archiver.archive(source, before.get(key))
            roots[key] = archived.root
            figures.add(archived.statistics)
        return roots, figures

    def _dump(self, dump: Dump, before: dict[_Key, Root]) -> _Dumped:
        """Store the dump; it is whole when its last stream, the manifest, is."""
        began = self.context.clock.monotonic()
        self.context.monitor.step("Dumping the database")
        archiver = StreamArchiver(
            self.repository, clock=self.context.clock, monitor=self.context.monitor
        )
        name = self.site.settings.name
        archived = archiver.archive(_streams(dump), name, before.get((RootKind.DATABASE, name)))
        self.notes += dump.info.notes
        return _Dumped(
            archived.root,
            len(dump.info.tables),
            archived.statistics,
            self.context.clock.monotonic() - began,
        )

    def _commit(
        self,
        started: float,
        parent: StoredSnapshot | None,
        roots: list[Root],
        dumped: _Dumped,
        freeze: Freeze,
    ) -> BackupReport:
        context, repository = self.context, self.repository
        context.monitor.step("Storing the rest")
        repository.flush()
        roots = [*roots, dumped.root]
        self._count_lost_roots(parent, roots)
        self.statistics.raw_delta_bytes += dumped.statistics.raw_delta_bytes
        owners = [root.entry for root in roots]
        snapshot = Snapshot(
            repository=repository.id,
            started=started,
            finished=context.clock.now(),
            host=context.host,
            program=__version__,
            parent=parent.id if parent else None,
            owncloud=self._owncloud(freeze),
            roots=roots,
            users=user_names(entry.uid for entry in owners),
            groups=group_names(entry.gid for entry in owners),
            statistics=msgspec.to_builtins(self.statistics),
            errors=self.statistics.errors,
        )
        stored = repository.commit(snapshot)
        repository.trim_cache(snapshot)
        return self._report(stored, dumped, freeze)

    def _count_lost_roots(self, parent: StoredSnapshot | None, roots: list[Root]) -> None:
        """Count the entries of homes that are gone as a whole."""
        present = {_key(root) for root in roots}
        for root in parent.snapshot.roots if parent else ():
            if _key(root) not in present and root.kind is not RootKind.DATABASE:
                self.statistics.deleted_files += root.files

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

    def _report(self, stored: StoredSnapshot, dumped: _Dumped, freeze: Freeze) -> BackupReport:
        traffic = self.opened.traffic
        snapshot = stored.snapshot
        content_bytes = self.repository.writer.stored_bytes(BlobKind.CONTENT)
        return BackupReport(
            snapshot=stored.id,
            parent=snapshot.parent,
            started=snapshot.started,
            finished=self.context.clock.now(),
            statistics=self.statistics,
            window=_window(freeze),
            database_kind=self.site.settings.kind,
            tables=dumped.tables,
            dump_bytes=dumped.statistics.source_file_bytes,
            dump_new_bytes=dumped.statistics.raw_delta_bytes,
            dump_seconds=dumped.seconds,
            put_bytes=traffic.put_bytes,
            deleted_bytes=traffic.deleted_bytes,
            metadata_bytes=traffic.put_bytes - content_bytes,
            objects_put=traffic.objects_put,
            requests=traffic.requests,
            repository_bytes=self.repository.cache.expected_bytes(),
            notes=tuple(self.notes),
        )


def _key(root: Root) -> _Key:
    return root.kind, root.name


def _streams(dump: Dump) -> Iterator[Stream]:
    for stream in dump.streams():
        yield Stream(stream.name, stream.estimate_bytes, stream.chunks)


def _window(freeze: Freeze) -> WindowReport:
    return WindowReport(
        total_seconds=0.0 if freeze.found_on else freeze.frozen_seconds,
        on_seconds=freeze.on_seconds,
        settle_seconds=freeze.settle_seconds,
        drain_seconds=freeze.drain_seconds,
        work_seconds=freeze.work_seconds,
        off_seconds=freeze.off_seconds,
        found_on=freeze.found_on,
        open_uploads=freeze.open_uploads,
    )
