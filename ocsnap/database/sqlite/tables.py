"""Some tables of a stored SQLite dump in a file of their own."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from ocsnap.database.database import read_manifest
from ocsnap.database.sqlite.dump import quoted, table_names
from ocsnap.database.sqlite.failures import explained
from ocsnap.errors import DatabaseError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocsnap.database.database import DumpReader


def load_tables(reader: DumpReader, names: Sequence[str], target: Path) -> None:
    """Write a file with these tables, their indexes, and nothing else.

    Args:
        reader: the stored dump.
        names: which tables.
        target: a file that is not there yet.

    Raises:
        RefusedError: something stands there.
        DatabaseError: the dump is not whole, or the file cannot be written.
    """
    manifest = read_manifest(reader)
    if len(manifest.others) != 1:
        raise DatabaseError("The dump is not that of one SQLite file.")
    (stream,) = manifest.others
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with explained("loading tables", target):
        try:
            descriptor = os.open(target, flags, 0o600)
        except FileExistsError:
            raise RefusedError(f"{target} is there already.", hint="Name another file.") from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(reader.chunks(stream))
            _keep_only(target, frozenset(names))
        except BaseException:
            for end in ("", "-journal", "-wal", "-shm"):
                target.with_name(target.name + end).unlink(missing_ok=True)
            raise


def _keep_only(path: Path, names: frozenset[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA foreign_keys = OFF")
        listed = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger')"
        ).fetchall()
        for kind, name in listed:
            connection.execute(f"DROP {kind.upper()} {quoted(name)}")
        for name in table_names(connection):
            if name not in names:
                connection.execute(f"DROP TABLE {quoted(name)}")
        connection.execute("VACUUM")
