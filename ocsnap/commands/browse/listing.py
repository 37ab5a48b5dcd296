"""`ocsnap ls`: what a snapshot has in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.commands.browse.place import HOMES, locate, shown_root, split
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.browse.look import Look
    from ocsnap.repository.snapshot import Snapshot, StoredSnapshot
    from ocsnap.repository.tree import Entry


@dataclass(frozen=True)
class ListOptions:
    """What to list.

    Attributes:
        snapshot: how the snapshot is named; see `select`.
        path: what to list; see `place`.
        user: whose files are meant.
        recursive: also what is in the folders in it.
    """

    snapshot: str
    path: str = ""
    user: str | None = None
    recursive: bool = False


@dataclass(frozen=True)
class Listed:
    """One line of a listing.

    Attributes:
        path: the path below what was listed; the name of a file that was named itself.
        entry: what is there.
    """

    path: str
    entry: Entry


def list_entries(look: Look, options: ListOptions) -> tuple[StoredSnapshot, Iterator[Listed]]:
    """List a folder, or name a file.

    Args:
        look: the open repository.
        options: what to list.

    Returns:
        The snapshot, and what is there, in the order of the names; a folder before what is in it.

    Raises:
        NoSnapshotError: there is no such snapshot.
        RefusedError: there is no such path.
        DamagedError: a listing is lost.
    """
    stored = look.choose(options.snapshot)
    parts = split(options.path)
    if options.user is None and parts in {(), (HOMES.encode(),)}:
        return stored, _roots(stored.snapshot, homes=bool(parts))
    place = locate(look.listings, stored.snapshot, options.path, options.user)
    if not place.entry.is_directory:
        return stored, iter([Listed(os.fsdecode(place.parts[-1]), place.entry)])
    return stored, _walk(look, place.entry, recursive=options.recursive)


def _roots(snapshot: Snapshot, *, homes: bool) -> Iterator[Listed]:
    for root in sorted(snapshot.roots, key=lambda root: (shown_root(root), root.name)):
        if root.kind is RootKind.HOME or not homes:
            yield Listed(root.name if homes else shown_root(root), root.entry)


def _walk(look: Look, directory: Entry, *, recursive: bool) -> Iterator[Listed]:
    waiting = [iter([(b"", entry) for entry in look.listings.of(directory)])]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        folder, entry = found
        path = folder + entry.name
        yield Listed(os.fsdecode(path), entry)
        if recursive and entry.is_directory:
            inner = path + b"/"
            waiting.append(iter([(inner, child) for child in look.listings.of(entry)]))
