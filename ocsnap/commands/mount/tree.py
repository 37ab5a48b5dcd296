"""The paths of the file system, and what stands under them.

latest                                  a link to the youngest snapshot
snapshots/2026-11-01T20:30:00Z/alice    the home of a user
snapshots/2026-11-01T20:30:00Z/_config  the configuration; _data and _database likewise
"""

from __future__ import annotations

import os
import stat
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ocsnap.repository.snapshot import RootKind
from ocsnap.repository.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot
    from ocsnap.snapshot.listings import Listings

SNAPSHOTS: Final = "snapshots"
LATEST: Final = "latest"
_ILLEGAL: Final = ("", ".", "..")


class SnapshotTree:
    """Finds entries by their paths; may be used from several threads."""

    def __init__(
        self, snapshots: Sequence[StoredSnapshot], listings: Listings, *, owner: tuple[int, int]
    ) -> None:
        """Name the snapshots.

        Args:
            snapshots: oldest first.
            listings: reads their directories.
            owner: user and group of the folders that no snapshot has.
        """
        self._listings = listings
        self._lock = threading.Lock()
        self._owner = owner
        self._roots: dict[str, dict[str, Entry]] = {}
        self._times: dict[str, int] = {}
        for stored in snapshots:
            name = f"{datetime.fromtimestamp(stored.snapshot.started, UTC):%Y-%m-%dT%H:%M:%SZ}"
            if name in self._roots:
                name = f"{name}-{stored.short_id}"
            self._roots[name] = _roots(stored.snapshot)
            self._times[name] = int(stored.snapshot.started * 10**9)

    def find(self, path: str) -> Entry | None:
        """Return what stands under a path; None if there is nothing.

        Args:
            path: absolute, below the mount point.

        Raises:
            DamagedError: a listing on the way is damaged.
        """
        match [part for part in path.split("/") if part]:
            case []:
                return self._folder("", max(self._times.values(), default=0))
            case [name] if name == LATEST and self._roots:
                return self._link(f"{SNAPSHOTS}/{list(self._roots)[-1]}")
            case [name] if name == SNAPSHOTS:
                return self._folder(name, max(self._times.values(), default=0))
            case [first, snapshot] if first == SNAPSHOTS and snapshot in self._roots:
                return self._folder(snapshot, self._times[snapshot])
            case [first, snapshot, root, *parts] if first == SNAPSHOTS:
                entry = self._roots.get(snapshot, {}).get(root)
                return None if entry is None else self._below(entry, parts)
        return None

    def names(self, path: str) -> list[str] | None:
        """Return the names in a folder; None if it is none.

        Args:
            path: absolute, below the mount point.

        Raises:
            DamagedError: a listing is damaged.
        """
        match [part for part in path.split("/") if part]:
            case []:
                return [SNAPSHOTS, *([LATEST] if self._roots else [])]
            case [name] if name == SNAPSHOTS:
                return list(self._roots)
            case [first, snapshot] if first == SNAPSHOTS and snapshot in self._roots:
                return list(self._roots[snapshot])
        entry = self.find(path)
        if entry is None or not entry.is_directory:
            return None
        with self._lock:
            return [os.fsdecode(child.name) for child in self._listings.of(entry)]

    def _below(self, entry: Entry, parts: list[str]) -> Entry | None:
        with self._lock:
            return self._listings.find(entry, map(os.fsencode, parts))

    def _folder(self, name: str, mtime_ns: int) -> Entry:
        uid, gid = self._owner
        mode = stat.S_IFDIR | 0o555
        return Entry(os.fsencode(name), mode, uid, gid, mtime_ns, mtime_ns, 0, links=2)

    def _link(self, target: str) -> Entry:
        uid, gid = self._owner
        mode = stat.S_IFLNK | 0o777
        return Entry(LATEST.encode(), mode, uid, gid, 0, 0, 0, target=os.fsencode(target))


def _roots(snapshot: Snapshot) -> dict[str, Entry]:
    homes = {_plain(root.name): root.entry for root in snapshot.roots if root.kind is RootKind.HOME}
    others = {}
    for root in snapshot.roots:
        if root.kind is not RootKind.HOME:
            name = f"_{root.kind.value}"
            while name in homes:  # a user may be called so
                name = f"_{name}"
            others[name] = root.entry
    return {**dict(sorted(homes.items())), **others}


def _plain(user: str) -> str:
    """Return the name of a user's folder: their id, where a file may be called so."""
    return quote(user, safe="") if "/" in user or "\0" in user or user in _ILLEGAL else user
