"""Tries out what a storage lets this machine do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocsnap.errors import AccessDeniedError, DamagedError, StorageError

if TYPE_CHECKING:
    from ocsnap.clock import Clock
    from ocsnap.storage.storage import Storage

_CONTENT: Final = b"ocsnap wrote this to see whether it may. It can be deleted.\n"
_DIGEST: Final = hashlib.sha256(_CONTENT).hexdigest()
PROBE: Final = f"probes/{_DIGEST}"
"""Always the same bytes under the same name: where nothing may be deleted only one stays."""


@dataclass(frozen=True)
class Probed:
    """What a storage let us do.

    Attributes:
        deletes: whether objects can be removed.
        ahead_seconds: by how much this machine's clock is ahead of the storage's; None: the
            storage does not tell the time.
    """

    deletes: bool
    ahead_seconds: float | None


def probe(storage: Storage, clock: Clock) -> Probed:
    """List, put, get and delete an object.

    Args:
        storage: the storage.
        clock: tells the time.

    Returns:
        What can be done besides listing, putting and getting.

    Raises:
        OcsnapError: it cannot be listed, written or read.
    """
    storage.check()
    storage.put(PROBE, _CONTENT, sha256=_DIGEST)
    put_at = clock.now()
    if storage.get(PROBE) != _CONTENT:
        raise DamagedError("The storage gives back other bytes than it was given.", name=PROBE)
    modified = storage.stat(PROBE).modified
    ahead = None if modified is None else put_at - modified
    return Probed(deletes=_deletes(storage), ahead_seconds=ahead)


def _deletes(storage: Storage) -> bool:
    try:
        storage.delete(PROBE)
    except AccessDeniedError:
        return False
    except StorageError:
        return False  # some stores say otherwise that an object is locked
    return True
