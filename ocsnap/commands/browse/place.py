"""Paths as people name them, and where they are in a snapshot.

With a user a path is one that the user sees, below `files`; what is beside that, as versions and
trash, is found too. Without one it begins with `config`, `data`, `database` or `homes/USER`, or is
the absolute path that it had on the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import RefusedError
from ocsnap.repository.snapshot import RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.repository.snapshot import Root, Snapshot
    from ocsnap.repository.tree import Entry
    from ocsnap.snapshot.listings import Listings

FILES: Final = b"files"
HOMES: Final = "homes"


@dataclass(frozen=True)
class Place:
    """Something in a snapshot.

    Attributes:
        root: the tree that it is in.
        parts: the names on the way to it from there; none: the root itself.
        entry: what is there.
    """

    root: Root
    parts: tuple[bytes, ...]
    entry: Entry

    @property
    def shown(self) -> str:
        """The path as it is shown: with the root's name in front."""
        inner = os.fsdecode(b"/".join(self.parts))
        return f"{shown_root(self.root)}/{inner}" if inner else shown_root(self.root)


def shown_root(root: Root) -> str:
    """Return what the paths in a root begin with."""
    return f"{HOMES}/{root.name}" if root.kind is RootKind.HOME else root.kind.value


def home_of(snapshot: Snapshot, user: str) -> Root:
    """Return the home of a user.

    Raises:
        RefusedError: the snapshot has none.
    """
    for root in snapshot.roots:
        if root.kind is RootKind.HOME and root.name == user:
            return root
    raise RefusedError(
        f"The snapshot has no home of a user {user!r}.",
        hint="See who has one: ocsnap ls homes. Another snapshot may have it.",
    )


def locate(listings: Listings, snapshot: Snapshot, path: str, user: str | None) -> Place:
    """Find what a path means.

    Args:
        listings: reads the snapshot's trees.
        snapshot: where to look.
        path: the path, see this module's text; empty: the user's files, which is the only case
            where nothing need be named.
        user: whose files are meant; None: the path says so.

    Returns:
        The place.

    Raises:
        RefusedError: there is nothing of that name.
        DamagedError: a listing on the way is lost.
    """
    for root, parts in _readings(snapshot, path, user):
        entry = listings.find(root.entry, parts)
        if entry is not None:
            return Place(root, parts, entry)
    whose = "" if user is None else f" of {user}"
    hint = "Look for it in all snapshots: ocsnap find NAME."
    raise RefusedError(f"The snapshot has no {path!r}{whose}.", hint=hint)


def part_of(root: Root, entry: Entry) -> Root:
    """Return something in a root as if it were one itself, so that it can be restored.

    Args:
        root: where it is.
        entry: a folder or a file.
    """
    return msgspec.structs.replace(
        root, entry=entry, files=entry.entries, size_bytes=entry.size_bytes
    )


def split(path: str) -> tuple[bytes, ...]:
    """Return the names of a path, `.` and empty ones left out.

    Raises:
        RefusedError: it leads upwards.
    """
    parts = tuple(os.fsencode(part) for part in path.split("/") if part not in {"", "."})
    if b".." in parts:
        raise RefusedError(f"The path {path!r} leads upwards.", hint="Name it without `..`.")
    return parts


def _readings(
    snapshot: Snapshot, path: str, user: str | None
) -> Iterator[tuple[Root, tuple[bytes, ...]]]:
    """Yield what a path may mean, the likeliest first."""
    parts = split(path)
    if user is not None:
        home = home_of(snapshot, user)
        readings = [(FILES, *parts), parts]
        # With a slash in front it is meant from the top of the home.
        for reading in reversed(readings) if path.startswith("/") else readings:
            yield home, reading
        return
    if path.startswith("/"):
        yield from _on_disk(snapshot, path)
        return
    for root in snapshot.roots:
        names = split(shown_root(root))
        if parts[: len(names)] == names:
            yield root, parts[len(names) :]


def _on_disk(snapshot: Snapshot, path: str) -> Iterator[tuple[Root, tuple[bytes, ...]]]:
    wanted = PurePosixPath(path)
    roots = [root for root in snapshot.roots if root.kind is not RootKind.DATABASE]
    for root in sorted(roots, key=lambda root: len(root.path), reverse=True):
        top = PurePosixPath(os.fsdecode(root.path))
        if wanted.is_relative_to(top):
            yield root, split(str(wanted.relative_to(top)))
