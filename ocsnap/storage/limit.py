"""A limited line to any storage, as a decorator.

Objects are handed on whole, so the decorator alone could only rest after each. A storage that moves
an object part by part asks `sending` or `receiving` for the flow of the present call and takes from
it before each part; whatever it has not taken by the end, the decorator takes.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ocsnap.storage.decorator import Decorator
from ocsnap.units import KIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.storage.pace import Pace
    from ocsnap.storage.storage import Buffer, ObjectInfo, Room, Storage

PACED_BYTES: Final = 16 * KIB
"""What passes at once where the line is limited: at 1 KB/s, too, a store hears from us often enough
not to give up (S3 does after 20 s)."""


class Flow:
    """What one call moves over a limited line."""

    def __init__(self, pace: Pace | None) -> None:
        """Begin with nothing moved.

        Args:
            pace: the limit; None: there is none.
        """
        self._pace = pace
        self._moved_bytes = 0

    def take(self, count_bytes: int) -> None:
        """Wait until so many bytes may pass.

        Args:
            count_bytes: at most `PACED_BYTES`, while more follow.
        """
        if self._pace is not None:
            self._pace.take(count_bytes)
        self._moved_bytes += count_bytes

    def finish(self, total_bytes: int) -> None:
        """Let the line rest for what the storage has moved without asking; whoever comes waits."""
        self.take(max(0, total_bytes - self._moved_bytes))


_sending: ContextVar[Flow | None] = ContextVar("sending", default=None)
_receiving: ContextVar[Flow | None] = ContextVar("receiving", default=None)


def sending() -> Flow | None:
    """Return what the present call sends by; None: the line has no limit."""
    return _sending.get()


def receiving() -> Flow | None:
    """Return what the present call receives by; None: the line has no limit."""
    return _receiving.get()


class Limited(Decorator):
    """Moves objects no faster than so many bytes a second, over all threads together."""

    def __init__(
        self, storage: Storage, *, upload: Pace | None = None, download: Pace | None = None
    ) -> None:
        """Limit the line to `storage`.

        Args:
            storage: what to call.
            upload: how fast objects are stored; None: as fast as it goes.
            download: how fast they are read.
        """
        super().__init__(storage)
        self._upload = upload
        self._download = download

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        with _flow(_sending, self._upload) as flow:
            info = super().put(name, data, sha256=sha256)
            flow.finish(memoryview(data).nbytes)
            return info

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`."""
        with _flow(_sending, self._upload) as flow:
            super().create(name, data, sha256=sha256)
            flow.finish(memoryview(data).nbytes)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        with _flow(_receiving, self._download) as flow:
            content = super().get(name, offset=offset, length=length)
            flow.finish(len(content))
            return content

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's; see `Storage.get_into`."""
        with _flow(_receiving, self._download) as flow:
            content = self._storage.get_into(name, room)
            flow.finish(len(content))
            return content


@contextmanager
def _flow(present: ContextVar[Flow | None], pace: Pace | None) -> Iterator[Flow]:
    flow = Flow(pace)
    token = present.set(flow if pace is not None else None)
    try:
        yield flow
    finally:
        present.reset(token)
