"""The SQLite file of the local cache: its tables, and how it is opened or made anew."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION: Final = 2

_LISTING: Final = """
CREATE TABLE listing (
    index_id BLOB NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY (index_id, pack)) WITHOUT ROWID;
CREATE INDEX listing_of_pack ON listing (pack);
"""

# While a pack is replaced by another its blobs lie in both.
_BLOB: Final = """
CREATE TABLE blob (
    id BLOB NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL,
    frame_bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, PRIMARY KEY (id, pack)) WITHOUT ROWID;
CREATE INDEX blob_of_pack ON blob (pack);
"""

# Not a version of its own: an older ocsnap would make the whole file anew, and a host without the
# secret key could not read again what is lost so.
_SUMMARY: Final = """
CREATE TABLE IF NOT EXISTS summary (id BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID
"""

# On a host without the secret key what it knows is worth keeping: it could not read it again.
_FROM_VERSION_1: Final = f"""
BEGIN;
{_LISTING}
INSERT INTO listing SELECT index_id, number FROM pack WHERE index_id IS NOT NULL;
DROP INDEX pack_of_index;
ALTER TABLE pack DROP COLUMN index_id;
ALTER TABLE pack ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob RENAME TO blob_1;
DROP INDEX blob_of_pack;
{_BLOB}
INSERT INTO blob SELECT id, pack, offset, frame_bytes, raw_bytes FROM blob_1;
DROP TABLE blob_1;
PRAGMA user_version = 2;
COMMIT;
"""  # noqa: S608 - made of constants

_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE pack (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, md5 BLOB NOT NULL, marked INTEGER NOT NULL DEFAULT 0);
{_LISTING}
{_BLOB}
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
    if _version(db) == 1:
        db.executescript(_FROM_VERSION_1)
    if _version(db) not in (0, SCHEMA_VERSION):
        db.close()
        _remove(path)
        db = _connect(path)
    if _version(db) == 0:
        db.executescript(_SCHEMA)
    db.execute(_SUMMARY)
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
