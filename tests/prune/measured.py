"""Makes a repository of many snapshots, prunes it in a process of its own, and tells what it took.

    python -m tests.prune.measured FOLDER SNAPSHOTS FILES CHANGES KEPT

Prints JSON: peak of memory in KiB, requests, seconds, and figures of the repository.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ocsnap.cli.allocator import bound_memory
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.lock import Lock
from ocsnap.repository.lock_survey import Purpose
from ocsnap.repository.prune import Pruner
from ocsnap.repository.prune_plan import PrunePolicy
from ocsnap.repository.retention import KeepRules, Retention
from ocsnap.storage.count import Counting
from ocsnap.storage.local import LocalStorage
from tests.repository.workshop import REPOSITORY, Workshop
from tests.snapshot.peak import Memory
from tests.snapshot.studio import Studio

FILE_BYTES = 2000
FOLDERS = 100


def make(place: Path, snapshots: int, files: int, changes: int) -> None:
    """Back up a folder again and again, some of its files changed each time."""
    rng = random.Random(1)
    folder = place / "source"
    folder.mkdir(parents=True)
    for number in range(FOLDERS):
        (folder / f"{number}").mkdir()
    paths = [folder / f"{number % FOLDERS}" / f"{number}" for number in range(files)]
    for path in paths:
        path.write_bytes(rng.randbytes(FILE_BYTES))
    studio = Studio(Workshop(place / "host", LocalStorage(place / "repository")))
    for _ in range(snapshots):
        for path in rng.sample(paths, changes):
            path.write_bytes(rng.randbytes(FILE_BYTES))
        studio.clock.sleep(3600)
        studio.backup(folder)


def prune(place: Path, kept: int) -> None:
    """Prune on a host that knows nothing yet; print what it took."""
    bound_memory()
    memory = Memory()
    memory.start()
    storage = Counting(LocalStorage(place / "repository"))
    began = time.monotonic()
    with Workshop(place / "pruner", storage).opened() as repository:
        lock = Lock(
            storage, repository=REPOSITORY, purpose=Purpose.PRUNE, random=random.SystemRandom()
        )
        lock.take()
        rules = KeepRules(last=kept)
        retention = Retention(rules, now=time.time() + 10**8, calendar=_calendar)
        policy = PrunePolicy(retention, grace_seconds=0.0)
        report = Pruner(repository, policy, monitor=SilentMonitor()).prune(lock)
        lock.release()
    found = {
        "peak_kib": memory.most_kib,
        "seconds": round(time.monotonic() - began, 1),
        "requests": storage.requests,
        "put_bytes": storage.put_bytes,
        "got_bytes": storage.got_bytes,
        "snapshots": len(report.snapshots),
        "removed_snapshots": report.removed_snapshots,
        "removed_packs": report.removed_packs,
        "removed_bytes": report.removed_bytes,
        "repacked_packs": report.repacked_packs,
        "objects_left": sum(1 for _ in storage.list()),
    }
    print(json.dumps(found))  # noqa: T201 - the caller reads it


def measured(place: Path, kept: int) -> dict[str, int]:
    """Prune in a process of its own; return what it took."""
    command = [sys.executable, "-m", "tests.prune.measured", str(place), str(kept)]
    ended = subprocess.run(command, capture_output=True, check=False, env={**os.environ})
    assert ended.returncode == 0, ended.stderr.decode()
    found: dict[str, int] = json.loads(ended.stdout)
    return found


def _calendar(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


if __name__ == "__main__":
    arguments = sys.argv[2:]
    if len(arguments) == 1:
        prune(Path(sys.argv[1]), int(arguments[0]))
    else:
        wanted_snapshots, wanted_files, wanted_changes, wanted_kept = map(int, arguments)
        make(Path(sys.argv[1]), wanted_snapshots, wanted_files, wanted_changes)
        print(measured(Path(sys.argv[1]), wanted_kept))  # noqa: T201 - the result
