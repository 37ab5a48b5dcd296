"""`ocsnap stats`: how backups grow, what deltas and deduplication save, and whose files they are.

All of it stands in the snapshots and in the index: no listing and no content is read.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from ocsnap.commands.context import connect
from ocsnap.commands.snapshots import readable
from ocsnap.repository.snapshot import MAINTENANCE_FIGURE, RootKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocsnap.commands.context import Context
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot


class SnapshotFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot.

    Attributes:
        id: its id.
        started: seconds since the epoch.
        host: the machine.
        files: entries in all its trees.
        size_bytes: sizes of all files, the database dump included.
        grown_bytes: how much larger that is than in the snapshot of this ownCloud before.
        new_bytes: content that was not stored before, uncompressed.
        deduplicated_bytes: content of new and changed files that was stored already.
        delta_saved_bytes: the part of changed files that did not change, so was not stored again.
        errors: files that are not in it, or not whole.
        alarms: how many alarms it raised.
        seconds: how long the backup took.
        maintenance_seconds: how long users were locked out; None for snapshots that do not tell.
    """

    id: str
    started: float
    host: str
    files: int
    size_bytes: int
    grown_bytes: int
    new_bytes: int
    deduplicated_bytes: int
    delta_saved_bytes: int
    errors: int
    alarms: int
    seconds: float
    maintenance_seconds: float | None


class UserFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One user's home in the latest snapshot of an ownCloud.

    Attributes:
        root: the ownCloud.
        user: the user.
        files: entries in the home, versions and trash included.
        size_bytes: their sizes.
        shown_bytes: of this, what the user sees; the rest is versions, trash and the like.
        grown_bytes: how much larger the home is than in the first snapshot looked at that has it.
    """

    root: str
    user: str
    files: int
    size_bytes: int
    shown_bytes: int | None
    grown_bytes: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """All figures.

    Attributes:
        snapshots: those looked at, oldest first.
        users: the homes of the latest snapshot of each ownCloud, largest first.
        full_bytes: sizes of all snapshots together: what full copies would take.
        content_bytes: content and listings in the repository, each once, uncompressed.
        stored_bytes: what the repository takes, compressed and encrypted.
    """

    snapshots: tuple[SnapshotFigures, ...]
    users: tuple[UserFigures, ...]
    full_bytes: int
    content_bytes: int
    stored_bytes: int


def stats(context: Context, *, last: int | None = None) -> Stats:
    """Gather the figures.

    Args:
        context: the outside world.
        last: look only at so many of the latest snapshots; the sums are always over all.

    Returns:
        The figures.

    Raises:
        OcsnapError: the repository cannot be read.
    """
    with closing(connect(context, reads_only=True).repository) as repository:
        repository.synchronise(context.monitor)
        found = readable(repository, context.monitor)
        figures = [*_figures(found)]
        chosen = found if last is None else found[-last:]
        return Stats(
            snapshots=tuple(figures[len(found) - len(chosen) :]),
            users=tuple(sorted(_users(chosen), key=lambda each: -each.size_bytes)),
            full_bytes=sum(stored.snapshot.size_bytes for stored in found),
            content_bytes=repository.cache.content_bytes(),
            stored_bytes=repository.cache.expected_bytes(),
        )


def _figures(found: Iterable[StoredSnapshot]) -> Iterator[SnapshotFigures]:
    before: dict[str, Snapshot] = {}
    for stored in found:
        snapshot = stored.snapshot
        earlier = before.get(snapshot.owncloud.root)
        yield SnapshotFigures(
            id=stored.id,
            started=snapshot.started,
            host=snapshot.host,
            files=snapshot.files,
            size_bytes=snapshot.size_bytes,
            grown_bytes=snapshot.size_bytes - (earlier.size_bytes if earlier else 0),
            new_bytes=round(_told(snapshot, "raw_delta_bytes") or 0),
            deduplicated_bytes=round(_told(snapshot, "deduplicated_bytes") or 0),
            delta_saved_bytes=round(_told(snapshot, "changed_file_bytes") or 0)
            - round(_told(snapshot, "changed_delta_bytes") or 0),
            errors=snapshot.errors,
            alarms=len(snapshot.alarms),
            seconds=max(snapshot.finished - snapshot.started, 0.0),
            maintenance_seconds=_told(snapshot, MAINTENANCE_FIGURE),
        )
        before[snapshot.owncloud.root] = snapshot


def _told(snapshot: Snapshot, name: str) -> float | None:
    """Return one of the figures that a run left; they are anything that JSON can hold."""
    value = snapshot.statistics.get(name)
    return value if isinstance(value, int | float) else None


def _users(chosen: Sequence[StoredSnapshot]) -> Iterator[UserFigures]:
    latest = {stored.snapshot.owncloud.root: stored.snapshot for stored in chosen}
    first: dict[tuple[str, str], int] = {}
    for stored in chosen:
        for home in stored.snapshot.roots:
            if home.kind is RootKind.HOME:
                first.setdefault((stored.snapshot.owncloud.root, home.name), home.size_bytes)
    for root, snapshot in latest.items():
        for home in snapshot.roots:
            if home.kind is RootKind.HOME:
                yield UserFigures(
                    root=root,
                    user=home.name,
                    files=home.files,
                    size_bytes=home.size_bytes,
                    shown_bytes=home.watched_bytes,
                    grown_bytes=home.size_bytes - first[root, home.name],
                )
