"""What a prune tells of itself."""

from __future__ import annotations

import msgspec


class JudgedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a snapshot.

    Attributes:
        id: its id.
        started: begin of its backup; seconds since the epoch.
        host: the machine it is of.
        stays: whether it stays.
        reasons: why it stays.
    """

    id: str
    started: float
    host: str
    stays: bool
    reasons: tuple[str, ...]


class PruneReport(msgspec.Struct, kw_only=True):
    """One prune; what it would do, where it was only tried.

    Attributes:
        dry_run: nothing was changed.
        snapshots: what becomes of each, the oldest first.
        removed_snapshots: number of snapshots removed.
        removed_packs: packs removed.
        removed_bytes: their sizes.
        repacked_packs: packs of which what is needed was copied into others.
        repacked_bytes: their sizes.
        marked_packs: packs marked, those that were repacked among them.
        marked_bytes: their sizes.
        waiting_packs: packs that were marked before and stay for the present.
        waiting_bytes: their sizes.
        released_packs: packs that were marked and are needed again.
        removed_indexes: index objects removed.
        removed_leftovers: locks of the dead and other small objects removed.
        denied: what could not be removed, because the key or an object lock forbids it.
        open_alarms: short ids of snapshots whose alarms keep a prune from doing anything; told only
            where it is tried.
        waits_for: who is at work, so that what was marked must stay.
        obstacles: why nothing but snapshots was removed.
        lost_blobs: pieces of content that snapshots need and that are gone.
        requests: requests sent to the storage.
        put_bytes: bytes put to the storage.
        got_bytes: bytes read from it.
        repository_bytes: size of all packs that the index knows, and of the other objects.
        seconds: how long it took.
        foreseen_seconds: how long it would take to copy what is repacked; told only where it is
            tried, as are the next three.
        dollars: what that would cost; 0.0 for a local repository.
        freed_dollars: what keeping what it removes costs each month.
        prices_of: whose prices, and of which day; empty for a local repository.
    """

    dry_run: bool = False
    snapshots: list[JudgedSnapshot] = []
    removed_snapshots: int = 0
    removed_packs: int = 0
    removed_bytes: int = 0
    repacked_packs: int = 0
    repacked_bytes: int = 0
    marked_packs: int = 0
    marked_bytes: int = 0
    waiting_packs: int = 0
    waiting_bytes: int = 0
    released_packs: int = 0
    removed_indexes: int = 0
    removed_leftovers: int = 0
    denied: list[str] = []
    open_alarms: list[str] = []
    waits_for: list[str] = []
    obstacles: list[str] = []
    lost_blobs: int = 0
    requests: int = 0
    put_bytes: int = 0
    got_bytes: int = 0
    repository_bytes: int = 0
    seconds: float = 0.0
    foreseen_seconds: float = 0.0
    dollars: float = 0.0
    freed_dollars: float = 0.0
    prices_of: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing was found that is lost or cannot be read."""
        return not self.obstacles and not self.lost_blobs
