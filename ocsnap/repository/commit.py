"""The commit under a lock: no snapshot may rely on what a prune could remove meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.errors import (
    AccessDeniedError,
    BusyError,
    DamagedError,
    NoSecretKeyError,
    ObjectMissingError,
)
from ocsnap.monitor import Problem
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.references import needed_blobs

if TYPE_CHECKING:
    from ocsnap.monitor import Monitor
    from ocsnap.repository.lock import Lock
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot


def commit(
    repository: Repository, snapshot: Snapshot, *, lock: Lock, monitor: Monitor
) -> StoredSnapshot:
    """Store a snapshot; everything that it needs must be flushed.

    A holder that stood still for long (a machine that slept) may have lost its lock without
    knowing: it takes another, and looks up everything that the snapshot relies on. The same is done
    after the commit, if the snapshot reached the storage only long after the lock was seen to hold.

    Args:
        repository: where to.
        snapshot: the snapshot.
        lock: what the backup holds since before it was synchronised.
        monitor: is told if a snapshot that is not whole cannot be taken back.

    Returns:
        The snapshot with its id.

    Raises:
        BusyError: the lock was lost, and something is gone since; no snapshot was made.
        OcsnapError: it cannot be stored.
    """
    if not lock.confirm():
        lock.retake()
    if lock.has_lapsed:
        demand_all(repository, snapshot, monitor)
    stored = repository.commit(snapshot)
    if lock.covers(repository.storage.stat(stored.name).modified):
        return stored
    lock.retake()
    try:
        demand_all(repository, snapshot, monitor)
    except BusyError:
        try:
            repository.withdraw(stored)
        except AccessDeniedError as error:
            reason = f"it is not whole, but cannot be removed: {error.message}"
            monitor.problem(Problem(stored.name, reason))
        raise
    return stored


def demand_all(repository: Repository, snapshot: Snapshot, monitor: Monitor) -> None:
    """See that all that a snapshot needs is there and stays, as of the lock that was just taken.

    Raises:
        BusyError: some of it is gone or marked; the next backup will look closely.
    """
    doomed = repository.take_marks(monitor).marks.doomed
    there = {info.name for kind in BlobKind for info in repository.storage.list(f"{kind.value}/")}
    there.difference_update(doomed)
    cache = repository.cache
    try:
        for blob in needed_blobs(snapshot.roots, repository.reader):
            if not any(place.pack in there for place in cache.locations(blob)):
                raise DamagedError(f"The repository has no blob {blob.hex()}.")
    except (DamagedError, ObjectMissingError, NoSecretKeyError) as error:
        repository.doubt("a backup stood still")
        raise BusyError(
            "The backup stood still so long that a prune has removed what it relies on.",
            hint="No snapshot was made. Run it again: most of it is stored already.",
        ) from error
