"""Files in memory: what gpg reads and writes without a thread of ours that pumps it."""

from __future__ import annotations

import mmap
import os
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocsnap.crypto.cipher import Buffer

_PARTS_PER_CALL: Final = 512
"""Half of what Linux takes in one writev(2), IOV_MAX in limits.h."""


_STEP_BYTES: Final = MIB
"""A mapping has whole such parts, so that one for a pack fits nearly every other pack."""


class MemoryFile:
    """An anonymous file (memfd_create(2)): no name, no disk, gone with its last descriptor.

    It may serve one message after the other: to get memory from the system anew, page by page,
    takes half as long as to decrypt what is put there.
    """

    def __init__(self) -> None:
        """Make an empty one."""
        self._descriptor = os.memfd_create("ocsnap", os.MFD_CLOEXEC)
        self._map = memoryview(bytearray())

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return os.fstat(self._descriptor).st_size

    def append(self, parts: Iterable[Buffer]) -> None:
        """Write at the end; parts are taken some hundred at a time and let go of."""
        rest = iter(parts)
        while group := [part for part in islice(rest, _PARTS_PER_CALL) if len(part)]:
            self._write(group)

    def rewind(self) -> None:
        """Let the next reader begin at the beginning."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def content(self) -> memoryview:
        """Return all of it, in place; it stays valid when the file is closed."""
        size_bytes = self.size_bytes
        if not size_bytes:
            return memoryview(b"")
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return memoryview(mmap.mmap(self._descriptor, size_bytes, flags, mmap.PROT_READ))

    def room(self, size_bytes: int) -> memoryview:
        """Make it so long, and return all of it to be written to.

        Args:
            size_bytes: how long; what it held before is lost. Whoever still reads that beyond the
                new end is killed (SIGBUS, mmap(2)).

        Returns:
            It, in place, until it is used for something else.
        """
        view = self._mapped(size_bytes)
        os.ftruncate(self._descriptor, size_bytes)
        return view

    def whole(self) -> memoryview:
        """Return all of it, in place, until it is used for something else."""
        return self._mapped(self.size_bytes)

    def written(self) -> memoryview:
        """Return what was written since `rewind`, by whoever shares the descriptor.

        Returns:
            It, in place, until the file is used for something else. An earlier and longer content
            still follows in the file, but not here.
        """
        return self._mapped(os.lseek(self._descriptor, 0, os.SEEK_CUR))

    def close(self) -> None:
        """Let go of it; further calls do nothing."""
        self._map = memoryview(bytearray())
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _mapped(self, size_bytes: int) -> memoryview:
        """Return the beginning, of the one mapping that grows as it must."""
        if len(self._map) < size_bytes:
            present_bytes = self.size_bytes
            length = max(present_bytes, -(-size_bytes // _STEP_BYTES) * _STEP_BYTES)
            os.ftruncate(self._descriptor, length)  # Python maps nothing that is not there
            self._map = memoryview(bytearray())
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            self._map = memoryview(mmap.mmap(self._descriptor, length, flags))
            os.ftruncate(self._descriptor, present_bytes)
        return self._map[:size_bytes]

    def _write(self, group: list[Buffer]) -> None:
        written = os.writev(self._descriptor, group)
        if written < sum(map(len, group)):
            rest = memoryview(b"".join(group))[written:]
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
