"""`ocsnap snapshots`: what there is to restore."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from ocsnap.commands.context import connect
from ocsnap.crypto import CipherMode
from ocsnap.errors import NoSecretKeyError, NoSnapshotError
from ocsnap.repository.alarm import unacknowledged
from ocsnap.repository.lineage import latest_of_each, lineage
from ocsnap.repository.selector import select
from ocsnap.repository.snapshot import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.context import Context
    from ocsnap.monitor import Monitor
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import StoredSnapshot


class Listing(NamedTuple):
    """What there is.

    Attributes:
        snapshots: all of them, oldest first.
        waiting: ids of those whose alarms nobody has acknowledged.
    """

    snapshots: list[StoredSnapshot]
    waiting: frozenset[str]


def listing(context: Context) -> Listing:
    """Return all snapshots, and which of them wait for somebody to look.

    Args:
        context: the outside world.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    with closing(connect(context, reads_only=True).repository) as repository:
        found = readable(repository, context.monitor)
        waiting = unacknowledged(repository, found, context.monitor)
        return Listing(found, frozenset(stored.id for stored in waiting))


def snapshots(context: Context) -> list[StoredSnapshot]:
    """Return all snapshots, oldest first.

    Args:
        context: the outside world.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    with closing(connect(context, reads_only=True).repository) as repository:
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
    cipher = repository.cipher
    if cipher.mode is CipherMode.PUBLIC_KEY and cipher.can_decrypt and cipher.signer is None:
        monitor.note(
            "Snapshots need no signature: whoever can write to the storage could have made one. "
            "Set encryption.sign_with, here and where backups are made."
        )
    if not found and not cipher.can_decrypt:
        locked = sum(1 for _ in repository.storage.list(FOLDER))
        if locked:
            raise NoSecretKeyError(
                f"There are {locked} snapshots, and this host has not the secret key for them.",
                hint="Name the file of the secret key in encryption.key_files.",
            )
    return found


def choose(
    snapshots: Sequence[StoredSnapshot], wanted: str, *, root: str, host: str
) -> StoredSnapshot:
    """Take the latest, or that of a time, of this ownCloud if several share the repository.

    Args:
        snapshots: all snapshots, oldest first.
        wanted: how it is named; see `select`. An id may also be that of another ownCloud.
        root: `owncloud.root`.
        host: this machine's name.

    Raises:
        NoSnapshotError: none answers, or several do; or those of several other ownClouds are there,
            and nothing tells which of these is meant.
    """
    if any(stored.id.startswith(wanted.lower()) for stored in snapshots):
        return select(snapshots, wanted)
    mine = own(snapshots, root=root, host=host)
    _demand_one_owncloud(mine)
    return select(mine, wanted)


def own(snapshots: Sequence[StoredSnapshot], *, root: str, host: str) -> Sequence[StoredSnapshot]:
    """Return the snapshots of one ownCloud; all of them where it has none.

    Args:
        snapshots: all snapshots, oldest first.
        root: `owncloud.root`.
        host: this machine's name.
    """
    return lineage(snapshots, root=root, host=host) or snapshots


def _demand_one_owncloud(snapshots: Sequence[StoredSnapshot]) -> None:
    """See that nobody gets another ownCloud than the one that was lost."""
    latest = latest_of_each(snapshots)
    if len(latest) > 1:
        names = [f"{each.snapshot.owncloud.root} on {each.snapshot.host}" for each in latest]
        ids = (f"{each.short_id} for {name}" for each, name in zip(latest, names, strict=True))
        raise NoSnapshotError(
            f"There are snapshots of {len(latest)} ownClouds: {', '.join(names)}.",
            hint=f"Say which one by an id: --snapshot {', or '.join(ids)}.",
        )
