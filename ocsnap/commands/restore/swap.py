"""Putting what was built beside a place into it, with a way back."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ocsnap.errors import LocalIOError
from ocsnap.owncloud.deferred_signals import deferred_signals

if TYPE_CHECKING:
    from pathlib import Path

MOUNT_POINT: Final = "It is a mount point. Restore elsewhere with --target, then move the files."


@dataclass(frozen=True)
class Move:
    """One folder to put in place.

    Attributes:
        built: the new folder, on the same file system.
        place: where it belongs.
        kept: where what stands there goes; the folder above is made, closed to all others: beside
            a data directory in the web server's own folder nobody shall fetch the old files.
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
            # An interruption between a rename and the note of it would leave a place empty.
            with deferred_signals():
                for move in self.moves:
                    if os.path.lexists(move.place):
                        move.kept.parent.mkdir(mode=0o700, exist_ok=True)
                        self.rename(move.place, move.kept)
                    self.rename(move.built, move.place)
        except OSError as error:
            self.undo()
            raise LocalIOError(
                f"{error.filename} cannot be replaced: {error.strerror}.", hint=_hint(error)
            ) from error

    def undo(self) -> None:
        """Put everything back as it was.

        Raises:
            LocalIOError: a folder cannot be put back; the message says where it is.
        """
        with deferred_signals():
            while self.done:
                old, new = self.done[-1]
                try:
                    new.rename(old)
                except OSError as error:
                    raise LocalIOError(
                        f"{new} cannot be put back to {old}: {error.strerror}.",
                        hint="Rename it by hand.",
                    ) from error
                self.done.pop()
            for move in self.moves:
                with suppress(OSError):  # not there, or it holds what is not ours
                    move.kept.parent.rmdir()

    def kept(self) -> list[str]:
        """Return the folders that were kept."""
        return [str(move.kept) for move in self.moves if os.path.lexists(move.kept)]

    def rename(self, old: Path, new: Path) -> None:
        """Rename one more thing, to be undone with the rest."""
        old.rename(new)
        self.done.append((old, new))


def _hint(error: OSError) -> str:
    if error.errno in (errno.EBUSY, errno.EXDEV):
        return MOUNT_POINT
    return "Check the rights of the folder that it lies in."
