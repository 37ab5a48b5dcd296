"""What SQLite's refusals mean."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn a failure of SQLite or of the file system into a `DatabaseError`.

    Args:
        action: what was being done, as in "reading".
        path: the database file.

    Raises:
        DatabaseError: names the file and says what to do where that is known.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # SQLite quotes names in what it says of a damaged file, and those may be any bytes.
        raise DatabaseError(f"{path}: {action} failed: {error}.", hint=_hint(error)) from error
    except OSError as error:
        raise DatabaseError(f"{path}: {action} failed: {error.strerror or error}.") from error


def _hint(error: Exception) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "Another process holds it: is ownCloud in maintenance mode?"
    if "not a database" in text or "malformed" in text or isinstance(error, UnicodeDecodeError):
        return "The file is damaged: look at it with `sqlite3 FILE 'PRAGMA integrity_check'`."
    return ""
