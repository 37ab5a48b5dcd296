"""The body of a PUT, read from memory in place."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ocsnap.storage.limit import PACED_BYTES, sending

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from ocsnap.storage.storage import Buffer


class Body(io.RawIOBase):
    """A file over bytes that are not copied.

    A file, and not bytes: botocore then sends `Expect: 100-continue` and waits for the store's
    word before 32 MiB go out, so that a refusal (wrong key, slow down) arrives as an answer and
    not as a broken connection. botocore takes no memoryview as a body anyway.
    """

    def __init__(self, data: Buffer) -> None:
        super().__init__()
        self._flow = sending()
        self._view = memoryview(data).cast("B")
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: a redirected request is sent from the beginning again."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Copy the next bytes into `buffer` and return how many they were."""
        target = memoryview(buffer).cast("B")
        if self._flow is not None:
            target = target[:PACED_BYTES]
        part = self._view[self._position : self._position + len(target)]
        if self._flow is not None:
            self._flow.take(len(part))
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}
        self._position = start[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the present place."""
        return self._position
