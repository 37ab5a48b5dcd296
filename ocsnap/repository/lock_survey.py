"""What the objects below `locks/` say: who is at work, who has ended, who has died."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from ocsnap.errors import ObjectMissingError
from ocsnap.process import process_space, process_start
from ocsnap.repository.blob import NOT_SOUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocsnap.storage.storage import Storage

FOLDER: Final = "locks/"
FORMAT: Final = 1

DEAD_AFTER_SECONDS: Final = 3600.0
"""A lock whose latest object is so much older than now is nobody's any more."""

LOOKING: Final = "look"
"""What a lock is called that was put only to learn the storage's time."""

_NAME: Final = re.compile(rf"{FOLDER}([a-z]{{1,20}})-([0-9a-f]{{32}})-(\d{{1,9}}|end)")
_CLAIM: Final = re.compile(rf"{FOLDER}only-(\d{{1,9}})")


class Purpose(StrEnum):
    """What a holder does."""

    BACKUP = "backup"
    RESTORE = "restore"
    VERIFY = "verify"
    PRUNE = "prune"
    REPAIR = "repair"

    @property
    def is_exclusive(self) -> bool:
        """Whether no two such holders may be at work at once."""
        return self in {Purpose.PRUNE, Purpose.REPAIR}


class LockRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a lock object: JSON. Nobody needs it but to see that a holder has died.

    Attributes:
        format: 1.
        machine: digest that two processes share whose numbers mean the same process.
        process: the holder's process number.
        process_start: digest that tells the process from a later one of that number.
    """

    format: int = FORMAT
    machine: str
    process: Annotated[int, msgspec.Meta(ge=0)]
    process_start: str


class OtherLock(msgspec.Struct, frozen=True, kw_only=True):
    """A lock that somebody else holds now.

    Attributes:
        purpose: what for.
        since: from when on its holder relies on what is there; seconds since the epoch, by the
            storage's clock.
        idle_seconds: how long ago it was heard of.
    """

    purpose: str
    since: float
    idle_seconds: float

    def describe(self) -> str:
        """Return who it is, for people."""
        minutes = int(self.idle_seconds // 60)
        return f"a {self.purpose}, last heard of {minutes} minutes ago"


class LockSurvey(msgspec.Struct, frozen=True, kw_only=True):
    """All locks of a repository at one moment.

    Attributes:
        now: the moment, by the storage's clock; seconds since the epoch.
        others: who else is at work.
        leftovers: names of objects that nobody needs any more.
    """

    now: float
    others: tuple[OtherLock, ...]
    leftovers: tuple[str, ...]

    @property
    def relied_since(self) -> float:
        """Since when others rely on what is there; infinity where nobody does."""
        return min((other.since for other in self.others), default=float("inf"))


def record_of_this_process(repository: str) -> bytes:
    """Return the content of a lock object that this process puts."""
    record = LockRecord(
        machine=_digest(repository, process_space()),
        process=os.getpid(),
        process_start=_digest(repository, process_start(os.getpid())),
    )
    return msgspec.json.encode(record)


def claims(names: Iterable[str]) -> list[int]:
    """Return the numbers of all claims to be alone, in order."""
    return sorted(int(found[1]) for name in names if (found := _CLAIM.fullmatch(name)))


@dataclass(frozen=True)
class Surveyor:
    """Tells the living from the dead.

    Attributes:
        storage: where the locks are.
        repository: id of the repository.
        holder: whose locks are not looked at: the caller's own.
    """

    storage: Storage
    repository: str
    holder: str

    def survey(self, times: Mapping[str, float], now: float) -> LockSurvey:
        """Look at all locks.

        Args:
            times: all objects below `locks/`, with their times.
            now: the storage's time.
        """
        holders: dict[tuple[str, str], dict[str, float]] = {}
        for name, moment in times.items():
            if (found := _NAME.fullmatch(name)) and found[2] != self.holder:
                holders.setdefault((found[1], found[2]), {})[name] = moment
        others: list[OtherLock] = []
        leftovers: list[str] = []
        for (purpose, _), objects in holders.items():
            other = self._look_at(purpose, objects, now)
            if other is None:
                leftovers += objects
            else:
                others.append(other)
        leftovers += [f"{FOLDER}only-{number}" for number in claims(times)[:-1]]
        return LockSurvey(now=now, others=tuple(others), leftovers=tuple(leftovers))

    def _look_at(self, purpose: str, objects: dict[str, float], now: float) -> OtherLock | None:
        """Return the lock that these objects make up, None if its holder has ended or died."""
        latest = max(objects, key=lambda name: (len(name), name))
        # Of the future is only what was put before the storage's clock was set back.
        idle_seconds = abs(now - objects[latest])
        ended = any(name.endswith("-end") for name in objects)
        if ended or idle_seconds > DEAD_AFTER_SECONDS or self._has_died(latest):
            return None
        return OtherLock(purpose=purpose, since=min(objects.values()), idle_seconds=idle_seconds)

    def _has_died(self, name: str) -> bool:
        """Return whether a holder was a process of this machine that is no more."""
        machine = _digest(self.repository, process_space())
        try:
            record = msgspec.json.decode(self.storage.get(name), type=LockRecord)
        except ObjectMissingError:
            return False  # released or renewed since it was listed: who knows
        except NOT_SOUND:
            return False
        if not machine or record.machine != machine:
            return False
        return _digest(self.repository, process_start(record.process)) != record.process_start


def _digest(repository: str, text: str | None) -> str:
    """Tell a machine or a process from another without naming it; empty: nobody knows."""
    if text is None:
        return ""
    return hashlib.sha256(f"{repository} {text}".encode()).hexdigest()[:32]
