"""Putting what was built beside a place into it, with a way back."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocsnap.errors import LocalIOError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Move:
    """One folder to put in place.

    Attributes:
        built: the new folder, on the same file system.
        place: where it belongs.
        kept: where what stands there goes.
    """

    built: Path
    place: Path
    kept: Path


@dataclass
class Swap:
    """Several moves that are done together or not at all.

    Attributes:
        moves: what to do.
        done: renames that were made, as (from, to).
    """

    moves: list[Move]
    done: list[tuple[Path, Path]] = field(default_factory=list)

    def make(self) -> None:
        """Put everything in place.

        Raises:
            LocalIOError: a folder cannot be renamed; all is as it was before.
        """
        try:
            for move in self.moves:
                if os.path.lexists(move.place):
                    self._rename(move.place, move.kept)
                self._rename(move.built, move.place)
        except OSError as error:
            self.undo()
            hint = "Check the rights of the folder that it lies in."
            if error.errno in (errno.EBUSY, errno.EXDEV):
                hint = "It is a mount point. Restore elsewhere with --target, then move the files."
            raise LocalIOError(
                f"{error.filename} cannot be replaced: {error.strerror}.", hint=hint
            ) from error

    def undo(self) -> None:
        """Put everything back as it was."""
        while self.done:
            old, new = self.done.pop()
            new.rename(old)

    def kept(self) -> list[str]:
        """Return the folders that were kept."""
        return [str(move.kept) for move in self.moves if os.path.lexists(move.kept)]

    def _rename(self, old: Path, new: Path) -> None:
        old.rename(new)
        self.done.append((old, new))
