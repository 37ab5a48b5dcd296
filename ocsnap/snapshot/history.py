"""One tree through many snapshots: walked once for all of them, side by side.

Snapshots that share a listing are told apart by bits of a number, so a listing is read once however
many share it, and no more than the listings of one directory and the names on the way to it are in
memory.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError, ObjectMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.listings import Listings

_Key = tuple[object, ...]


@dataclass
class Version:
    """A file as several snapshots have it.

    Attributes:
        entry: the file, as the latest of them has it.
        snapshots: places in the list of snapshots, in order.
    """

    entry: Entry
    snapshots: list[int]


@dataclass
class Match:
    """A path that was looked for.

    Attributes:
        path: below where the search began.
        versions: what the snapshots have there, in the order in which it appeared.
    """

    path: bytes
    versions: list[Version]


@dataclass
class _Name:
    """What the snapshots have under one name of a directory."""

    versions: dict[_Key, tuple[Entry, int]] = field(default_factory=dict)
    folders: dict[bytes, int] = field(default_factory=dict)

    def add(self, entry: Entry, mask: int) -> None:
        key = _key(entry)
        known = self.versions.get(key)
        if known is None:
            self.versions[key] = (entry, mask)
        else:
            later = entry if mask > known[1] else known[0]
            self.versions[key] = (later, known[1] | mask)
        for blob in entry.subtree:
            self.folders[blob] = self.folders.get(blob, 0) | mask


def search(
    listings: Listings,
    trees: Sequence[Entry | None],
    wanted: Callable[[bytes], bool],
    damaged: Callable[[bytes, DamagedError | ObjectMissingError], None],
) -> Iterator[Match]:
    """Look for paths in all snapshots at once.

    Args:
        listings: reads them.
        trees: the same directory in each snapshot, oldest first; None where one has it not.
        wanted: whether a path is looked for.
        damaged: is told of directories whose listing is lost; the search goes on.

    Yields:
        The paths, those of a directory sorted by name.
    """
    roots: dict[bytes, int] = {}
    for number, entry in enumerate(trees):
        for blob in () if entry is None else entry.subtree:
            roots[blob] = roots.get(blob, 0) | 1 << number
    waiting = [(b"", roots)]
    while waiting:
        folder, blobs = waiting.pop()
        names = _names(listings, folder, blobs, damaged)
        waiting += [
            (_join(folder, name), names[name].folders)
            for name in sorted(names, reverse=True)
            if names[name].folders
        ]
        for name in sorted(names):
            path = _join(folder, name)
            if wanted(path):
                yield Match(path, _versions(names[name]))


def _names(
    listings: Listings,
    folder: bytes,
    blobs: dict[bytes, int],
    damaged: Callable[[bytes, DamagedError | ObjectMissingError], None],
) -> dict[bytes, _Name]:
    names: dict[bytes, _Name] = {}
    for blob, mask in blobs.items():
        try:
            entries = listings.part(blob)
        except (DamagedError, ObjectMissingError) as error:
            damaged(folder, error)
            continue
        for entry in entries:
            names.setdefault(entry.name, _Name()).add(entry, mask)
    return names


def _versions(name: _Name) -> list[Version]:
    found = [Version(entry, _numbers(mask)) for entry, mask in name.versions.values()]
    return sorted(found, key=lambda version: version.snapshots[0])


def _numbers(mask: int) -> list[int]:
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _key(entry: Entry) -> _Key:
    """Return what makes a version: of a folder only that it is there."""
    kind = stat.S_IFMT(entry.mode)
    if entry.is_directory:
        return (kind,)
    return (kind, entry.content, entry.size_bytes, entry.mtime_ns, entry.target)


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
