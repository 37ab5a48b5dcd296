"""Putting new index objects in the place of old ones, so that a reader finds all at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.repository.index import index_name
from ocsnap.repository.repository import MOST_INDEXED_BLOBS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ocsnap.repository.index import IndexedPack
    from ocsnap.repository.repository import Repository


def _tell_nobody(names: Sequence[str]) -> None:
    del names


def rewrite_index(
    repository: Repository,
    *,
    old: Collection[bytes],
    without: Collection[str],
    announce: Callable[[Sequence[str]], None] = _tell_nobody,
) -> list[str]:
    """Store anew what index objects list, then remove them.

    Args:
        repository: synchronised.
        old: ids of the index objects.
        without: names of packs that shall be listed no more.
        announce: told of the names of the old ones before they are removed.

    Returns:
        The names of the index objects that were removed.

    Raises:
        AccessDeniedError: they may not be removed; the new ones are there, which does no harm.
        StorageError: the storage does not answer.
    """
    add_index(repository, old=old, without=without)
    names = [index_name(index_id) for index_id in sorted(old)]
    announce(names)
    # Before they go: should this end half-way, this host must not miss them.
    for index_id, name in zip(sorted(old), names, strict=True):
        repository.cache.expect_no_more(name)
        repository.cache.drop_index(index_id)
    repository.storage.delete_all(names)
    return names


def add_index(repository: Repository, *, old: Collection[bytes], without: Collection[str]) -> None:
    """Store anew what index objects list and no other does; see `rewrite_index`."""
    gathered: list[IndexedPack] = []
    for pack in repository.cache.listed_only_by(old):
        if pack.name in without:
            continue
        gathered.append(pack)
        if sum(len(each.blobs) for each in gathered) >= MOST_INDEXED_BLOBS:
            repository.store_index(gathered)
            gathered = []
    if gathered:
        repository.store_index(gathered)
