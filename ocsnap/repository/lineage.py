"""Which snapshots are of the same ownCloud, where several share a repository.

A snapshot tells the folder of its ownCloud and the name of its machine. Neither alone is enough:
two machines may both have theirs in /var/www/owncloud, and one machine may get a new name, as a
container does at each start. But the snapshots of a machine that was renamed all come before, those
of two machines at work come in turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocsnap.repository.snapshot import StoredSnapshot


class _Span(NamedTuple):
    """From the first to the last snapshot of a machine, seconds since 1970."""

    first: float
    last: float

    def overlaps(self, other: _Span) -> bool:
        return self.first <= other.last and other.first <= self.last


def lineage(snapshots: Iterable[StoredSnapshot], *, root: str, host: str) -> list[StoredSnapshot]:
    """Return the snapshots of one ownCloud.

    Args:
        snapshots: all there are.
        root: the ownCloud's folder.
        host: its machine's name.

    Returns:
        Those of this folder and machine, and those of machines that had the folder before or after.
        Where this machine has none: all of the folder.
    """
    same = [stored for stored in snapshots if stored.snapshot.owncloud.root == root]
    spans = _spans(same)
    mine = spans.get(host)
    if mine is None:
        return same
    return [
        stored
        for stored in same
        if stored.snapshot.host == host or not mine.overlaps(spans[stored.snapshot.host])
    ]


def latest_of_each(snapshots: Sequence[StoredSnapshot]) -> list[StoredSnapshot]:
    """Return the latest snapshot of each ownCloud.

    Args:
        snapshots: all there are, oldest first.
    """
    found: list[StoredSnapshot] = []
    for root in dict.fromkeys(stored.snapshot.owncloud.root for stored in snapshots):
        same = [stored for stored in snapshots if stored.snapshot.owncloud.root == root]
        spans = _spans(same)
        latest = {stored.snapshot.host: stored for stored in same}
        newest = spans[same[-1].snapshot.host]
        found += [
            stored
            for host, stored in latest.items()
            if stored is same[-1] or newest.overlaps(spans[host])
        ]
    return found


def _spans(snapshots: Iterable[StoredSnapshot]) -> dict[str, _Span]:
    spans: dict[str, _Span] = {}
    for stored in snapshots:
        at = stored.snapshot.started
        span = spans.get(stored.snapshot.host, _Span(at, at))
        spans[stored.snapshot.host] = _Span(min(span.first, at), max(span.last, at))
    return spans
