"""Keeping the objects locked that the latest snapshot needs, however long ago they were put."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ocsnap.errors import ObjectMissingError, StorageError
from ocsnap.repository import description as descriptions
from ocsnap.repository.rescue import kit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository

RENEWERS: Final = 8
"""Requests at once: 65 GB are 4,100 objects, a minute's work every other month."""

_RENEWED: Final = "all objects were locked anew at"
_DAY_SECONDS: Final = 86_400.0


def renew_locks(context: Context, repository: Repository, *, first: bool) -> str | None:
    """Lock every object anew when half of the configured time is over since that was last done.

    An object is locked when it is put, but files that never change are needed for years. So at no
    time less than half of the configured days is left to anything that is needed.

    Args:
        context: the outside world.
        repository: where the snapshot has just been committed.
        first: whether it is the first one, so that everything has just been put.

    Returns:
        What went wrong, in a sentence; None if nothing did. The backup itself is good.
    """
    days = context.config.repository.object_lock_days
    if days is None:
        return None
    now = context.clock.now()
    renewed = repository.cache.note(_RENEWED)
    if renewed is not None and now - float(renewed) < days * _DAY_SECONDS / 2:
        return None
    if not first:
        context.monitor.step("Locking the stored objects anew")
        try:
            _protect(repository, _needed(repository))
        except StorageError as error:
            return f"The object locks could not be renewed: {error}"
    repository.cache.set_note(_RENEWED, str(now))
    return None


def _needed(repository: Repository) -> list[str]:
    names = [name for name, _, _ in repository.cache.expected()]
    return [descriptions.NAME, *(file.name for file in kit.files()), *names]


def _protect(repository: Repository, names: Iterable[str]) -> None:
    def protect(name: str) -> None:
        try:
            repository.storage.protect(name)
        except ObjectMissingError:
            return  # verify says so

    with ThreadPoolExecutor(RENEWERS, "ocsnap-lock") as pool:
        futures = [pool.submit(protect, name) for name in names]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
