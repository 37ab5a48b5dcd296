"""What a backup tells of itself: duplicity's statistics, and what ocsnap adds."""

from __future__ import annotations

import msgspec

from ocsnap.errors import ExitStatus
from ocsnap.repository.alarm import Alarm
from ocsnap.repository.prune_report import PruneReport
from ocsnap.snapshot.statistics import Statistics


class WindowReport(msgspec.Struct, frozen=True, kw_only=True):
    """How long users were locked out; seconds.

    Attributes:
        total_seconds: all of it; 0 if maintenance was on before.
        on_seconds: `occ maintenance:mode --on`.
        settle_seconds: proof, and the opcode cache's delay.
        drain_seconds: waiting for open uploads.
        work_seconds: what was done inside: `database`, `scan` and `read` are parts of it.
        database_seconds: opening the database's snapshot.
        scan_seconds: listing the directories that may have changed.
        read_seconds: reading on when all was listed.
        off_seconds: lifting it.
        frozen: whether ocsnap froze ownCloud, or left it to others.
        found_on: maintenance was on already and is left on.
        open_uploads: uploads that had not ended by then.
        open_crons: background jobs that had not ended by then.
    """

    total_seconds: float
    on_seconds: float
    settle_seconds: float
    drain_seconds: float
    work_seconds: float
    database_seconds: float
    scan_seconds: float
    read_seconds: float
    off_seconds: float
    frozen: bool
    found_on: bool
    open_uploads: tuple[str, ...]
    open_crons: tuple[str, ...]


class BackupReport(msgspec.Struct, frozen=True, kw_only=True):
    """One backup.

    Attributes:
        snapshot: id of the snapshot.
        parent: id of the snapshot it was compared with.
        started: seconds since the epoch.
        finished: seconds since the epoch, the commit included.
        statistics: what happened to the files.
        window: how long users were locked out.
        database_kind: mysql or sqlite3.
        tables: tables in the dump.
        dump_bytes: length of the dump.
        dump_new_bytes: what of it was not in the repository.
        dump_seconds: how long the dump took.
        put_bytes: bytes put to the storage, but for the lock, which is gone by now.
        deleted_bytes: bytes removed from it.
        metadata_bytes: of `put_bytes`, all but file content.
        objects_put: objects put to the storage.
        requests: requests sent to the storage.
        repository_bytes: size of all packs that the index knows, and of the other objects.
        month_dollars: what keeping the repository costs a month, as if all of it lay in the usual
            storage class of its region; US dollars.
        notes: sentences worth reading.
        failed_hooks: what is wrong with hooks that ran meanwhile.
        alarms: what made the backup doubt that all was well.
        open_alarms: short ids of all snapshots whose alarms nobody has acknowledged.
        prune: what the prune after it did, where there was one.
    """

    snapshot: str
    parent: str | None
    started: float
    finished: float
    statistics: Statistics
    window: WindowReport
    database_kind: str
    tables: int
    dump_bytes: int
    dump_new_bytes: int
    dump_seconds: float
    put_bytes: int
    deleted_bytes: int
    metadata_bytes: int
    objects_put: int
    requests: int
    repository_bytes: int
    month_dollars: float
    notes: tuple[str, ...] = ()
    failed_hooks: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    open_alarms: tuple[str, ...] = ()
    prune: PruneReport | None = None

    @property
    def exit_status(self) -> ExitStatus:
        """What the command line exits with."""
        if self.alarms:
            return ExitStatus.ALARM
        return ExitStatus.INCOMPLETE if self.statistics.errors else ExitStatus.OK
