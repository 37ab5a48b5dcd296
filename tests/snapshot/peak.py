"""A backup, a check and a restore in a process that tells its peak of memory: `python -m`.

Arguments: the folder to back up, the folder of the workshop, the folder of the repository, where to
restore to. Prints three numbers, KiB, each the peak until then.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ocsnap.cli.allocator import bound_memory
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio


def main(folder: str, workshop: str, repository: str, target: str) -> None:
    bound_memory()
    studio = Studio(Workshop(Path(workshop), LocalStorage(Path(repository))))
    backup = studio.backup(Path(folder))
    tell()
    studio.check(read_data=True)
    tell()
    studio.restore(backup.stored, Path(target))
    tell()


def tell() -> None:
    """Print the peak of this program alone: getrusage(2) counts what it was forked from, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(peak)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
