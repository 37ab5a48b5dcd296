"""Choosing a snapshot as people name it: `latest`, the first digits of an id, a day, a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ocsnap.errors import NoSnapshotError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.snapshot import StoredSnapshot

LATEST: Final = "latest"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?")


def select(snapshots: Sequence[StoredSnapshot], wanted: str) -> StoredSnapshot:
    """Return the snapshot that is meant.

    Args:
        snapshots: all snapshots, oldest first.
        wanted: `latest`; the first digits of an id; a day, a minute or a second (ISO 8601), meaning
            the last snapshot begun until its end, as a listing shows no fractions. A time without
            offset is local.

    Returns:
        The snapshot.

    Raises:
        NoSnapshotError: none answers, or several do.
    """
    if not snapshots:
        raise NoSnapshotError("There is no snapshot yet.", hint="Run: ocsnap backup.")
    if wanted == LATEST:
        return snapshots[-1]
    if not wanted:
        raise NoSnapshotError("No snapshot is named.", hint="Give an id, a time, or latest.")
    found = [stored for stored in snapshots if stored.id.startswith(wanted.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSnapshotError(
            f"{len(found)} snapshots begin with {wanted}.", hint="Give more digits."
        )
    end = _end(wanted)
    before = [stored for stored in snapshots if stored.snapshot.started < end]
    if not before:
        raise NoSnapshotError(
            f"There is no snapshot as old as {wanted}.", hint="List them: ocsnap snapshots."
        )
    return before[-1]


def _end(wanted: str) -> float:
    """Return the end of a day, a minute or a second, or a moment where fractions are given."""
    try:
        moment = datetime.fromisoformat(wanted)
        if (told := _TIME.match(wanted)) is None:
            raise ValueError(wanted)
        clock, seconds, fraction = told.groups()
        if clock is None:
            return (moment + timedelta(days=1)).timestamp()
        if fraction is None:
            moment += timedelta(seconds=1) if seconds else timedelta(minutes=1)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise NoSnapshotError(
            f"There is no snapshot {wanted}.",
            hint="List them: ocsnap snapshots. A time is written like 2026-11-01T20:30.",
        ) from None
