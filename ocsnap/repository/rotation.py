"""Which objects are read next, where a check reads only a share of them each time.

The longest unread come first, a new one as if it had been read just before it came. Each run reads
the share of all bytes, and whatever would otherwise not be read within as many runs as make up the
whole: so in any 20 runs of 5 % every object that was there all the while is read, however many come
and go meanwhile.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.errors import LocalIOError
from ocsnap.repository.reader import promised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE_NAME: Final = "rotation.db"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS object (name TEXT PRIMARY KEY, turn INT, time REAL) WITHOUT ROWID;
"""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How far checks have come that read a share each time.

    Attributes:
        share: the share of each run, 0 to 1.
        runs: runs so far, this one included.
        whole_runs: in so many runs everything is read.
        covered_bytes: what was read in the latest of them.
        total_bytes: what there is.
        never_read: objects that were not read yet.
        oldest: when the object was read whose reading is the longest ago; seconds since the epoch,
            None as long as some were never read.
    """

    share: float
    runs: int
    whole_runs: int
    covered_bytes: int
    total_bytes: int
    never_read: int
    oldest: float | None


class Rotation:
    """Remembers what was read, in a file of its own; may be used from several threads.

    An object's turn is the run in which it was last read; for one that never was, the run before
    the one that found it.
    """

    def __init__(self, folder: Path, share: float, *, dry_run: bool = False) -> None:
        """Open the file.

        Args:
            folder: where ocsnap's notes on the repository are.
            share: the share to read, more than 0 and at most 1.
            dry_run: keep nothing of what is done with it.

        Raises:
            LocalIOError: it cannot be used.
        """
        self._path = folder / FILE_NAME
        self._share = share
        self._whole_runs = math.ceil(1 / share)
        self._lock = threading.Lock()
        with self._explained():
            self._db = self._copy() if dry_run else self._open(self._path)
            # Many small writes, none of which is worth waiting for the disk.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.executescript(_TABLES)
            self._run = int(self._db.execute("PRAGMA user_version").fetchone()[0]) + 1

    def _open(self, path: Path | str) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)

    def _copy(self) -> sqlite3.Connection:
        copy = self._open(":memory:")
        if self._path.exists():
            with closing(self._open(self._path)) as file:
                file.backup(copy)
        return copy

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def choose(self, sizes: Mapping[str, int]) -> frozenset[str]:
        """Return what to read in this run.

        Args:
            sizes: all objects there are, with their sizes in bytes.
        """
        with self._explained():
            self._meet(sizes)
            known = self._db.execute("SELECT turn, name FROM object").fetchall()
        quota_bytes = self._share * sum(sizes.values())
        chosen: set[str] = set()
        chosen_bytes = 0
        for turn, name in sorted(known, key=lambda row: (row[0], promised(row[1]), row[1])):
            is_due = turn <= self._run - self._whole_runs
            if not is_due and chosen and chosen_bytes >= quota_bytes:
                break
            chosen.add(name)
            chosen_bytes += sizes[name]
        return frozenset(chosen)

    def _meet(self, sizes: Mapping[str, int]) -> None:
        """Take in what is new, and forget what is gone."""
        known = {name for (name,) in self._db.execute("SELECT name FROM object")}
        self._db.execute("BEGIN")
        new = ((name, self._run - 1) for name in sizes.keys() - known)
        self._db.executemany("INSERT INTO object VALUES (?, ?, NULL)", new)
        gone = ((name,) for name in known - sizes.keys())
        self._db.executemany("DELETE FROM object WHERE name = ?", gone)
        self._db.execute("COMMIT")

    def read(self, name: str, now: float) -> None:
        """Note that an object was read.

        Args:
            name: the object.
            now: seconds since the epoch.
        """
        with self._lock, self._explained():
            sql = "UPDATE object SET turn = ?, time = ? WHERE name = ?"
            self._db.execute(sql, (self._run, now, name))

    def finish(self, sizes: Mapping[str, int]) -> Coverage:
        """End the run; one that never comes here is taken up again by the next.

        Args:
            sizes: as for `choose`.

        Returns:
            How far the runs have come.
        """
        with self._lock, self._explained():
            self._db.execute(f"PRAGMA user_version = {self._run}")
            rows = self._db.execute("SELECT name, turn, time FROM object").fetchall()
        read = [(name, turn, time) for name, turn, time in rows if time is not None]
        latest = self._run - self._whole_runs
        never_read = len(rows) - len(read)
        return Coverage(
            share=self._share,
            runs=self._run,
            whole_runs=self._whole_runs,
            covered_bytes=sum(sizes[name] for name, turn, _ in read if turn > latest),
            total_bytes=sum(sizes.values()),
            never_read=never_read,
            oldest=None if never_read or not read else min(time for _, _, time in read),
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LocalIOError(
                f"{self._path} cannot be used: {error}.",
                hint="It may be deleted: what was read is forgotten then.",
            ) from error
