"""A storage in memory, for tests: as strict as the strictest store."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from ocsnap.errors import ObjectExistsError, ObjectMissingError, TransientStorageError
from ocsnap.storage.name import check_range, checked, checked_prefix
from ocsnap.storage.storage import ObjectInfo, placed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ocsnap.storage.storage import Buffer, Room


class MemoryStorage:
    """Keeps objects in memory, tells both checksums and refuses damaged bytes.

    Attributes:
        objects: the objects by name; tests may damage them.
        times: when they were put; one that a test made otherwise is as old as time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Keep nothing yet.

        Args:
            now: the storage's own clock; seconds since the epoch.
        """
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, float] = {}
        self._now = now
        self._lock = threading.Lock()

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        content = _proven(checked(name), data, sha256)
        with self._lock:
            self._keep(name, content)
        return _info(name, content, None)

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`."""
        content = _proven(checked(name), data, sha256)
        with self._lock:
            if name in self.objects:
                raise ObjectExistsError(f"{name}: is there already.", name=name)
            self._keep(name, content)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        check_range(offset, length)
        content = self._content(name)
        return content[offset:] if length is None else content[offset : offset + length]

    def get_into(self, name: str, room: Room) -> memoryview:
        """Copy an object's bytes; see `Storage.get_into`."""
        return placed(self.get(name), room)

    def stat(self, name: str) -> ObjectInfo:
        """Return what is known of an object; see `Storage.stat`."""
        return _info(name, self._content(name), self.times.get(name, 0.0))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`."""
        checked_prefix(prefix)
        with self._lock:
            found = [item for item in self.objects.items() if item[0].startswith(prefix)]
            times = {name: self.times.get(name, 0.0) for name, _ in found}
        return (_info(name, content, times[name]) for name, content in found)

    def delete(self, name: str) -> None:
        """Remove an object; see `Storage.delete`."""
        with self._lock:
            self.objects.pop(checked(name), None)
            self.times.pop(name, None)

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects; see `Storage.delete_all`."""
        for name in [checked(name) for name in names]:
            self.delete(name)

    def protect(self, name: str) -> None:
        """Do nothing: there is no lock that its owner could not lift; see `Storage.protect`."""
        checked(name)

    def check(self) -> None:
        """Find nothing wrong, ever."""

    def close(self) -> None:
        """Keep the objects: a test may look at them after the run."""

    def _keep(self, name: str, content: bytes) -> None:
        self.objects[name] = content
        self.times[name] = self._now()

    def _content(self, name: str) -> bytes:
        with self._lock:
            content = self.objects.get(checked(name))
        if content is None:
            raise ObjectMissingError(f"{name}: there is no such object.", name=name)
        return content


def _proven(name: str, data: Buffer, sha256: str) -> bytes:
    content = bytes(data)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise TransientStorageError(f"{name}: was damaged on its way to the storage.", name=name)
    return content


def _info(name: str, content: bytes, modified: float | None) -> ObjectInfo:
    return ObjectInfo(
        name=name,
        size_bytes=len(content),
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        modified=modified,
    )
