"""A storage that fails as planned, for tests: what breaks between two writes, and when."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

from ocsnap.errors import StorageError, TransientStorageError
from ocsnap.storage.decorator import Decorator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.storage.storage import Buffer, ObjectInfo, Storage

Operation: TypeAlias = Literal[
    "put", "create", "get", "stat", "list", "delete", "delete_all", "check"
]


class Effect(Enum):
    """What a fault does to the call it hits."""

    ERROR_BEFORE = "raise an error, with nothing done"
    ERROR_AFTER = "do it, then raise an error: the answer was lost; a list breaks off half-way"
    ERROR_AMID = "delete_all: raise an error with half of it done"
    CRASH_BEFORE = "the process dies, with nothing done"
    CRASH_AFTER = "do it, then the process dies; a list breaks off half-way"
    CRASH_AMID = "delete_all: the process dies with half of it done"
    SHORT = "get: only the first half of the bytes; list: only the first half of the objects"
    DAMAGED = "get: one bit is flipped"


_ERRORS = {Effect.ERROR_BEFORE, Effect.ERROR_AFTER, Effect.ERROR_AMID}
_BEFORE = {Effect.ERROR_BEFORE, Effect.CRASH_BEFORE}
_AFTER = {Effect.ERROR_AFTER, Effect.CRASH_AFTER}
_AMID = {Effect.ERROR_AMID, Effect.CRASH_AMID}


class SimulatedCrash(BaseException):  # noqa: N818 # no error that code under test may handle
    """Stands for the death of the process: no `except Exception` catches it."""


@dataclass(frozen=True)
class Fault:
    """One planned fault.

    Attributes:
        operation: the method that fails.
        effect: how it fails.
        call: which call is hit, counted from 1 among those that `prefix` fits.
        prefix: hits only names that begin so; of a list, prefixes; of a delete_all, the first name.
        error: what ERROR_BEFORE and ERROR_AFTER raise.
    """

    operation: Operation
    effect: Effect
    call: int = 1
    prefix: str = ""
    error: type[StorageError] = TransientStorageError


class Faulty(Decorator):
    """Fails as planned, and can tell whether every planned fault came to pass."""

    def __init__(self, storage: Storage, plan: Iterable[Fault]) -> None:
        """Let calls to `storage` fail as `plan` says."""
        super().__init__(storage)
        self._lock = threading.Lock()
        self._calls = dict.fromkeys(plan, 0)

    def outstanding(self) -> tuple[Fault, ...]:
        """Return the planned faults that did not happen yet."""
        with self._lock:
            return tuple(fault for fault, calls in self._calls.items() if calls < fault.call)

    def assert_happened(self) -> None:
        """Raise AssertionError unless every planned fault happened."""
        if self.outstanding():
            raise AssertionError(f"planned, but never happened: {self.outstanding()}")

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        fault = self._begin("put", name)
        info = super().put(name, data, sha256=sha256)
        _end(fault, name)
        return info

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`."""
        fault = self._begin("create", name)
        super().create(name, data, sha256=sha256)
        _end(fault, name)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        fault = self._begin("get", name)
        content = super().get(name, offset=offset, length=length)
        _end(fault, name)
        if fault and fault.effect is Effect.SHORT:
            return content[: len(content) // 2]
        if fault and fault.effect is Effect.DAMAGED:
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        return content

    def stat(self, name: str) -> ObjectInfo:
        """Return what is known of an object; see `Storage.stat`."""
        fault = self._begin("stat", name)
        info = super().stat(name)
        _end(fault, name)
        return info

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`."""
        fault = self._begin("list", prefix)
        if fault is None:
            yield from super().list(prefix)
            return
        found = [*super().list(prefix)]
        yield from found[: len(found) // 2]
        _end(fault, prefix)

    def delete(self, name: str) -> None:
        """Remove an object; see `Storage.delete`."""
        fault = self._begin("delete", name)
        super().delete(name)
        _end(fault, name)

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects; see `Storage.delete_all`."""
        given = [*names]
        first = given[0] if given else ""
        fault = self._begin("delete_all", first)
        if fault and fault.effect in _AMID:
            super().delete_all(given[: len(given) // 2])
            _fail(fault, first)
        super().delete_all(given)
        _end(fault, first)

    def check(self) -> None:
        """Prove that the storage works; see `Storage.check`."""
        fault = self._begin("check", "")
        super().check()
        _end(fault, "")

    def _begin(self, operation: Operation, name: str) -> Fault | None:
        """Count the call, fail if it has to fail before, else return what comes after."""
        fault = self._hit(operation, name)
        if fault and fault.effect in _BEFORE:
            _fail(fault, name)
        return fault

    def _hit(self, operation: Operation, name: str) -> Fault | None:
        hit = None
        with self._lock:
            for fault in self._calls:
                if fault.operation == operation and name.startswith(fault.prefix):
                    self._calls[fault] += 1
                    if self._calls[fault] == fault.call:
                        hit = fault
        return hit


def _end(fault: Fault | None, name: str) -> None:
    if fault and fault.effect in _AFTER:
        _fail(fault, name)


def _fail(fault: Fault, name: str) -> None:
    if fault.effect in _ERRORS:
        raise fault.error(f"{name}: {fault.operation} failed as planned.", name=name)
    raise SimulatedCrash(f"{name}: crashed as planned in {fault.operation}")
