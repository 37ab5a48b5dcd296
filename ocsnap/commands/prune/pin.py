"""`ocsnap pin` and `ocsnap unpin`: snapshots that no rule removes."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ocsnap.commands.context import connect
from ocsnap.errors import NoSnapshotError
from ocsnap.repository import pin as pins
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.selector import select

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.repository.repository import Repository

_ID: Final = re.compile(r"[0-9a-f]{8,64}")


def pin(context: Context, wanted: str, *, dry_run: bool = False) -> tuple[str, bool]:
    """Let a snapshot stay whatever the rules say.

    Args:
        context: the outside world.
        wanted: the snapshot, as `select` understands it.
        dry_run: only tell.

    Returns:
        Its id, and whether it was not pinned before.

    Raises:
        NoSnapshotError: there is no such snapshot.
        OcsnapError: the pin cannot be stored.
    """
    with closing(connect(context).repository) as repository:
        found = _find(context, repository, wanted)
        if dry_run:
            return found, found not in pins.pinned(repository.storage)
        return found, pins.pin(repository.storage, found)


def unpin(context: Context, wanted: str, *, dry_run: bool = False) -> tuple[str, bool]:
    """Leave a snapshot to the rules again.

    Args:
        context: the outside world.
        wanted: the snapshot, as `select` understands it.
        dry_run: only tell.

    Returns:
        Its id, and whether it was pinned.

    Raises:
        NoSnapshotError: there is no such snapshot.
        AccessDeniedError: this key may not delete objects.
    """
    with closing(connect(context).repository) as repository:
        found = _find(context, repository, wanted)
        was_pinned = found in pins.pinned(repository.storage)
        if was_pinned and not dry_run:
            pins.unpin(repository.storage, found)
        return found, was_pinned


def _find(context: Context, repository: Repository, wanted: str) -> str:
    """Find a snapshot by its id, which needs no key, else by what can be read."""
    if _ID.fullmatch(wanted.lower()):
        ids = [snapshots.id_of(info.name) for info in repository.storage.list(snapshots.FOLDER)]
        found = [each for each in ids if each.startswith(wanted.lower())]
        if len(found) == 1:
            return found[0]
        if not found:
            raise NoSnapshotError(
                f"There is no snapshot {wanted}.", hint="List them: ocsnap snapshots."
            )
    return select(repository.snapshots(context.monitor), wanted).id
