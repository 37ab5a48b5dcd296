"""Memory that packs pass through, one after the other."""

from __future__ import annotations

import threading
from typing import Final

from ocsnap.crypto import MemoryFile
from ocsnap.units import MIB

_PLAIN: Final = 2
"""So many packs are decrypted at once, or taken apart: each keeps a core busy, and memory is
promised. More may be on their way from the store meanwhile."""

_MOST_KEPT_BYTES: Final = 24 * MIB
"""What a longer pack took than any of today's is given back at once."""


class MemoryFiles:
    """Files in memory, each for whoever comes next; for several threads."""

    def __init__(self, most: int | None = None) -> None:
        """Begin with none.

        Args:
            most: so many are given out at once, who comes later waits; None: as many as are wanted.
        """
        self._free = None if most is None else threading.Semaphore(most)
        self._idle: list[MemoryFile] = []

    def take(self) -> MemoryFile:
        """Return one that nobody else has; what is in it is of no meaning."""
        if self._free is not None:
            self._free.acquire()
        try:
            return self._idle.pop()
        except IndexError:
            return MemoryFile()

    def give_back(self, file: MemoryFile) -> None:
        """Let others have one that was taken."""
        if file.size_bytes > _MOST_KEPT_BYTES:
            file.close()
        else:
            self._idle.append(file)
        if self._free is not None:
            self._free.release()

    def close(self) -> None:
        """Let go of those that nobody has; more may be asked for afterwards."""
        while self._idle:
            self._idle.pop().close()


class Workspace:
    """Memory for the packs that a few threads read.

    Attributes:
        messages: for objects as they were stored.
        plain: for what is in them.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.messages = MemoryFiles()
        self.plain = MemoryFiles(_PLAIN)

    def close(self) -> None:
        """Let go of what is not in use; it may be used again."""
        self.messages.close()
        self.plain.close()
