"""Which files the locks of uploads belong to: a lock's key is only a checksum of the path."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.homes import home_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.owncloud.homes import Query
    from ocsnap.owncloud.instance import Instance

_PREFIX: Final = "files/"
"""ownCloud 10, lib/private/Files/Storage/Common.php, acquireLock(): the key is this and the MD5 of
the storage's id, two colons, and the path without slashes at its ends."""

_PAGE_ROWS: Final = 20_000
_MOST_ROWS: Final = 1_000_000
"""About ten seconds of work; uploads are mostly of files that are young and so come first."""


def locked_paths(
    query: Query, instance: Instance, keys: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Find the files that locks stand for.

    Args:
        query: asks the instance's database.
        instance: the instance.
        keys: keys of locks, as `open_uploads` lists them.

    Returns:
        By key, as far as they could be resolved: the user whose home it is in, or the storage's
        id, and the path in there, such as `files/Photos/a.jpg`. A file that is new has no row
        before its upload has ended, and is not among them.
    """
    wanted = {key.removeprefix(_PREFIX): key for key in keys if key.startswith(_PREFIX)}
    found: dict[str, tuple[str, str]] = {}
    if not wanted:
        return found
    storages = _storages(query, instance)
    for storage, path in _rows(query, instance.table_prefix):
        name, owner = storages.get(storage, ("", ""))
        if key := wanted.pop(_md5(f"{name}::{path.strip('/')}"), None):
            found[key] = (owner, path)
            if not wanted:
                break
    return found


def _storages(query: Query, instance: Instance) -> dict[int, tuple[str, str]]:
    """Return by number each storage's whole id, and whose it is."""
    shared = f"local::{instance.data_dir}/"
    known = {_md5(shared): (shared, shared)}
    for user, path in home_paths(query, instance).items():
        for name in (f"home::{user}", f"local::{path}/"):
            # Ids longer than 64 characters are stored as their MD5, but locked by the whole id.
            known[name] = known[_md5(name)] = (name, user)
    rows = query(f"SELECT numeric_id, id FROM `{instance.table_prefix}storages`")  # noqa: S608 - prefix is checked
    return {
        int(str(number)): known.get(_text(name), (_text(name), _text(name)))
        for number, name in rows
    }


def _rows(query: Query, prefix: str) -> Iterator[tuple[int, str]]:
    """Read the youngest rows of the file cache, page by page: it may not fit into memory."""
    last = 1 << 62
    for _ in range(_MOST_ROWS // _PAGE_ROWS):
        rows = query(
            f"SELECT fileid, storage, path FROM `{prefix}filecache`"  # noqa: S608 - prefix is checked
            f" WHERE fileid < {last} ORDER BY fileid DESC LIMIT {_PAGE_ROWS}"
        )
        for number, storage, path in rows:
            last = int(str(number))
            yield int(str(storage)), _text(path)
        if len(rows) < _PAGE_ROWS:
            return


def _md5(text: str) -> str:
    return hashlib.md5(os.fsencode(text), usedforsecurity=False).hexdigest()


def _text(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
