"""Object storage as primary storage: the users' files are objects elsewhere, not files here.

ownCloud keeps the object `urn:oid:<fileid>` for each row of `oc_filecache`
(lib/private/Files/ObjectStore/ObjectStoreStorage.php).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.owncloud.instance import Instance

KEYS: Final = ("objectstore", "objectstore_multibucket")
_TOPIC: Final = "objectstore"


def object_store(instance: Instance, *, accepted: bool) -> Iterator[Finding]:
    """Look whether users' files lie in an object store.

    Args:
        instance: the ownCloud.
        accepted: whether a backup of database and configuration alone is wanted.

    Yields:
        A refusal; a warning where that is accepted.
    """
    for key in KEYS:
        value = instance.settings.get(key)
        if not value:
            continue
        where = f"config.php: {key}: the users' files lie in {_described(value)}, not on this host"
        if accepted:
            yield Finding(
                severity=Severity.WARNING,
                topic=_TOPIC,
                text=f"{where}: they are NOT in this backup, which has database and configuration "
                "alone.",
                hint="Keep versions or a copy of that bucket that are as old as the snapshots.",
            )
        else:
            yield Finding(
                severity=Severity.REFUSAL,
                topic=_TOPIC,
                text=f"{where}, and ocsnap does not back up that store.",
                hint="Protect the bucket by its own means (versioning, replication), and set "
                "owncloud.accept_objectstore = true to back up database and configuration.",
            )


def _described(value: object) -> str:
    settings = value if isinstance(value, dict) else {}
    arguments = settings.get("arguments")
    names = arguments if isinstance(arguments, dict) else {}
    bucket = names.get("bucket") or names.get("container")
    kind = str(settings.get("class") or "").rpartition("\\")[2]
    said = f"the bucket {bucket}" if bucket else "an object store"
    return f"{said} ({kind})" if kind else said
