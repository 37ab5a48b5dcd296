"""A pack that is being gathered, in a file in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.crypto import MemoryFile
from ocsnap.repository.pack import MOST_BLOBS, PackedBlob, trailer

if TYPE_CHECKING:
    from ocsnap.repository.blob import Buffer


class PackFile:
    """Frames one after the other, then the trailer that lists them.

    Not on the heap: frames come in all sizes from several threads and leave together, which would
    leave it full of holes.

    Attributes:
        file: what was gathered; its own `close` lets go of it.
        blobs: where each blob lies.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.file = MemoryFile()
        self.blobs: list[PackedBlob] = []
        self._size_bytes = 0

    def append(self, blob: bytes, frame: Buffer, raw_bytes: int) -> None:
        """Add a blob's frame.

        Args:
            blob: its id.
            frame: its zstd frame.
            raw_bytes: its own length.
        """
        self.file.append([frame])
        self.blobs.append(PackedBlob(blob, self._size_bytes, len(frame), raw_bytes))
        self._size_bytes += len(frame)

    def is_full(self, target_bytes: int) -> bool:
        """Return whether it is long enough, or has as many blobs as its trailer may list."""
        return self._size_bytes >= target_bytes or len(self.blobs) >= MOST_BLOBS

    def finish(self) -> None:
        """Add the trailer."""
        self.file.append([trailer(self.blobs)])
