"""The users' homes: what is scanned, stored and restored on its own."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.relocation import stored_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.owncloud.instance import Instance

_ROOT_HASH = hashlib.md5(b"", usedforsecurity=False).hexdigest()


class Query(Protocol):
    """Asks the database. The SQL used here has no parameters, so it fits every driver."""

    def __call__(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Return all rows of a SELECT.

        Args:
            sql: one statement.
            parameters: values for its placeholders.

        Returns:
            The rows; texts may come as str or bytes.
        """
        ...


@dataclass(frozen=True)
class Home:
    """One user's home.

    Attributes:
        user: the user's id.
        path: folder with files, files_versions, files_trashbin.
        root_etag: etag of the home's storage root, new after every change made through ownCloud;
            None: ownCloud has not looked into the home yet.
    """

    user: str
    path: Path
    root_etag: str | None


def homes(query: Query, instance: Instance) -> list[Home]:
    """List the homes that are on the disk.

    Args:
        query: asks the instance's database.
        instance: the instance.

    Returns:
        The homes in the order of the users' ids; a user who never logged in has none.

    Raises:
        OwncloudError: a user's home is no absolute path.
    """
    paths = home_paths(query, instance)
    etags = _root_etags(query, instance.table_prefix)
    return [
        Home(user, path, _etag_of(user, path, etags))
        for user, path in sorted(paths.items())
        if path.is_dir()
    ]


def expected_bytes(query: Query, prefix: str) -> int:
    """Return about how much lies in all homes, as ownCloud counts it.

    Args:
        query: asks the instance's database.
        prefix: the tables' prefix.

    Returns:
        A number of bytes; what ownCloud has not looked into is not in it.
    """
    rows = query(
        f"SELECT SUM(f.size) FROM `{prefix}filecache` f"  # noqa: S608 - the prefix is checked
        f" JOIN `{prefix}storages` s ON s.numeric_id = f.storage"
        f" WHERE f.path_hash = '{_ROOT_HASH}' AND f.size > 0 AND s.id LIKE 'home::%'"
    )
    total = rows[0][0] if rows else None
    return 0 if total is None else int(str(total))


def open_uploads(query: Query, prefix: str, *, now: float) -> list[str]:
    """List the exclusive locks: uploads and other writes that go on at this moment.

    Args:
        query: asks the instance's database.
        prefix: the tables' prefix.
        now: seconds since the epoch; locks that ended before are leftovers of killed uploads.

    Returns:
        The locks' keys, such as `files/<MD5 of storage and path>`. Locks that ownCloud keeps in
        Redis are not among them.
    """
    rows = query(
        # Both MySQL and SQLite take backticks; `key` and `lock` are words of SQL.
        f"SELECT `key` FROM `{prefix}file_locks`"  # noqa: S608 - the prefix is checked, now a number
        f" WHERE `lock` = -1 AND `ttl` >= {int(now)} ORDER BY `key`"
    )
    return [_text(key) for (key,) in rows]


def home_paths(query: Query, instance: Instance) -> dict[str, Path]:
    """Return where each user's home is, whether it is on the disk or not.

    Args:
        query: asks the instance's database.
        instance: the instance.

    Returns:
        The paths by the users' ids.

    Raises:
        OwncloudError: a user's home is no absolute path.
    """
    prefix = instance.table_prefix
    if instance.has_accounts:
        rows = query(f"SELECT user_id, home FROM `{prefix}accounts`")  # noqa: S608 - prefix is checked
        return {_text(user): _absolute(_text(user), _text(home)) for user, home in rows}
    users = {_text(user) for (user,) in query(f"SELECT uid FROM `{prefix}users`")}  # noqa: S608 - prefix is checked
    # Users of LDAP have no row there, but a storage.
    ids = query(f"SELECT id FROM `{prefix}storages` WHERE id LIKE 'home::_%'")  # noqa: S608 - prefix is checked
    users |= {_text(name).removeprefix("home::") for (name,) in ids}
    return {user: instance.data_dir / user for user in users}


def _absolute(user: str, home: str) -> Path:
    path = Path(home)
    if not path.is_absolute():
        raise OwncloudError(
            f"The home of the user {user!r} is {home!r}, which is no absolute path.",
            hint="Correct it in the database's table of accounts.",
        )
    return path


def _root_etags(query: Query, prefix: str) -> dict[str, str]:
    rows = query(
        f"SELECT s.id, f.etag FROM `{prefix}storages` s"  # noqa: S608 - the prefix is checked
        f" JOIN `{prefix}filecache` f ON f.storage = s.numeric_id"
        f" WHERE f.path_hash = '{_ROOT_HASH}'"
    )
    return {_text(storage): _text(etag) for storage, etag in rows if etag}


def _etag_of(user: str, path: Path, etags: dict[str, str]) -> str | None:
    for storage in (f"home::{user}", f"local::{path}/"):
        if etag := etags.get(stored_id(storage)):
            return etag
    return None


def _text(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
