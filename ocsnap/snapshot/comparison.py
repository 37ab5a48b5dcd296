"""What differs between two trees; what is the same blob in both is not even read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.listings import Listings


class Kind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    TOUCHED = "touched"


@dataclass(frozen=True)
class Change:
    """One path that is not the same in both trees.

    Attributes:
        kind: what happened: TOUCHED where only owner, rights, attributes or a file's time differ.
        path: below the two directories that are compared.
        old: what was there; None where nothing was. A folder stands for all that is in it.
        new: what is there.
    """

    kind: Kind
    path: bytes
    old: Entry | None
    new: Entry | None


def compare(listings: Listings, old: Entry | None, new: Entry | None) -> Iterator[Change]:
    """Compare two directories with all that is in them.

    Args:
        listings: reads them.
        old: a directory; None: nothing, so that everything is new.
        new: a directory; None: nothing.

    Yields:
        The changes, those of a directory sorted by name.

    Raises:
        DamagedError: a listing is lost.
    """
    waiting = [(b"", old, new)]
    while waiting:
        folder, before, after = waiting.pop()
        earlier = _by_name(listings, before)
        later = _by_name(listings, after)
        inner = []
        for name in sorted(earlier.keys() | later.keys()):
            path = folder + b"/" + name if folder else name
            one, other = earlier.get(name), later.get(name)
            kind = _kind(one, other)
            if kind is not None:
                yield Change(kind, path, one, other)
            both = one and other and one.is_directory and other.is_directory
            if one and other and both and one.subtree != other.subtree:
                inner.append((path, one, other))
        waiting += reversed(inner)


def _by_name(listings: Listings, directory: Entry | None) -> dict[bytes, Entry]:
    return {} if directory is None else {entry.name: entry for entry in listings.of(directory)}


def _kind(old: Entry | None, new: Entry | None) -> Kind | None:
    if old is None:
        return Kind.ADDED
    if new is None:
        return Kind.REMOVED
    if _matter(old) != _matter(new):
        return Kind.CHANGED
    return None if _dress(old) == _dress(new) else Kind.TOUCHED


def _matter(entry: Entry) -> tuple[object, ...]:
    kind = entry.mode >> 12
    if entry.is_directory:
        return (kind,)
    return (kind, entry.content, entry.size_bytes, entry.target, entry.device)


def _dress(entry: Entry) -> tuple[object, ...]:
    # A folder's time tells of what is in it, and that is told by itself.
    mtime_ns = 0 if entry.is_directory else entry.mtime_ns
    return (entry.mode, entry.uid, entry.gid, mtime_ns, entry.xattrs)
