"""Where the parts of a snapshot go in a restore."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ocsnap.commands.restore.swap import Move
from ocsnap.repository.snapshot import RootKind
from ocsnap.snapshot.restorer import Placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.commands.restore.destination import Destination
    from ocsnap.repository.snapshot import Root, Snapshot


class Part(StrEnum):
    """What can be restored by itself."""

    CONFIG = "config"
    DATA = "data"
    DATABASE = "database"


PART_OF = {
    RootKind.CONFIG: Part.CONFIG,
    RootKind.DATA: Part.DATA,
    RootKind.HOME: Part.DATA,
    RootKind.DATABASE: Part.DATABASE,
}


@dataclass(frozen=True)
class Layout:
    """Where the folders of a restore are built, and where they belong.

    Attributes:
        placements: what is built where; a folder inside another comes after it.
        moves: what is put in place when all is built; none of them for a restore elsewhere.
        folders: folders that must be there before.
    """

    placements: list[Placement]
    moves: list[Move]
    folders: list[Path]


def roots_of(snapshot: Snapshot, parts: frozenset[Part]) -> list[Root]:
    """Return the roots that belong to these parts, outer folders first."""
    wanted = [root for root in snapshot.roots if PART_OF[root.kind] in parts]
    return sorted(wanted, key=lambda root: (root.kind is not RootKind.DATA, root.path))


def layout_elsewhere(snapshot: Snapshot, parts: frozenset[Part], target: Path) -> Layout:
    """Lay out a restore into a folder of its own.

    Args:
        snapshot: what is restored.
        parts: which parts of it.
        target: an empty or absent folder.

    Returns:
        `config`, `data` with the homes in their places, `homes` for those outside of the data
        directory, and `database`, below the target.
    """
    placements = []
    folders = [target]
    for root in roots_of(snapshot, parts):
        place = target / PART_OF[root.kind].value
        if root.kind is RootKind.HOME:
            inside = _below(root.path, snapshot.owncloud.data_dir)
            if inside is None:
                folders.append(target / "homes")
                place = target / "homes" / quote(root.name, safe="")
            else:
                place = place / inside
        placements.append(Placement(root, os.fsencode(place)))
    return Layout(placements, [], folders)


def layout_in_place(
    snapshot: Snapshot, parts: frozenset[Part], destination: Destination, stamp: str
) -> Layout:
    """Lay out a restore of the files into the places where they belong.

    Args:
        snapshot: what is restored.
        parts: which parts of it; the database is not a matter of this.
        destination: where they belong.
        stamp: tells the folders of this restore from those of others.

    Returns:
        Folders built beside each place, in a closed folder of their own; inside of it where the
        place is a mount point. The configuration is the last to be put in place: without it
        ownCloud does nothing.
    """
    placements = []
    moves: list[Move] = []
    roots = roots_of(snapshot, parts - {Part.DATABASE})
    for root in sorted(roots, key=lambda root: root.kind is RootKind.CONFIG):
        path = destination.place(root)
        outer = next((move for move in moves if path.is_relative_to(move.place_path)), None)
        if outer is None:
            moves.append(move_to(path, stamp))
            built = moves[-1].built_path
        else:
            built = outer.built_path / path.relative_to(outer.place_path)
        placements.append(Placement(root, os.fsencode(built), os.fsencode(path)))
    return Layout(placements, moves, [move.place_path.parent for move in moves])


def move_to(place: Path, stamp: str) -> Move:
    """Return the move that puts something in place.

    Args:
        place: where it belongs.
        stamp: tells it from those of other restores.
    """
    entries = place.is_mount()
    beside = place if entries else place.parent
    built, kept = (
        os.fsencode(beside / f".ocsnap-{what}-{stamp}" / place.name) for what in ("new", "old")
    )
    return Move(built=built, place=os.fsencode(place), kept=kept, entries=entries)


def database_root(roots: Sequence[Root]) -> Root | None:
    """Return the root that holds the dump."""
    return next((root for root in roots if root.kind is RootKind.DATABASE), None)


def _below(path: bytes, folder: str) -> Path | None:
    absolute = Path(os.fsdecode(path))
    return absolute.relative_to(folder) if absolute.is_relative_to(folder) else None
