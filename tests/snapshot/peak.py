"""A backup, a check and a restore in a process that tells its peak of memory: `python -m`.

Arguments: the folder to back up, the folder of the workshop, the folder of the repository, where to
restore to. Prints three numbers, KiB, each the peak until then.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path

from ocsnap.cli.allocator import bound_memory
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio


def main(folder: str, workshop: str, repository: str, target: str) -> None:
    bound_memory()
    memory = Memory()
    memory.start()
    studio = Studio(Workshop(Path(workshop), LocalStorage(Path(repository))))
    backup = studio.backup(Path(folder))
    memory.tell()
    studio.check(read_data=True)
    memory.tell()
    studio.restore(backup.stored, Path(target))
    memory.tell()


class Memory(threading.Thread):
    """Looks again and again at what the program holds: its own pages and its files in memory."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_kib = 0

    def run(self) -> None:
        while True:
            self.most_kib = max(self.most_kib, resident_kib() + files_kib())
            time.sleep(0.002)

    def tell(self) -> None:
        print(self.most_kib)  # noqa: T201 - the test reads it


def resident_kib() -> int:
    """Return what is resident besides files in memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    figures = dict(line.split(":", 1) for line in status.splitlines())
    return sum(int(figures[name].split()[0]) for name in ("RssAnon", "RssFile"))


def files_kib() -> int:
    """Return the size of all files in memory, each once: what Python maps it holds open, too."""
    total = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith("/memfd:"):
                total += link.stat().st_blocks // 2
    return total


if __name__ == "__main__":
    main(*sys.argv[1:])
