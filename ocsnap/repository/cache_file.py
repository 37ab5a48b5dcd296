"""The SQLite file of the local cache: its tables, and how it is opened or made anew."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION: Final = 1

_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE pack (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, md5 BLOB NOT NULL, index_id BLOB);
CREATE INDEX pack_of_index ON pack (index_id);
CREATE TABLE blob (
    id BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL,
    frame_bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX blob_of_pack ON blob (pack);
CREATE TABLE held (id BLOB PRIMARY KEY, frame BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE object (
    name TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, md5 BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshot (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE kin (
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, entry BLOB NOT NULL,
    PRIMARY KEY (size_bytes, mtime_ns)) WITHOUT ROWID;
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file of a cache; one of another version, or no database at all, is made anew.

    Args:
        path: the file; its folder exists.

    Returns:
        A connection for use from several threads, one at a time.

    Raises:
        OSError: the file cannot be made.
        sqlite3.Error: it cannot be used.
    """
    try:
        db = _connect(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # All that it knew is in the repository, too.
        _remove(path)
        db = _connect(path)
    if _version(db) not in (0, SCHEMA_VERSION):
        db.close()
        _remove(path)
        db = _connect(path)
    if _version(db) == 0:
        db.executescript(_SCHEMA)
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        path.chmod(0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -8192")
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _remove(path: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
