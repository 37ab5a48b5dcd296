"""What restores keep of what stood there before, until an admin is content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.commands.restore import journal as journals
from ocsnap.commands.restore.folders import remove
from ocsnap.commands.restore.journal import Phase
from ocsnap.commands.restore.switchover import with_password
from ocsnap.errors import DatabaseError, OwncloudError
from ocsnap.monitor import Problem

if TYPE_CHECKING:
    from ocsnap.commands.context import Context
    from ocsnap.commands.restore.journal import Journal


def kept_folders(journal: Journal) -> list[Path]:
    """Return what a restore keeps of the files: the old ones or, once undone, the new ones."""
    undone = journal.phase is Phase.UNDONE
    paths = [move.built_path if undone else move.kept_path for move in journal.moves if move.built]
    paths += [move.kept_path for move in journal.moves if not (move.built or undone)]
    return [path for path in paths if os.path.lexists(path)]


def kept_database(journal: Journal) -> str | None:
    """Return the database on a server that a restore keeps: the old one or, undone, the new one."""
    database = journal.database
    if database is None or database.place.kept is None or journal.phase in journals.UNFINISHED:
        return None
    return database.place.loaded if journal.phase is Phase.UNDONE else database.place.kept


def kept(journal: Journal) -> list[str]:
    """Return all that a restore keeps, for people."""
    database = kept_database(journal)
    found = [str(path) for path in kept_folders(journal)]
    return found if database is None else [*found, f"database {database}"]


def forget(context: Context, state_dir: Path, journal: Journal) -> list[str]:
    """Remove for good what a finished restore has kept; it cannot be undone afterwards.

    Args:
        context: the outside world, with the ownCloud that was restored.
        state_dir: ocsnap's folder.
        journal: the restore.

    Returns:
        What was removed; the monitor is told what could not be.
    """
    monitor = context.monitor
    removed, left = [], False
    for path in kept_folders(journal):
        folder = path.parent if path.parent.name.startswith(".ocsnap-") else path
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink(missing_ok=True)
        if os.path.lexists(folder):
            left = True
            monitor.problem(Problem(str(folder), "cannot be removed wholly"))
        else:
            removed.append(str(path))
    if (name := kept_database(journal)) is not None:
        if _drop(context, journal, name):
            removed.append(f"database {name}")
        else:
            left = True
    remove(Path(os.fsdecode(folder)) for folder in journal.folders)
    if not left:
        journals.remove(state_dir, journal)
    return removed


def _drop(context: Context, journal: Journal, name: str) -> bool:
    from ocsnap.database.mysql.put_back import remove_database  # noqa: PLC0415 - PyMySQL only here

    try:
        if journal.database is not None:
            remove_database(with_password(context, journal.database.settings), name)
    except (DatabaseError, OwncloudError) as error:
        context.monitor.problem(Problem(f"database {name}", error.message))
        return False
    return True
