"""Tries again what may go better the next time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ocsnap.errors import ObjectExistsError, TransientStorageError
from ocsnap.storage.decorator import Decorator

if TYPE_CHECKING:
    import random as randomness
    from collections.abc import Callable, Iterable, Iterator

    from ocsnap.clock import Clock
    from ocsnap.storage.storage import Buffer, ObjectInfo, Room, Storage

T = TypeVar("T")

ATTEMPTS = 10
"""With the delays below, a line that is away for three minutes is waited for."""

CHECK_ATTEMPTS = 2
"""A check runs before anything is touched, with a person waiting for its word."""

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 60.0


def _nothing(error: TransientStorageError) -> None:
    """Tell nobody."""


class Retrying(Decorator):
    """Repeats calls that end in TransientStorageError, with exponential backoff and jitter.

    The nth delay is random between a half and the whole of 1 s, 2 s, 4 s, ... 60 s: uploads that
    failed together do not come back together.

    Attributes:
        on_retry: told of each error that is answered by another attempt; called from any thread.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Clock,
        random: randomness.Random,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Repeat the calls of `storage`.

        Args:
            storage: what to call.
            clock: what to wait by.
            random: where the jitter comes from.
            attempts: how often a call is tried in all; at least 1.
        """
        super().__init__(storage)
        self._clock = clock
        self._random = random
        self._attempts = attempts
        self.on_retry: Callable[[TransientStorageError], None] = _nothing

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        return self._repeat(lambda: self._storage.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`.

        When the answer to an attempt was lost, the next one may find the object that this very
        attempt created: one with the same bytes counts as that.
        """
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            self._storage.create(name, data, sha256=sha256)

        try:
            self._repeat(attempt)
        except ObjectExistsError:
            if attempts == 1 or self.get(name) != bytes(data):
                raise

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        return self._repeat(lambda: self._storage.get(name, offset=offset, length=length))

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's; see `Storage.get_into`."""
        return self._repeat(lambda: self._storage.get_into(name, room))

    def stat(self, name: str) -> ObjectInfo:
        """Return what is known of an object; see `Storage.stat`."""
        return self._repeat(lambda: self._storage.stat(name))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`.

        A listing that breaks off is begun anew, and what was told already is left out. Attempts
        count from the last object that was new.
        """
        told: set[str] = set()
        attempt = 1
        while True:
            try:
                for info in self._storage.list(prefix):
                    if info.name not in told:
                        told.add(info.name)
                        attempt = 1
                        yield info
                return
            except TransientStorageError as error:
                self._wait(error, attempt, self._attempts)
                attempt += 1

    def delete(self, name: str) -> None:
        """Remove an object; see `Storage.delete`."""
        self._repeat(lambda: self._storage.delete(name))

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects; see `Storage.delete_all`."""
        given = [*names]
        self._repeat(lambda: self._storage.delete_all(given))

    def protect(self, name: str) -> None:
        """Lock an object anew; see `Storage.protect`."""
        self._repeat(lambda: self._storage.protect(name))

    def check(self) -> None:
        """Prove that the storage works; see `Storage.check`. Repeated only once."""
        self._repeat(self._storage.check, attempts=min(CHECK_ATTEMPTS, self._attempts))

    def _repeat(self, call: Callable[[], T], *, attempts: int | None = None) -> T:
        attempt = 1
        while True:
            try:
                return call()
            except TransientStorageError as error:
                self._wait(error, attempt, attempts or self._attempts)
                attempt += 1

    def _wait(self, error: TransientStorageError, attempt: int, attempts: int) -> None:
        """Wait for the next attempt, or raise `error` when there is none."""
        if attempt >= attempts:
            raise error
        self.on_retry(error)
        longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1))
        self._clock.sleep(longest * self._random.uniform(0.5, 1.0))
