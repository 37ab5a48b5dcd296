"""The connection to the local cache: opened, written in groups, read, and its failures told."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ocsnap.errors import LocalIOError
from ocsnap.repository.cache_file import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_UNCOMMITTED_ROWS: Final = 2000


class CacheConnection:
    """A connection that many small writes share a transaction of; for several threads.

    Attributes:
        path: the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Args:
            path: the SQLite file; its folder is made where it is not there.

        Raises:
            LocalIOError: the file cannot be opened or written.
        """
        self.path = path
        self._lock = threading.RLock()
        self._uncommitted_rows = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = open_file(path)
        except (OSError, sqlite3.Error) as error:
            raise LocalIOError(
                f"The local cache {path} cannot be used: {error}.",
                hint="Check backup.state_dir; the cache may be deleted, it is rebuilt.",
            ) from error

    def close(self) -> None:
        """Write everything and close the file."""
        with self._lock:
            try:
                self.commit()
            finally:
                self._db.close()

    @contextmanager
    def _writing(self, rows: int = 1) -> Iterator[sqlite3.Connection]:
        """Give the connection, inside a transaction that groups many small writes."""
        with self._lock:
            try:
                if not self._db.in_transaction:
                    self._db.execute("BEGIN")
                yield self._db
                self._uncommitted_rows += rows
                if self._uncommitted_rows >= _UNCOMMITTED_ROWS:
                    self.commit()
            except sqlite3.Error as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: sqlite3.Error) -> LocalIOError:
        return LocalIOError(
            f"The local cache {self.path} cannot be written: {error}.",
            hint="Make room there, or move backup.state_dir.",
        )

    def commit(self) -> None:
        """Make all writes so far durable against the end of this process."""
        with self._lock:
            self._uncommitted_rows = 0
            if self._db.in_transaction:
                try:
                    self._db.execute("COMMIT")
                except sqlite3.Error as error:
                    raise self._unwritable(error) from error

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise LocalIOError(
                f"The local cache {self.path} cannot be read: {error}.",
                hint="It may be deleted, it is rebuilt.",
            ) from error
