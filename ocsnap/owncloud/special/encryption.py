"""Server-side encryption: without its keys the files in a backup are noise.

The keys lie in `files_encryption` of each home and of the data directory, or below another folder
of the data directory (`occ encryption:change-key-storage-root`; lib/private/Encryption/Util.php).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.owncloud.homes import Query
    from ocsnap.owncloud.instance import Instance

KEY_FOLDER: Final = "files_encryption"
_TOPIC: Final = "encryption"


@dataclass(frozen=True)
class Encryption:
    """How files are encrypted on the disk.

    Attributes:
        enabled: whether new files are.
        key_root: folder of the keys below the data directory; empty: the usual places.
        master_key: whether one key opens all; else each user's password opens theirs.
        hsm: address of a hardware module that holds the master key's secret; empty: none.
    """

    enabled: bool
    key_root: str
    master_key: bool
    hsm: str


def read_encryption(query: Query, prefix: str) -> Encryption:
    """Ask the database how files are encrypted.

    Args:
        query: asks the instance's database.
        prefix: the tables' prefix.

    Raises:
        DatabaseError: it does not answer.
    """
    rows = query(
        f"SELECT appid, configkey, configvalue FROM `{prefix}appconfig`"  # noqa: S608 - checked
        " WHERE (appid = 'core' AND configkey LIKE 'encryption_%') OR appid = 'encryption'"
    )
    values = {(str(app), str(key)): str(value or "") for app, key, value in rows}
    return Encryption(
        enabled=values.get(("core", "encryption_enabled")) == "yes",
        key_root=values.get(("core", "encryption_key_storage_root"), "").strip("/"),
        master_key=values.get(("encryption", "useMasterKey")) == "1",
        hsm=values.get(("encryption", "hsm.url"), ""),
    )


def encryption(instance: Instance, query: Query) -> Iterator[Finding]:
    """Look what a restore of encrypted files needs.

    Args:
        instance: the ownCloud.
        query: asks its database.

    Yields:
        A note that the keys are in the backup; warnings on what is not.
    """
    found = read_encryption(query, instance.table_prefix)
    if not found.enabled:
        return
    opens = "the master key" if found.master_key else "each user's password"
    yield Finding(
        severity=Severity.NOTE,
        topic=_TOPIC,
        text=f"Server-side encryption is on; {opens} opens the files. All keys are in the backup, "
        "whatever backup.exclude says, and so is the secret in config.php that they need.",
    )
    if found.key_root and not (instance.data_dir / found.key_root).is_dir():
        yield Finding(
            severity=Severity.WARNING,
            topic=_TOPIC,
            text=f"The keys of server-side encryption should lie in {instance.data_dir}/"
            f"{found.key_root}, and there is no such folder: the files could not be read.",
            hint="See: occ encryption:show-key-storage-root.",
        )
    if found.hsm:
        yield Finding(
            severity=Severity.WARNING,
            topic=_TOPIC,
            text="The master key of server-side encryption is locked by a hardware security "
            "module, which is NOT in the backup: without it the files cannot be read.",
            hint="Keep a copy of that module's key.",
        )
