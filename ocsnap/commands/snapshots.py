"""`ocsnap snapshots`: what there is to restore."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.commands.context import connect
from ocsnap.errors import NoSecretKeyError
from ocsnap.repository.snapshot import FOLDER

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot


def snapshots(context: Context) -> list[StoredSnapshot]:
    """Return all snapshots, oldest first.

    Args:
        context: the outside world.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    with closing(connect(context).repository) as repository:
        return readable(repository, context.monitor)


def readable(repository: Repository, monitor: Monitor) -> list[StoredSnapshot]:
    """Return all snapshots that this host can read, oldest first.

    Args:
        repository: where they are.
        monitor: is told of the others.

    Raises:
        NoSecretKeyError: there are some, and this host can read none of them.
    """
    found = repository.snapshots(monitor)
    if not found and not repository.cipher.can_decrypt:
        locked = sum(1 for _ in repository.storage.list(FOLDER))
        if locked:
            raise NoSecretKeyError(
                f"There are {locked} snapshots, and this host has not the secret key for them.",
                hint="Name the file of the secret key in encryption.key_files.",
            )
    return found
