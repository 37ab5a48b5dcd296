"""What all snapshots need, against what lies in the packs: in a file, as it may be millions.

The file is beside the local cache, which knows what the index says, and is made anew each time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from ocsnap.errors import DamagedError, LocalIOError, ObjectMissingError
from ocsnap.repository import tree
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.index import pack_id
from ocsnap.repository.references import needed_blobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from ocsnap.repository.reader import BlobReader
    from ocsnap.repository.snapshot import Root
    from ocsnap.repository.tree import Entry
    from ocsnap.storage.storage import ObjectInfo

FILE_NAME: Final = "prune.db"

_BLOBS_AT_ONCE: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE object (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    modified REAL NOT NULL, since REAL) WITHOUT ROWID;
CREATE TABLE need (id BLOB PRIMARY KEY, stays INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE walked (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unread (id BLOB PRIMARY KEY) WITHOUT ROWID;
"""

# Where two packs have a blob every host must choose the same one.
_CHOOSE: Final = """
CREATE TABLE usable AS
    SELECT pack.number, object.name, object.since IS NOT NULL AS doomed
    FROM cache.pack JOIN object ON object.id = pack.id AND object.size_bytes = pack.size_bytes
    WHERE EXISTS (SELECT 1 FROM cache.listing WHERE listing.pack = pack.number);
CREATE UNIQUE INDEX usable_number ON usable (number);
CREATE TABLE chosen AS
    SELECT need.id AS id, need.stays AS stays, (
        SELECT blob.pack FROM cache.blob JOIN usable ON usable.number = blob.pack
        WHERE blob.id = need.id ORDER BY usable.doomed, usable.name LIMIT 1) AS pack
    FROM need;
CREATE INDEX chosen_pack ON chosen (pack);
CREATE INDEX chosen_id ON chosen (id);
CREATE TABLE weighed AS
    SELECT object.name AS name, object.kind AS kind, object.size_bytes AS size_bytes,
        object.modified AS modified, object.since AS since, usable.number AS number,
        coalesce((SELECT count(*) FROM chosen WHERE chosen.pack = usable.number), 0) AS needed,
        coalesce((
            SELECT sum(blob.frame_bytes) FROM chosen
            JOIN cache.blob ON blob.id = chosen.id AND blob.pack = chosen.pack
            WHERE chosen.pack = usable.number AND chosen.stays), 0) AS staying_bytes,
        coalesce((
            SELECT sum(frame_bytes) FROM cache.blob WHERE blob.pack = usable.number), 0)
            AS listed_bytes
    FROM object LEFT JOIN usable ON usable.name = object.name;
CREATE UNIQUE INDEX weighed_name ON weighed (name);
"""


class PackNeed(NamedTuple):
    """A pack in the storage, and what of it is needed.

    Attributes:
        name: the object's name.
        kind: `packs` or `meta`.
        size_bytes: the object's size.
        modified: when it was put; seconds since the epoch, by the storage's clock.
        since: since when it is marked; None: it is not.
        number: its number in the local cache; None: no index object lists it.
        needed: how many of its blobs any snapshot needs that is there now.
        staying_bytes: frames that the snapshots need that stay.
        listed_bytes: all frames that the index lists.
    """

    name: str
    kind: str
    size_bytes: int
    modified: float
    since: float | None
    number: int | None
    needed: int
    staying_bytes: int
    listed_bytes: int


