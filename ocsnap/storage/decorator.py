"""What all decorators share: they pass on what they do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.storage.storage import placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.storage.storage import Buffer, ObjectInfo, Room, Storage


class Decorator:
    """A storage that passes every call on to another; decorators override what they change."""

    def __init__(self, storage: Storage) -> None:
        """Pass everything on to `storage`."""
        self._storage = storage

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Pass on `Storage.put`."""
        return self._storage.put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Pass on `Storage.create`."""
        self._storage.create(name, data, sha256=sha256)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Pass on `Storage.get`."""
        return self._storage.get(name, offset=offset, length=length)

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object by `get`, which a decorator may have changed; see `Storage.get_into`."""
        return placed(self.get(name), room)

    def stat(self, name: str) -> ObjectInfo:
        """Pass on `Storage.stat`."""
        return self._storage.stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Pass on `Storage.list`."""
        return self._storage.list(prefix)

    def delete(self, name: str) -> None:
        """Pass on `Storage.delete`."""
        self._storage.delete(name)

    def delete_all(self, names: Iterable[str]) -> None:
        """Pass on `Storage.delete_all`."""
        self._storage.delete_all(names)

    def protect(self, name: str) -> None:
        """Pass on `Storage.protect`."""
        self._storage.protect(name)

    def check(self) -> None:
        """Pass on `Storage.check`."""
        self._storage.check()

    def close(self) -> None:
        """Pass on `Storage.close`."""
        self._storage.close()
