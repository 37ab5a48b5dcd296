"""What former backups of an ownCloud tell of the next one: shares, rates and times."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from ocsnap.commands.restore.estimate import USUAL_RATE
from ocsnap.repository.snapshot import MAINTENANCE_FIGURE, RootKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

LATEST: Final = 10
"""So many backups are asked: lines and habits change."""


@dataclass(frozen=True)
class Experience:
    """What the latest backups told.

    Attributes:
        backups: how many there were.
        bytes_per_second: how fast the one that did most went through files and dump.
        least_seconds: how long a backup takes that has nothing to do.
        maintenance_seconds: how long users were locked out; None where nobody knows.
        changed_share: of the files that changed, so much was not in the repository yet; 0 to 1.
        new_share: the same of new files.
        dump_share: the same of the database's dump.
        stored_share: so much is left after compression.
    """

    backups: int = 0
    bytes_per_second: float = USUAL_RATE
    least_seconds: float = 0.0
    maintenance_seconds: float | None = None
    changed_share: float = 1.0
    new_share: float = 1.0
    dump_share: float = 1.0
    stored_share: float = 1.0

    def seconds(self, work_bytes: int) -> float:
        """Return how long a backup takes that goes through so much."""
        return self.least_seconds + work_bytes / self.bytes_per_second


def experience(mine: Sequence[StoredSnapshot], *, stored_share: float) -> Experience:
    """Ask the latest backups.

    Args:
        mine: the snapshots of one ownCloud, oldest first.
        stored_share: the size of the repository by that of its content; 0 to 1.

    Returns:
        What they tell; what is usual where there are none, and nothing is left out then.
    """
    runs = [_Run.of(stored.snapshot) for stored in mine[-LATEST:]]
    if not runs:
        return Experience()
    most = max(runs, key=lambda run: run.work_bytes)
    rate = most.work_bytes / most.seconds if most.work_bytes and most.seconds else USUAL_RATE
    frozen = [run.maintenance_seconds for run in runs if run.maintenance_seconds is not None]
    later = [run for run in runs if not run.is_first]
    return Experience(
        backups=len(runs),
        bytes_per_second=rate,
        least_seconds=median(max(run.seconds - run.work_bytes / rate, 0.0) for run in runs),
        maintenance_seconds=median(frozen) if frozen else None,
        changed_share=_share([(run.changed_new_bytes, run.changed_bytes) for run in runs]),
        new_share=_share([(run.created_new_bytes, run.created_bytes) for run in runs]),
        dump_share=_share([(run.dump_new_bytes, run.dump_bytes) for run in later]),
        stored_share=stored_share,
    )


@dataclass(frozen=True)
class _Run:
    is_first: bool
    seconds: float
    work_bytes: int
    maintenance_seconds: float | None
    changed_bytes: int
    changed_new_bytes: int
    created_bytes: int
    created_new_bytes: int
    dump_bytes: int
    dump_new_bytes: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Run:
        def told(name: str) -> int:
            value = snapshot.statistics.get(name)
            return round(value) if isinstance(value, int | float) else 0

        dump = sum(root.size_bytes for root in snapshot.roots if root.kind is RootKind.DATABASE)
        # Of all files that were read, what was not in the repository; the dump is the rest.
        files_new = told("read_bytes") - told("deduplicated_bytes")
        frozen = snapshot.statistics.get(MAINTENANCE_FIGURE)
        return cls(
            is_first=snapshot.parent is None,
            seconds=max(snapshot.finished - snapshot.started, 0.0),
            work_bytes=told("read_bytes") + dump,
            maintenance_seconds=float(frozen) if isinstance(frozen, int | float) else None,
            changed_bytes=told("changed_file_bytes"),
            changed_new_bytes=told("changed_delta_bytes"),
            created_bytes=told("new_file_bytes"),
            created_new_bytes=files_new - told("changed_delta_bytes"),
            dump_bytes=dump,
            dump_new_bytes=told("raw_delta_bytes") - files_new,
        )


def _share(pairs: Sequence[tuple[int, int]]) -> float:
    """Return the sum of the parts by that of the wholes; all of it, where nobody has a figure."""
    whole = sum(pair[1] for pair in pairs)
    return min(max(sum(pair[0] for pair in pairs) / whole, 0.0), 1.0) if whole else 1.0
