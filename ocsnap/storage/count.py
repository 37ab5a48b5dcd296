"""Counts what went to and came from the storage, for the statistics and for the bill."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ocsnap.storage.decorator import Decorator
from ocsnap.storage.storage import DELETE_BATCH_OBJECTS, LIST_PAGE_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.storage.storage import Buffer, ObjectInfo, Room, Storage


class Counting(Decorator):
    """Counts calls from any number of threads; only what succeeded counts as done.

    Attributes:
        requests: requests sent, as S3 bills them; one for each call and each further thousand
            objects of a listing or a deletion. Repeated ones count where `Retrying` tells of them.
        objects_put: objects stored, by put or create.
        put_bytes: bytes stored.
        got_bytes: bytes read.
        deleted_objects: deletions asked for, whether or not there was something to delete.
        deleted_bytes: bytes deleted, as far as the callers of `delete` said how many.
    """

    def __init__(self, storage: Storage) -> None:
        """Count the calls to `storage`."""
        super().__init__(storage)
        self._lock = threading.Lock()
        self.requests = 0
        self.objects_put = 0
        self.put_bytes = 0
        self.got_bytes = 0
        self.deleted_objects = 0
        self.deleted_bytes = 0

    def add_request(self) -> None:
        """Count one more request that another layer sent."""
        with self._lock:
            self.requests += 1

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        self.add_request()
        info = super().put(name, data, sha256=sha256)
        self._add_put(memoryview(data).nbytes)
        return info

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`."""
        self.add_request()
        super().create(name, data, sha256=sha256)
        self._add_put(memoryview(data).nbytes)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        self.add_request()
        content = super().get(name, offset=offset, length=length)
        with self._lock:
            self.got_bytes += len(content)
        return content

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's; see `Storage.get_into`."""
        self.add_request()
        content = self._storage.get_into(name, room)
        with self._lock:
            self.got_bytes += len(content)
        return content

    def stat(self, name: str) -> ObjectInfo:
        """Return what is known of an object; see `Storage.stat`."""
        self.add_request()
        return super().stat(name)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`."""
        self.add_request()
        for number, info in enumerate(super().list(prefix)):
            if number and number % LIST_PAGE_OBJECTS == 0:
                self.add_request()
            yield info

    def delete(self, name: str, *, size_bytes: int = 0) -> None:
        """Remove an object; see `Storage.delete`.

        Args:
            name: the object's name.
            size_bytes: its size where the caller knows it, for the count; bytes.
        """
        self.add_request()
        super().delete(name)
        with self._lock:
            self.deleted_objects += 1
            self.deleted_bytes += size_bytes

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects; see `Storage.delete_all`."""
        given = [*names]
        for _ in range(0, len(given), DELETE_BATCH_OBJECTS):
            self.add_request()
        super().delete_all(given)
        with self._lock:
            self.deleted_objects += len(given)

    def protect(self, name: str) -> None:
        """Lock an object anew; see `Storage.protect`."""
        self.add_request()
        super().protect(name)

    def check(self) -> None:
        """Prove that the storage works; see `Storage.check`."""
        self.add_request()
        super().check()

    def _add_put(self, size_bytes: int) -> None:
        with self._lock:
            self.objects_put += 1
            self.put_bytes += size_bytes
