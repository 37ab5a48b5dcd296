"""Memory that packs pass through, one after the other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ocsnap.crypto import MemoryFile
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_KEPT_BYTES: Final = 24 * MIB
"""Memory is promised: what a longer pack took than any of today's is given back at once."""


class Workspace:
    """Memory for one object.

    Attributes:
        message: the object as it was stored.
        plain: what is in it.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.message = MemoryFile()
        self.plain = MemoryFile()

    @property
    def is_large(self) -> bool:
        """Whether it is too large to be kept."""
        return max(self.message.size_bytes, self.plain.size_bytes) > _MOST_KEPT_BYTES

    def close(self) -> None:
        """Let go of it."""
        self.message.close()
        self.plain.close()


class Workspaces:
    """As many as are in use at once, each for whoever comes next; for several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._idle: list[Workspace] = []

    @contextmanager
    def one(self) -> Iterator[Workspace]:
        """Give one that nobody else has."""
        try:
            space = self._idle.pop()
        except IndexError:
            space = Workspace()
        try:
            yield space
        finally:
            if space.is_large:
                space.close()
            else:
                self._idle.append(space)

    def close(self) -> None:
        """Let go of all that are idle; more may be asked for afterwards."""
        while self._idle:
            self._idle.pop().close()
