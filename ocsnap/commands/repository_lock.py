"""The lock that a command holds on the repository, for other hosts to see."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocsnap.errors import StorageError
from ocsnap.repository.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from ocsnap.monitor import Monitor
    from ocsnap.repository.lock_survey import Purpose
    from ocsnap.repository.repository import Repository


@contextmanager
def repository_lock(repository: Repository, purpose: Purpose, random: Random) -> Iterator[Lock]:
    """Hold a lock while the context lasts; take it before the repository is synchronised.

    Args:
        repository: an open one.
        purpose: what for.
        random: for the holder's id.

    Yields:
        The lock.

    Raises:
        BusyError: somebody else must be alone, and so must this holder.
        StorageError: it cannot be put.
    """
    lock = Lock(repository.storage, repository=repository.id, purpose=purpose, random=random)
    lock.take()
    with lock.held():
        yield lock


@contextmanager
def reader_lock(
    repository: Repository, purpose: Purpose, random: Random, monitor: Monitor
) -> Iterator[None]:
    """Hold a lock for reading if this host can; a key that may only read is enough to restore.

    Args:
        repository: an open one.
        purpose: what for.
        random: for the holder's id.
        monitor: is told if there is no lock.
    """
    lock = Lock(repository.storage, repository=repository.id, purpose=purpose, random=random)
    try:
        lock.take()
    except StorageError as error:
        monitor.note(
            f"No lock could be put, so do not prune before this {purpose} ends: {error.message}"
        )
        yield
        return
    with lock.held():
        yield
    if lock.is_lost:
        monitor.note(
            f"This {purpose} stood still for long: a prune may have removed what it was reading."
        )
