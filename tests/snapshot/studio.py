"""Backups and restores of plain folders, in the order in which `ocsnap backup` does them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.monitor import SilentMonitor
from ocsnap.repository.snapshot import OwncloudRecord, RootKind, Snapshot
from ocsnap.snapshot.archiver import Archiver, Source
from ocsnap.snapshot.checker import Checker
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.snapshot.restorer import Placement, Restorer
from ocsnap.storage.count import Counting
from tests.repository.workshop import LaterClock, Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocsnap.clock import Clock
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root, StoredSnapshot
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.checker import CheckReport
    from ocsnap.snapshot.restore_report import RestoreReport
    from ocsnap.snapshot.signs import Signs
    from ocsnap.snapshot.statistics import Statistics

SUPERUSER = os.geteuid() == 0

OWNCLOUD = OwncloudRecord(
    version="10.15.0.2",
    root="/var/www/owncloud",
    data_dir="/var/www/owncloud/data",
    table_prefix="oc_",
    database_kind="sqlite3",
    database_name="owncloud",
    maintenance=False,
)


class Backup(NamedTuple):
    """One backup.

    Attributes:
        stored: its snapshot.
        statistics: its figures.
        put_bytes: bytes put to the storage.
        objects_put: objects put to the storage.
        monitor: what was told.
        signs: what happened to the files.
    """

    stored: StoredSnapshot
    statistics: Statistics
    put_bytes: int
    objects_put: int
    monitor: SilentMonitor
    signs: Signs

    @property
    def entry(self) -> Entry:
        return self.stored.snapshot.roots[0].entry


@dataclass
class Studio:
    """One folder that is backed up into one repository.

    Attributes:
        workshop: the repository.
        clock: tells the archiver the time.
        exclude: patterns to leave out.
        readers: threads that read files.
        superuser: whether owners are restored.
    """

    workshop: Workshop
    clock: Clock = field(default_factory=LaterClock)
    exclude: Sequence[str] = ()
    readers: int = 2
    superuser: bool = SUPERUSER

    def backup(self, folder: Path | bytes) -> Backup:
        with self.counting() as counting, self.workshop.opened() as repository:
            monitor = SilentMonitor()
            started = self.clock.now()
            repository.synchronise(monitor)
            parents = repository.snapshots(monitor)
            parent = parents[-1] if parents else None
            archiver = Archiver(repository, clock=self.clock, monitor=monitor, readers=self.readers)
            source = Source(RootKind.DATA, "data", os.fsencode(folder), Exclusion(self.exclude))
            previous = parent.snapshot.roots[0] if parent else None
            archived = archiver.archive(source, previous)
            repository.flush()
            stored = self.commit(
                repository,
                archived.root,
                parent.id if parent else None,
                started=started,
                errors=archived.statistics.errors,
            )
            repository.trim_cache(stored.snapshot)
        return Backup(
            stored,
            archived.statistics,
            counting.put_bytes,
            counting.objects_put,
            monitor,
            archived.signs,
        )

    def commit(
        self,
        repository: Repository,
        root: Root,
        parent: str | None,
        *,
        started: float | None = None,
        errors: int = 0,
    ) -> StoredSnapshot:
        """Store a snapshot of one tree."""
        now = self.clock.now()
        snapshot = Snapshot(
            repository=repository.id,
            started=now if started is None else started,
            finished=now,
            host="cloud",
            program="test",
            parent=parent,
            owncloud=OWNCLOUD,
            roots=[root],
            errors=errors,
        )
        return repository.commit(snapshot)

    @contextmanager
    def counting(self) -> Iterator[Counting]:
        """Count what goes to the storage meanwhile."""
        storage = self.workshop.storage
        counting = Counting(storage)
        self.workshop.storage = counting
        try:
            yield counting
        finally:
            self.workshop.storage = storage

    @contextmanager
    def synchronised(self) -> Iterator[Repository]:
        with self.workshop.opened() as repository:
            repository.synchronise(SilentMonitor())
            yield repository

    def restore(self, stored: StoredSnapshot, target: Path) -> RestoreReport:
        with self.synchronised() as repository:
            restorer = Restorer(repository, monitor=SilentMonitor(), owners=self.superuser)
            return restorer.restore(
                [Placement(root, os.fsencode(target)) for root in stored.snapshot.roots]
            )

    def check(self, *, read_data: bool) -> CheckReport:
        with self.workshop.opened() as repository:
            return Checker(repository, monitor=SilentMonitor()).check(read_data=read_data)

    def elsewhere(self, name: str) -> Studio:
        """Return the same repository as a host sees it that has no cache yet."""
        return Studio(self.workshop.elsewhere(name), self.clock, self.exclude)
