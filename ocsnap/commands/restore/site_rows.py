"""The few rows of a restored database that name paths, and those that must not come back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocsnap.owncloud.relocation import known_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocsnap.database.database import Database
    from ocsnap.owncloud.relocation import Relocation


def adapt_rows(
    database: Database,
    prefix: str,
    tables: frozenset[str],
    relocation: Relocation,
    homes: Mapping[str, str],
) -> list[str]:
    """Make a restored database fit the paths where the files are now; nobody uses it yet.

    Without this the copy would write into the original's data directory.

    Args:
        database: the loaded database.
        prefix: what the names of its tables begin with.
        tables: the names of its tables.
        relocation: where folders have gone.
        homes: each user's home as it is now.

    Returns:
        Sentences on what still points to folders outside of ownCloud.

    Raises:
        DatabaseError: the database refuses.
    """
    if f"{prefix}file_locks" in tables:
        # A lock that came back would block its file until cron has run (owncloud/core#25235).
        database.update(f"DELETE FROM `{prefix}file_locks`", [()])  # noqa: S608 - prefix is checked
    if relocation.moved:
        _adapt_storages(database, prefix, relocation, homes)
        if f"{prefix}accounts" in tables:
            _adapt_accounts(database, prefix, relocation, homes)
    if f"{prefix}external_config" not in tables or not relocation.moved:
        return []
    return _adapt_external(database, prefix, relocation)


def _adapt_storages(
    database: Database, prefix: str, relocation: Relocation, homes: Mapping[str, str]
) -> None:
    known = known_ids((old for old, _ in relocation.moves), homes)
    rows = database.query(f"SELECT numeric_id, id FROM `{prefix}storages`")  # noqa: S608 - as above
    changed = [
        (moved, number)
        for number, stored in ((number, _text(stored)) for number, stored in rows)
        if (moved := relocation.storage_id(stored, known)) != stored
    ]
    if changed:
        database.update(f"UPDATE `{prefix}storages` SET id = ? WHERE numeric_id = ?", changed)  # noqa: S608 - as above


def _adapt_accounts(
    database: Database, prefix: str, relocation: Relocation, homes: Mapping[str, str]
) -> None:
    rows = database.query(f"SELECT id, user_id, home FROM `{prefix}accounts`")  # noqa: S608 - as above
    changed = []
    for number, user, stored in rows:
        home = _text(stored)
        moved = homes.get(_text(user), relocation.text(home))
        if moved != home:
            changed.append((moved, number))
    if changed:
        database.update(f"UPDATE `{prefix}accounts` SET home = ? WHERE id = ?", changed)  # noqa: S608 - as above


def _adapt_external(database: Database, prefix: str, relocation: Relocation) -> list[str]:
    """Local folders that an admin has mounted for users: those that went along, and the others."""
    rows = database.query(
        f"SELECT config_id, value FROM `{prefix}external_config` WHERE `key` = 'datadir'"  # noqa: S608 - as above
    )
    found = [(number, _text(value)) for number, value in rows]
    changed = [(relocation.text(path), number) for number, path in found]
    changed = [item for item, (_, path) in zip(changed, found, strict=True) if item[0] != path]
    if changed:
        statement = f"UPDATE `{prefix}external_config` SET value = ? WHERE config_id = ?"  # noqa: S608 - as above
        database.update(statement, changed)
    outside = sorted({path for _, path in found if relocation.text(path) == path})
    return [
        f"The external storage {path} is not in the backup: this copy uses it too."
        for path in outside
    ]


def _text(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
