"""Object lock: until a date nobody removes an object, whatever key he has (WORM).

Amazon S3 User Guide, "Locking objects with Object Lock". The bucket must know it: it is versioned,
so that a deletion only lays a marker over an object, below which it can be had back until the date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.config import RepositoryConfig

PROTECTED: Final = ("packs/", "meta/", "index/", "snapshots/", "rescue/", "ocsnap.json")
"""What a restore needs. Locks, marks and pins come and go."""


@dataclass(frozen=True)
class ObjectLock:
    """How long objects cannot be removed, from the time they are put.

    Attributes:
        mode: `GOVERNANCE`: but for those with a right of its own; `COMPLIANCE`: by nobody at all.
        days: how long; days.
        now: the time; seconds since the epoch.
    """

    mode: str
    days: int
    now: Callable[[], float]

    def until(self) -> datetime:
        """Return the end of what is put now."""
        return datetime.fromtimestamp(self.now(), UTC) + timedelta(days=self.days)

    def headers(self, name: str) -> dict[str, Any]:
        """Return what a put must say so that the object is locked; nothing for what comes and goes.

        Args:
            name: the object's name.
        """
        if not name.startswith(PROTECTED):
            return {}
        return {"ObjectLockMode": self.mode, "ObjectLockRetainUntilDate": self.until()}


def configured_lock(config: RepositoryConfig, now: Callable[[], float]) -> ObjectLock | None:
    """Read the lock from the configuration.

    Args:
        config: the configured repository.
        now: tells the time.
    """
    if config.object_lock_mode is None or config.object_lock_days is None:
        return None
    return ObjectLock(config.object_lock_mode.upper(), config.object_lock_days, now)
