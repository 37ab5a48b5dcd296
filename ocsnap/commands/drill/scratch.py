"""The places that a drill fills, and the note that lets a later one clear up after a killed one."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.database.open import drop_database
from ocsnap.errors import DatabaseError, LocalIOError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor

PREFIX: Final = "ocsnap-drill-"
_DATABASE: Final = re.compile(r".*_drill_\d{17}")
_LONGEST_NAME: Final = 64
"""MySQL Reference Manual, Identifier Length Limits."""


class _Note(msgspec.Struct, frozen=True):
    """What a drill is about to fill.

    Attributes:
        folder: its scratch folder.
        database: its scratch schema; None for SQLite, whose file lies in the folder.
        kept: whether it shall stay when the drill has ended.
    """

    folder: str
    database: str | None
    kept: bool = False


@dataclass(frozen=True)
class Scratch:
    """The places of one drill.

    Attributes:
        folder: for files.
        database: name of the scratch schema; None for SQLite.
    """

    folder: Path
    database: str | None


def database_name(database: str, stamp: str) -> str:
    """Return a name for a scratch schema beside a database.

    Args:
        database: the other's name.
        stamp: 17 digits.
    """
    end = f"_drill_{stamp}"
    return database[: _LONGEST_NAME - len(end)] + end


class Scratches:
    """Makes and removes scratch places; one drill at a time uses it."""

    def __init__(self, notes: Path, settings: DatabaseSettings | None, monitor: Monitor) -> None:
        """Prepare.

        Args:
            notes: the folder for the notes.
            settings: how to log in to the database server; None for SQLite.
            monitor: is told what cannot be removed.
        """
        self._notes = notes
        self._settings = settings
        self._monitor = monitor

    def remove_dead(self) -> int:
        """Remove what drills have left that were killed; return how many there were."""
        count = 0
        for path in sorted(self._notes.glob("*.scratch")):
            try:
                note = msgspec.json.decode(path.read_bytes(), type=_Note)
            except (OSError, msgspec.MsgspecError) as error:
                self._monitor.problem(Problem(str(path), f"this note cannot be read: {error}."))
                continue
            if not note.kept:
                count += 1
                self._remove(path, note)
            elif not Path(note.folder).exists():
                path.unlink()  # somebody was done with it
        return count

    @contextmanager
    def made(self, scratch: Scratch, stamp: str, *, keep: bool) -> Iterator[None]:
        """Make the folder, note all places before anything is in them, and remove them at the end.

        Args:
            scratch: the places.
            stamp: tells this drill from others.
            keep: leave them.

        Raises:
            LocalIOError: the folder cannot be made.
        """
        note = _Note(str(scratch.folder), scratch.database, kept=keep)
        path = self._notes / f"{stamp}.scratch"
        try:
            path.write_bytes(msgspec.json.encode(note))
            scratch.folder.mkdir(mode=0o700)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise LocalIOError(
                f"{scratch.folder} cannot be made: {error.strerror}.", hint="Give --scratch DIR."
            ) from error
        try:
            yield
        finally:
            if not keep:
                self._remove(path, note)

    def _remove(self, path: Path, note: _Note) -> None:
        """Remove all that a note names, but nothing that no drill has made."""
        folder = Path(note.folder)
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            self._monitor.problem(Problem(note.folder, "this scratch folder cannot be removed."))
            return
        if note.database is not None and not self._dropped(note.database):
            return
        path.unlink(missing_ok=True)

    def _dropped(self, database: str) -> bool:
        if not _DATABASE.fullmatch(database):
            return False
        try:
            if self._settings is None:
                raise DatabaseError("ownCloud has no such server any more")
            drop_database(self._settings, database)
        except DatabaseError as error:
            reason = f"this scratch database cannot be removed: {error.message}"
            self._monitor.problem(Problem(database, reason))
            return False
        return True
