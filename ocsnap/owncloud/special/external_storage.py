"""Storages that ownCloud shows to users and that lie elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ocsnap.owncloud.homes import Query
    from ocsnap.owncloud.instance import Instance

_TOPIC: Final = "external-storage"
_MOST_NAMED: Final = 5
_OLD_FILE: Final = "mount.json"
"""Where external storages stood before ownCloud 9.1."""


def external_storages(
    instance: Instance, query: Query, tables: Collection[str]
) -> Iterator[Finding]:
    """Look for storages whose files are not in the data directory.

    Args:
        instance: the ownCloud.
        query: asks its database.
        tables: names of the tables that there are.

    Yields:
        Warnings: only their settings are in a backup.
    """
    mounts = []
    table = f"{instance.table_prefix}external_mounts"
    if table in tables:
        rows = query(
            f"SELECT mount_point, storage_backend FROM `{table}` ORDER BY mount_point"  # noqa: S608 - the prefix is checked
        )
        mounts = [f"{mount} ({str(kind).rpartition('::')[2]})" for mount, kind in rows]
    if mounts:
        yield Finding(
            severity=Severity.WARNING,
            topic=_TOPIC,
            text="Files on external storages are NOT in the backup, only the storages' settings: "
            f"{_named(mounts)}.",
            hint="Back them up where they are.",
        )
    if (instance.data_dir / _OLD_FILE).exists():
        yield Finding(
            severity=Severity.WARNING,
            topic=_TOPIC,
            text=f"External storages of {_OLD_FILE} are NOT in the backup, only that file.",
            hint="Back them up where they are.",
        )
    table = f"{instance.table_prefix}share_external"
    if table in tables:
        ((shares,),) = query(f"SELECT count(*) FROM `{table}`")  # noqa: S608 - the prefix is checked
        if shares:
            yield Finding(
                severity=Severity.NOTE,
                topic=_TOPIC,
                text=f"{shares} federated shares show files of other servers, which are not in the "
                "backup.",
            )


def _named(mounts: list[str]) -> str:
    rest = len(mounts) - _MOST_NAMED
    return ", ".join(mounts[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
