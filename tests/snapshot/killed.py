"""A backup in a process of its own that is killed at a certain put: `python -m`.

Arguments: the folder to back up, the folder of the workshop, the folder of the repository, the
number of the put, whether the process dies before or after it, and how many bytes of packs make a
checkpoint (0: the usual ones).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import ocsnap.repository.writer
from ocsnap.storage.decorator import Decorator
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio

if TYPE_CHECKING:
    from ocsnap.storage.storage import Buffer, ObjectInfo, Storage


class DeadlyStorage(Decorator):
    """Ends the process, without any chance to tidy up."""

    def __init__(self, storage: Storage, number: int, when: str) -> None:
        super().__init__(storage)
        self._lock = threading.Lock()
        self._left = number
        self._when = when

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        with self._lock:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            info = super().put(name, data, sha256=sha256)
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return info


def main(  # noqa: PLR0913, PLR0917 - the arguments of the program
    folder: str, workshop: str, repository: str, number: str, when: str, checkpoint_bytes: str
) -> None:
    if int(checkpoint_bytes):
        ocsnap.repository.writer.CHECKPOINT_BYTES = int(checkpoint_bytes)  # type: ignore[misc]
    storage = DeadlyStorage(LocalStorage(Path(repository)), int(number), when)
    Studio(Workshop(Path(workshop), storage)).backup(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
