"""Pins: snapshots that stay whatever the rules say, `pins/<id of the snapshot>`.

A pin is there or not: its content never varies, so that to pin twice changes nothing, and only who
may delete objects can take it away.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import ObjectExistsError

if TYPE_CHECKING:
    from ocsnap.storage.storage import Storage

FOLDER: Final = "pins/"
FORMAT: Final = 1


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a pin: JSON, in clear text.

    Attributes:
        format: 1.
        snapshot: id of the snapshot.
    """

    format: int = FORMAT
    snapshot: str


def pin(storage: Storage, snapshot: str) -> bool:
    """Let a snapshot stay.

    Args:
        storage: where the repository lies.
        snapshot: the snapshot's whole id.

    Returns:
        Whether it was not pinned before.

    Raises:
        StorageError: the pin cannot be stored.
    """
    data = msgspec.json.encode(Pin(snapshot=snapshot))
    try:
        storage.create(pin_name(snapshot), data, sha256=hashlib.sha256(data).hexdigest())
    except ObjectExistsError:
        return False
    return True


def unpin(storage: Storage, snapshot: str) -> None:
    """Leave a snapshot to the rules again.

    Args:
        storage: where the repository lies.
        snapshot: the snapshot's whole id.

    Raises:
        AccessDeniedError: this key may not delete objects.
        StorageError: the pin cannot be removed.
    """
    storage.delete(pin_name(snapshot))


def pinned(storage: Storage) -> frozenset[str]:
    """Return the ids of all snapshots that are pinned."""
    return frozenset(info.name.removeprefix(FOLDER) for info in storage.list(FOLDER))


def pin_name(snapshot: str) -> str:
    """Return the name of the object that pins a snapshot."""
    return f"{FOLDER}{snapshot}"
