"""A backup and a restore by a user without any rights: `python -m`.

Arguments: the folder to back up, the folder of the workshop, and where to restore to. Prints the
figures, the problems and what could not be restored as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.repository.workshop import Workshop
from tests.snapshot.studio import Studio

NOBODY = 65534


def rehearse() -> None:
    """Import all that is needed, from where nobody may not be able to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        folder.mkdir()
        (folder / "file").write_bytes(bytes(100_000))
        studio = Studio(Workshop(Path(name) / "workshop"))
        studio.restore(studio.backup(folder).stored, Path(name) / "target")


def main(folder: str, workshop: str, target: str) -> None:
    if os.geteuid() == 0:
        rehearse()
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    studio = Studio(Workshop(Path(workshop)), superuser=False)
    backup = studio.backup(Path(folder))
    report = studio.restore(backup.stored, Path(target))
    told = {
        "statistics": msgspec.to_builtins(backup.statistics),
        "problems": {problem.subject: problem.reason for problem in backup.monitor.problems},
        "failed": report.failed,
    }
    print(json.dumps(told))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
