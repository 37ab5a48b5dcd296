"""Reading one file for the archive, whatever others do to it meanwhile."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import msgspec

from ocsnap.repository.blob import LONGEST_BLOB_BYTES
from ocsnap.snapshot.delta import NotSimilarError
from ocsnap.snapshot.reach import READING, Reach
from ocsnap.snapshot.readahead import announce_next
from ocsnap.snapshot.scanner import Identity, Sight, describe, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.clock import Clock
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.content import ContentStore, StoredContent


class NotAFileError(OSError):
    """What was a regular file when it was listed is none any more."""


class FileReader:
    """Stores regular files and gives their entries; may be used from several threads."""

    def __init__(self, store: ContentStore, clock: Clock) -> None:
        """Keep where content goes to."""
        self._store = store
        self._clock = clock
        self._buffers = threading.local()

    def archive(
        self,
        path: bytes,
        name: bytes,
        find_previous: Callable[[os.stat_result], Entry | None],
        tell: Callable[[int], object],
        seen: Sight,
    ) -> tuple[Entry, StoredContent]:
        """Store a file.

        If it changes while it is read, its entry says so (`unsteady`): what was stored may be a
        mixture, and whoever reads it next must not take it for the file.

        Args:
            path: its absolute path.
            name: its name in the directory.
            find_previous: gives the entry to build a delta on.
            tell: is told of bytes of a long file as they are read; those of a short one come at
                once, and are in what is returned.
            seen: which file it was when its directory was listed. Another one may have taken its
                place, but not one that a link on the way leads to.

        Returns:
            Its entry, and what was stored for it.

        Raises:
            NotAFileError: it is no regular file any more.
            OSError: it cannot be read to its end.
        """
        descriptor = _open_seen(path, name, seen)
        try:
            read_ns = int(self._clock.now() * 1e9)
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise NotAFileError(f"{os.fsdecode(path)} is no regular file any more")
            previous = find_previous(before)
            stored = self._read(descriptor, before, previous, tell)
            self._mend(descriptor, previous, stored)
            after = os.fstat(descriptor)
            entry = describe(name, before, at=descriptor, read_ns=read_ns)
        finally:
            os.close(descriptor)
        complete = msgspec.structs.replace(
            entry,
            size_bytes=stored.size_bytes,
            content=stored.content,
            extents=stored.extents,
            signature=stored.signature,
            signed=stored.signed,
            unsteady=not _same(before, after) or stored.size_bytes != after.st_size,
        )
        return complete, stored

    def _read(
        self,
        descriptor: int,
        status: os.stat_result,
        previous: Entry | None,
        tell: Callable[[int], object],
    ) -> StoredContent:
        os.lseek(descriptor, 0, os.SEEK_SET)
        if status.st_size <= LONGEST_BLOB_BYTES:
            data = _fill(descriptor, self._buffer()[: status.st_size + 1])
            if len(data) <= LONGEST_BLOB_BYTES:
                return self._store.store_buffer(data, previous)
            os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            return self._stream(descriptor, status, previous, tell)
        except NotSimilarError as error:
            os.lseek(descriptor, 0, os.SEEK_SET)
            stored = self._stream(descriptor, status, None, tell)
            return stored._replace(new_bytes=stored.new_bytes + error.stored_bytes)

    def _mend(self, descriptor: int, previous: Entry | None, stored: StoredContent) -> None:
        """Store blobs of an old version again that are lost, where the content is the same."""
        if previous is not None and previous.extents and previous.content == stored.content:
            self._store.mend(previous, lambda length, at: os.pread(descriptor, length, at))

    def _stream(
        self,
        descriptor: int,
        status: os.stat_result,
        previous: Entry | None,
        tell: Callable[[int], object],
    ) -> StoredContent:
        # A file that grows as fast as it is read would keep ownCloud frozen for ever.
        chunks = _chunks(descriptor, self._buffer()[:LONGEST_BLOB_BYTES], status.st_size)
        return self._store.store_stream(
            _told(chunks, tell),
            previous,
            expected_bytes=status.st_size,
            may_give_up=True,
        )

    def _buffer(self) -> memoryview:
        """Return this thread's own buffer: fresh memory for each file would cost page faults."""
        buffer: memoryview | None = getattr(self._buffers, "own", None)
        if buffer is None:
            buffer = memoryview(bytearray(LONGEST_BLOB_BYTES + 1))
            self._buffers.own = buffer
        return buffer


def _open_seen(path: bytes, name: bytes, seen: Sight) -> int:
    descriptor = _open(path)
    if Identity.of(os.fstat(descriptor)) == seen.file:
        return descriptor
    os.close(descriptor)
    # Another has taken its place: not one that a link on the way leads to, but of this directory.
    with opened(path[: -len(name) - 1], seen.folder) as above:
        return os.open(name, READING, dir_fd=above)


def _open(path: bytes) -> int:
    with Reach(path) as near:
        try:
            # Reading for a backup is no use of the file; only its owner and root may ask for this.
            return os.open(near, READING | os.O_NOATIME)
        except PermissionError:
            return os.open(near, READING)


def _fill(descriptor: int, buffer: memoryview) -> memoryview:
    """Read until the buffer is full or the file ends; return what was read."""
    filled = 0
    while filled < len(buffer):
        count = os.readv(descriptor, [buffer[filled:]])
        if not count:
            break
        filled += count
    return buffer[:filled]


def _chunks(descriptor: int, buffer: memoryview, most_bytes: int) -> Iterator[memoryview]:
    left_bytes = most_bytes
    while len(chunk := _fill(descriptor, buffer[:left_bytes])):
        left_bytes -= len(chunk)
        if left_bytes:
            announce_next(descriptor, most_bytes - left_bytes)
        yield chunk


def _told(chunks: Iterator[memoryview], tell: Callable[[int], object]) -> Iterator[memoryview]:
    for chunk in chunks:
        yield chunk
        tell(len(chunk))


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
