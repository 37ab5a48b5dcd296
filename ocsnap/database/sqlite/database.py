"""An SQLite database: copied through the online backup interface, then streamed from the copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.database.sqlite.dump import SqliteDump, quoted, read_info
from ocsnap.database.sqlite.failures import explained
from ocsnap.disk import sync_file
from ocsnap.errors import DatabaseError, LocalIOError
from ocsnap.units import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.database.database import Dump, ServerInfo
    from ocsnap.database.settings import DatabaseSettings

BUSY_SECONDS = 30


class SqliteDatabase:
    """A database file that can be asked and dumped; see `Database`."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        scratch_dir: Path,
        structure_only: frozenset[str] = frozenset(),
    ) -> None:
        """Keep where it is; nothing is opened yet.

        Args:
            settings: `name` is the file's path.
            scratch_dir: an existing folder for the private copy.
            structure_only: tables whose rows a dump leaves out.
        """
        self._path = Path(settings.name)
        self._scratch_dir = scratch_dir
        self._structure_only = structure_only

    def check(self) -> ServerInfo:
        """Prove that the file can be read; see `Database.check`."""
        with explained("reading", self._path), closing(self._open()) as connection:
            return read_info(connection, self._path)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one statement on a connection of its own; see `Database.query`."""
        with explained("answering a query", self._path), closing(self._open()) as connection:
            return connection.execute(sql, tuple(parameters)).fetchall()

    def held_bytes(self) -> int:
        """Return its size, once there is room for the private copy; see `Database.held_bytes`."""
        try:
            size_bytes = self._path.stat().st_size
            free_bytes = shutil.disk_usage(self._scratch_dir).free
        except OSError as error:
            raise DatabaseError(f"{error.filename}: cannot be read: {error.strerror}.") from error
        # The dump may go to the same disk.
        if free_bytes < 2 * size_bytes:
            raise LocalIOError(
                f"{self._scratch_dir} has {size(free_bytes)} free, and a copy of the database and"
                f" its dump may take {size(2 * size_bytes)} while ownCloud is frozen.",
                hint="Make room, or move backup.state_dir to a larger disk.",
            )
        return size_bytes

    def update(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Change rows on a connection of its own; see `Database.update`."""
        with explained("changing rows", self._path), closing(self._open()) as connection:
            connection.execute("BEGIN")
            connection.executemany(sql, [tuple(values) for values in rows])
            connection.execute("COMMIT")

    @contextmanager
    def freeze(self) -> Iterator[Dump]:
        """Copy the database and hold the copy while the context lasts; see `Database.freeze`."""
        with _private_file(self._scratch_dir) as copy:
            with explained("copying", self._path), closing(self._open()) as source:
                with closing(sqlite3.connect(copy, check_same_thread=False)) as destination:
                    # Users wait meanwhile, and nobody needs the copy after a crash.
                    destination.execute("PRAGMA synchronous = OFF")
                    # All pages in one step: between two steps another process could write, and
                    # the copying would begin anew for ever.
                    source.backup(destination, pages=-1)
                    self._leave_out(destination)
                sync_file(copy)
                info = read_info(source, self._path)
            yield SqliteDump(copy, self._path, info)

    def _open(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise DatabaseError(
                f"{self._path}: there is no such database file.",
                hint="Check dbname and datadirectory in config.php, or [database] name.",
            )
        # Autocommit; mode=rw never creates a file where none was.
        return sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _leave_out(self, copy: sqlite3.Connection) -> None:
        present = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
        with copy:
            for table in sorted(self._structure_only & present):
                copy.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608 - the name is quoted


@contextmanager
def _private_file(folder: Path) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix="database-", suffix=".sqlite", dir=folder)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + end).unlink(missing_ok=True)
