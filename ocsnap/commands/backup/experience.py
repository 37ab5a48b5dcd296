"""What former backups of an ownCloud tell of the next one: shares, rates and times."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from ocsnap.commands.restore.estimate import USUAL_RATE
from ocsnap.repository.snapshot import MAINTENANCE_FIGURE, RootKind
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot

LATEST: Final = 10
"""So many backups are asked: lines and habits change."""

_LITTLE_BYTES: Final = 16 * MIB
"""A few small files tell nothing of a large one: so much that was all new is always added to what
former backups tell, and a run that stored less tells no rate."""


@dataclass(frozen=True)
class Experience:
    """What the latest backups told.

    Attributes:
        backups: how many there were.
        bytes_per_second: how fast the one that stored most did so.
        least_seconds: how long a backup takes that has nothing to store.
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

    def seconds(self, new_bytes: int) -> float:
        """Return how long a backup takes that stores so much; what takes its time is sending."""
        return self.least_seconds + new_bytes / self.bytes_per_second


def experience(
    mine: Sequence[StoredSnapshot], *, stored_bytes: int, content_bytes: int
) -> Experience:
    """Ask the latest backups.

    Args:
        mine: the snapshots of one ownCloud, oldest first.
        stored_bytes: size of the repository.
        content_bytes: length of all that is in it, each content once and uncompressed.

    Returns:
        What they tell; what is usual where there are none, and nothing is left out then.
    """
    runs = [_Run.of(stored.snapshot) for stored in mine[-LATEST:]]
    if not runs:
        return Experience()
    most = max(runs, key=lambda run: run.new_bytes)
    tells = most.new_bytes >= _LITTLE_BYTES and most.seconds > 0
    rate = most.new_bytes / most.seconds if tells else USUAL_RATE
    frozen = [run.maintenance_seconds for run in runs if run.maintenance_seconds is not None]
    later = [run for run in runs if not run.is_first]
    return Experience(
        backups=len(runs),
        bytes_per_second=rate,
        least_seconds=median(max(run.seconds - run.new_bytes / rate, 0.0) for run in runs),
        maintenance_seconds=median(frozen) if frozen else None,
        changed_share=_share([(run.changed_new_bytes, run.changed_bytes) for run in runs]),
        new_share=_share([(run.created_new_bytes, run.created_bytes) for run in runs]),
        dump_share=_share([(run.dump_new_bytes, run.dump_bytes) for run in later]),
        stored_share=_share([(stored_bytes, content_bytes)]),
    )


@dataclass(frozen=True)
class _Run:
    is_first: bool
    seconds: float
    new_bytes: int
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
            new_bytes=max(told("raw_delta_bytes"), 0),
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
    part = sum(pair[0] for pair in pairs) + _LITTLE_BYTES
    whole = sum(pair[1] for pair in pairs) + _LITTLE_BYTES
    return min(max(part / whole, 0.0), 1.0)