class Needs:
    """A file of what is needed and what there is; a context manager that removes it."""

    def __init__(self, path: Path, cache: Path) -> None:
        """Make the file.

        Args:
            path: where; what an earlier run left there is removed.
            cache: the local cache, in step with the storage and committed.

        Raises:
            LocalIOError: it cannot be made.
        """
        self._path = path
        try:
            self._remove()
            self._db = sqlite3.connect(path.as_uri(), uri=True, isolation_level=None)
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute("PRAGMA cache_size = -16384")
            self._db.execute("ATTACH DATABASE ? AS cache", (f"{cache.as_uri()}?mode=ro",))
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._db.close()
        self._remove()

    # -- taking in ---------------------------------------------------------------------------

    def add_packs(self, infos: Iterable[ObjectInfo], doomed: dict[str, float | None]) -> None:
        """Take in which packs there are.

        Args:
            infos: what the storage lists.
            doomed: those that are marked, and since when.
        """
        kinds = {kind.value for kind in BlobKind}
        self._many(
            "INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    pack_id(info.name),
                    info.name,
                    info.name.partition("/")[0],
                    info.size_bytes,
                    info.modified or 0.0,
                    doomed.get(info.name),
                )
                for info in infos
                if info.name.partition("/")[0] in kinds and len(pack_id(info.name)) == 32
            ),
        )

    def walk(self, roots: Iterable[Root], reader: BlobReader, *, stays: bool) -> None:
        """Take in what a snapshot needs; directories that were walked already are passed over.

        Those that stay come first. A listing that cannot be read is remembered.

        Args:
            roots: the snapshot's.
            reader: gives listings.
            stays: whether the snapshot stays.
        """
        for root in roots:
            waiting = [root.entry]
            while waiting:
                directory = waiting.pop()
                if not self._is_new(directory):
                    continue
                found = [*directory.subtree]
                for entry in self._listing(directory, reader):
                    found += entry.signature
                    # No restore needs what an old signature describes, but without it the next
                    # edit of a large file would store all of it again.
                    found += [piece.blob for piece in (*entry.pieces(), *entry.signed)]
                    if entry.is_directory:
                        waiting.append(entry)
                    if len(found) >= _BLOBS_AT_ONCE:
                        self._add_needed(found, stays=stays)
                        found = []
                self._add_needed(found, stays=stays)

    def forget(self) -> None:
        """Forget what snapshots need, so that it can be taken in anew."""
        for table in ("need", "walked", "unread"):
            self._run(f"DELETE FROM main.{table}")  # noqa: S608 - constants
        for table in ("usable", "chosen", "weighed"):
            self._run(f"DROP TABLE IF EXISTS main.{table}")

    def choose(self) -> None:
        """Decide which pack has to give each blob, when all is taken in."""
        try:
            self._db.executescript(_CHOOSE)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    # -- giving out --------------------------------------------------------------------------

    def packs(self) -> Iterator[PackNeed]:
        """Yield all packs that the storage has, sorted by name."""
        names = [name for (name,) in self._run("SELECT name FROM weighed ORDER BY name")]
        for name in names:
            yield PackNeed(*self._run("SELECT * FROM weighed WHERE name = ?", (name,))[0])

    def staying(self, pack: PackNeed) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield id, offset, length of the frame and of the content of the blobs that stay."""
        yield from self._run(
            "SELECT blob.id, offset, frame_bytes, raw_bytes FROM chosen JOIN cache.blob"
            " ON blob.id = chosen.id AND blob.pack = chosen.pack"
            " WHERE chosen.pack = ? AND chosen.stays ORDER BY offset",
            (pack.number,),
        )

    def lost(self) -> int:
        """Return how many blobs are needed and lie in no pack."""
        return int(self._run("SELECT count(*) FROM chosen WHERE pack IS NULL")[0][0])

    def is_lost(self, blob: bytes) -> bool:
        """Return whether a blob that is needed lies in no pack."""
        return bool(self._run("SELECT 1 FROM chosen WHERE id = ? AND pack IS NULL", (blob,)))

    def unread(self) -> int:
        """Return how many directories cannot be read, so that nobody knows what they need."""
        return int(self._run("SELECT count(*) FROM unread")[0][0])

    def suffers(self, roots: Iterable[Root], reader: BlobReader) -> bool:
        """Return whether a snapshot is not whole; only where something is lost, as this is slow."""
        try:
            return any(self.is_lost(blob) for blob in needed_blobs(roots, reader))
        except (DamagedError, ObjectMissingError):
            return True

    # -- inside ------------------------------------------------------------------------------

    def _is_new(self, directory: Entry) -> bool:
        key = _key(directory)
        if self._run("SELECT 1 FROM walked WHERE id = ?", (key,)):
            return False
        self._run("INSERT INTO walked VALUES (?)", (key,))
        return True

    def _add_needed(self, blobs: list[bytes], *, stays: bool) -> None:
        rows = ((blob, stays) for blob in blobs)
        self._many("INSERT OR IGNORE INTO need VALUES (?, ?)", rows)

    def _listing(self, directory: Entry, reader: BlobReader) -> Iterator[Entry]:
        try:
            yield from tree.read(directory.subtree, reader.load)
        except (DamagedError, ObjectMissingError):
            self._run("INSERT OR IGNORE INTO unread VALUES (?)", (_key(directory),))

    def _run(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._db.execute("BEGIN")
            self._db.executemany(query, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> LocalIOError:
        return LocalIOError(
            f"{self._path} cannot be used: {error}.",
            hint="Make room there, or move backup.state_dir.",
        )

    def _remove(self) -> None:
        for suffix in ("", "-journal"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()


def _key(directory: Entry) -> bytes:
    return hashlib.sha256(b"".join(directory.subtree)).digest()
