"""Folders that ocsnap makes, closes and clears: its own, and never one named by mistake."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from ocsnap.config.private_file import refuse_changeable
from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OTHERS: Final = 0o077


def make_private(folder: Path, *, key: str, is_ours: Callable[[str], bool]) -> None:
    """Make a folder that nobody else can enter, or close the one that is there.

    Args:
        folder: the folder.
        key: what the configuration calls it.
        is_ours: tells by its name whether something in it was put there by ocsnap: a folder of the
            system, named by mistake, is not closed, which would break the machine.

    Raises:
        LocalIOError: it cannot be made, or is not ocsnap's own.
        ConfigError: another user could put something else in its place.
    """
    refuse_changeable(folder, key=key)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            raise _not_ours(folder, key, "belongs to another user")
        if stat.S_IMODE(found.st_mode) & _OTHERS:
            names = [path.name for path in folder.iterdir()]
            if names and not any(map(is_ours, names)):
                why = "is open to other users and holds what is not ocsnap's"
                raise _not_ours(folder, key, why)
            folder.chmod(0o700)
    except OSError as error:
        raise LocalIOError(
            f"{key}: {folder} cannot be used: {error.strerror}.",
            hint="Run ocsnap as root, or name a folder that this user can write.",
        ) from error


def _not_ours(folder: Path, key: str, why: str) -> LocalIOError:
    return LocalIOError(f"{key}: {folder} {why}.", hint="Name a folder that only ocsnap uses.")
