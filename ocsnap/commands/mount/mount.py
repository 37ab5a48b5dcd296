"""`ocsnap mount`: snapshots as folders, until somebody unmounts them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.commands.browse.look import look
from ocsnap.commands.mount.contents import Contents
from ocsnap.commands.mount.file_system import FileSystem
from ocsnap.commands.mount.kernel import serve
from ocsnap.commands.mount.tree import SnapshotTree
from ocsnap.errors import LocalIOError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.commands.context import Context


@dataclass(frozen=True)
class MountOptions:
    """Where to.

    Attributes:
        folder: an existing, empty folder.
        allow_other: whether other users may look, as far as modes and owners let them.
    """

    folder: Path
    allow_other: bool = False


def mount(context: Context, options: MountOptions) -> None:
    """Mount all snapshots of the configured ownCloud; returns when they are unmounted.

    Nothing of it keeps a prune from removing old snapshots: what was removed cannot be read.

    Args:
        context: the outside world.
        options: where to.

    Raises:
        RefusedError: the folder is not empty.
        LocalIOError: this machine has no FUSE, or the folder cannot be used.
        OcsnapError: the repository cannot be read.
    """
    folder = options.folder.absolute()
    try:
        occupied = any(folder.iterdir())
    except OSError as error:
        raise LocalIOError(
            f"{folder} cannot be used: {error.strerror}.", hint="Make an empty folder."
        ) from error
    if occupied:
        raise RefusedError(f"{folder} is not empty.", hint="Name another folder.")
    with look(context) as opened:
        owner = (os.geteuid(), os.getegid())
        tree = SnapshotTree(opened.mine, opened.listings, owner=owner)
        files = FileSystem(tree, Contents(opened.repository), context.monitor)
        context.monitor.note(f"Mounting at {folder}: end it with Ctrl-C, or fusermount -u {folder}")
        serve(files, folder, allow_other=options.allow_other)
