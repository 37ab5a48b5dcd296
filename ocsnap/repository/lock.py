"""Locks: who is at work on the repository, told to all hosts by objects below `locks/`.

A lock is a series of small objects in clear text, `locks/<purpose>-<holder>-<number>`. The one with
number 0 stays until the end: its time is when the holder began to rely on what is there. The holder
puts the next one every few minutes and removes the one before, since no object is ever overwritten:
the time of the latest is when it was last heard of. All times are those that the storage itself
tells of its objects, so that no host's clock matters, and a listing tells all that there is to
know. Nobody needs a key to take or to judge a lock, and none names a host, a user or a file.

Backup, restore and verify share the repository: they hinder nobody, and nobody hinders them. Prune
and repair must be alone among themselves: `locks/only-<number>` decides, of which one contender
creates the next. Where the store knows no conditional puts two may create it, but not unseen:
docs/prune.md tells why.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ocsnap.errors import (
    AccessDeniedError,
    BusyError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
)
from ocsnap.repository.lock_survey import (
    FOLDER,
    LOOKING,
    Purpose,
    Surveyor,
    claims,
    record_of_this_process,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from ocsnap.repository.lock_survey import LockSurvey
    from ocsnap.storage.storage import Storage

RENEW_SECONDS: Final = 600.0
LOST_AFTER_SECONDS: Final = 1800.0
"""A holder whose objects lie so far apart no longer relies on its lock: others may soon not."""


class Lock:
    """A lock that this process holds; may be used from several threads.

    Attributes:
        purpose: what for.
        now: when it was last renewed, by the storage's clock; seconds since the epoch.
        is_lost: whether others may have taken it for abandoned.
        has_lapsed: whether it was ever lost, and taken anew.
        objects_put: objects put for it, which are gone when it ends.
        put_bytes: their sizes.
    """

    def __init__(
        self, storage: Storage, *, repository: str, purpose: Purpose, random: Random
    ) -> None:
        """Prepare; nothing is put before `take`.

        Args:
            storage: where the repository lies.
            repository: its id.
            purpose: what the holder will do.
            random: for the holder's id.
        """
        self.purpose = purpose
        self.now = 0.0
        self.is_lost = self.has_lapsed = False
        self.objects_put = self.put_bytes = 0
        self._storage = storage
        self._repository = repository
        self._random = random
        self._guard = threading.RLock()
        self._called = purpose.value
        self._holder = ""
        self._number = 0
        self._latest = 0
        self._claim = 0
        self._may_delete = True

    def take(self) -> None:
        """Begin to hold it, from now on.

        Raises:
            BusyError: somebody else must be alone, and so must this holder.
            StorageError: it cannot be put.
        """
        with self._guard:
            self._holder = f"{self._random.getrandbits(128):032x}"
            self._number = self._latest = 0
            self._claim = 0
            self.is_lost = False
            if self.purpose.is_exclusive:
                self._claim_alone()
            else:
                self._put("0")

    @contextmanager
    def held(self, renew_seconds: float = RENEW_SECONDS) -> Iterator[None]:
        """Renew it from a thread of its own as long as a block runs, and release it then.

        Args:
            renew_seconds: how often.
        """
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(renew_seconds):
                # A storage that is away for a while is no reason to give up: the gap will tell.
                with suppress(StorageError):
                    self.renew()

        thread = threading.Thread(target=renew, name="ocsnap-lock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.release()

    def renew(self) -> None:
        """Tell that the holder is still there, and see whether others can have known.

        Raises:
            StorageError: the storage does not answer.
        """
        with self._guard:
            self._number += 1
            number, before = self._number, self._latest
            self._put(str(number))
            times = self._times()
            self.now, then = times[self._name(number)], times.get(self._name(before))
            self._latest = number
            # A clock that was set back is no better than one that ran on.
            gap = float("inf") if then is None else abs(self.now - then)
            if gap > LOST_AFTER_SECONDS or self._is_outdone(times):
                self.is_lost = True
            if before:
                self._remove([self._name(before)])

    def confirm(self) -> bool:
        """Return whether it was held all the time, and is still.

        Raises:
            StorageError: the storage does not answer.
        """
        if not self.is_lost:
            self.renew()
        return not self.is_lost

    def retake(self) -> None:
        """Hold it anew after it was lost: from now on only what is there now is relied on.

        Raises:
            BusyError: somebody else must be alone, and so must this holder.
            StorageError: it cannot be put.
        """
        with self._guard:
            self.has_lapsed = True
            self.release()
            self.take()

    def demand(self) -> None:
        """See that the holder is still alone.

        Raises:
            BusyError: it stood still for so long that another may be at work.
        """
        if not self.confirm():
            raise BusyError(
                f"This {self.purpose} stood still so long that its lock is void.",
                hint="Nothing more was changed. Run it again.",
            )

    def covers(self, moment: float | None) -> bool:
        """Return whether a moment lies so soon after the latest renewal that the lock still held.

        Args:
            moment: when an object was put, by the storage's clock; None where it tells no times.
        """
        return moment is not None and abs(moment - self.now) <= LOST_AFTER_SECONDS

    def survey(self) -> LockSurvey:
        """Look at all locks; this one is renewed for it, which tells the time.

        Raises:
            BusyError: this one is void by now.
        """
        with self._guard:
            self.demand()
            return self._survey()

    def release(self) -> None:
        """End it; where objects may not be removed, say so in one more."""
        with self._guard:
            own = [self._name(number) for number in {0, self._latest, self._number}]
            try:
                self._remove([*own, *([f"{FOLDER}only-{self._claim}"] if self._claim else [])])
                if not self._may_delete:
                    self._put("end")
            except StorageError:
                return  # it will be taken for dead

    # -- this lock's own objects -------------------------------------------------------------

    def _name(self, number: int | str) -> str:
        return f"{FOLDER}{self._called}-{self._holder}-{number}"

    def _put(self, number: str) -> None:
        data = record_of_this_process(self._repository)
        sha256 = hashlib.sha256(data).hexdigest()
        self._storage.put(self._name(number), data, sha256=sha256)
        self.objects_put += 1
        self.put_bytes += len(data)

    def _remove(self, names: list[str]) -> None:
        if not self._may_delete:
            return
        try:
            self._storage.delete_all(names)
        except AccessDeniedError:
            self._may_delete = False  # nor should it, on a host that shall not destroy backups

    def _times(self) -> dict[str, float]:
        """Return this lock's objects; all, where others matter."""
        prefix = FOLDER if self.purpose.is_exclusive else self._name("")
        return {info.name: info.modified or 0.0 for info in self._storage.list(prefix)}

    # -- being alone -------------------------------------------------------------------------

    def _claim_alone(self) -> None:
        """Become the only one.

        First a look, with an object that tells the time and hinders nobody. Then the claim: of
        those that create it one succeeds, where the store knows conditional puts. Then the lock,
        and only then another look at the claim and at the other locks: of two that created the
        same claim nevertheless, the later one finds the lock of the earlier.
        """
        self._look_first()
        data = self._holder.encode()
        number = max(claims(self._times()), default=0) + 1
        claim = f"{FOLDER}only-{number}"
        try:
            self._storage.create(claim, data, sha256=hashlib.sha256(data).hexdigest())
        except ObjectExistsError:
            raise _busy("another prune or repair that begins just now") from None
        self._put("0")
        try:
            if self._read(claim) != data:
                raise _busy("another prune or repair that begins just now")
            self._yield_to_others(number)
        except BaseException:
            self.release()
            raise
        self._claim = number

    def _yield_to_others(self, number: int) -> None:
        """Give way to whoever holds a lock; a claim above his is taken back, or it would outdo him.

        One of the same number may be his own, overwritten.
        """
        try:
            self._refuse_others()
        except BusyError:
            if any(other < number for other in claims(self._times())):
                self._claim = number
            raise

    def _look_first(self) -> None:
        self._called = LOOKING
        self._put("0")
        try:
            self._refuse_others()
        finally:
            self._remove([self._name(0)])
            self._called = self.purpose.value

    def _refuse_others(self) -> None:
        for other in self._survey().others:
            if other.purpose in {Purpose.PRUNE.value, Purpose.REPAIR.value}:
                raise _busy(other.describe())

    def _survey(self) -> LockSurvey:
        times = self._times()
        surveyor = Surveyor(self._storage, self._repository, self._holder)
        return surveyor.survey(times, times[self._name(self._latest)])

    def _is_outdone(self, times: Iterable[str]) -> bool:
        """Return whether somebody else claims to be alone since this holder does."""
        return bool(self._claim) and max(claims(times), default=0) != self._claim

    def _read(self, name: str) -> bytes:
        try:
            return self._storage.get(name)
        except ObjectMissingError:
            return b""


def _busy(who: str) -> BusyError:
    return BusyError(f"The repository is in use by {who}.", hint="Wait until it ends.")
