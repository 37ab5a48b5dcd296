"""The local cache: index, trees and signatures, in one SQLite file.

It is a cache in every sense: lost, it is rebuilt from the bucket where this host has the key, and
where it has not, the next backup still works and stores everything again.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ocsnap.errors import LocalIOError
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.cache_file import open_file
from ocsnap.repository.index import IndexedPack, pack_name
from ocsnap.repository.pack import PackedBlob
from ocsnap.repository.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ocsnap.storage.storage import ObjectInfo

_UNCOMMITTED_ROWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Location:
    """Where a blob lies.

    Attributes:
        pack: name of the pack's object.
        offset: where its frame begins in the decrypted pack; bytes.
        frame_bytes: the frame's length.
        raw_bytes: the blob's own length.
    """

    pack: str
    offset: int
    frame_bytes: int
    raw_bytes: int


class Cache:
    """The cache of one repository on this host; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Args:
            path: the SQLite file; its folder is made where it is not there.

        Raises:
            LocalIOError: the file cannot be opened or written.
        """
        self._path = path
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
            f"The local cache {self._path} cannot be written: {error}.",
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

    # -- index -------------------------------------------------------------------------------

    def find(self, blob: bytes) -> Location | None:
        """Return where a blob lies, None where it is not in the repository."""
        rows = self._all(
            "SELECT pack.kind, pack.id, offset, frame_bytes, raw_bytes FROM blob"
            " JOIN pack ON pack.number = blob.pack WHERE blob.id = ?",
            (blob,),
        )
        if not rows:
            return None
        kind, pack, *place = rows[0]
        return Location(pack_name(BlobKind(kind), pack), *place)

    def has(self, blob: bytes) -> bool:
        """Return whether a blob is in the repository."""
        return bool(self._all("SELECT 1 FROM blob WHERE id = ?", (blob,)))

    def add_pack(self, pack: IndexedPack, *, index_id: bytes | None = None) -> None:
        """Note a pack and its blobs.

        Args:
            pack: the pack.
            index_id: the index object that lists it; None as long as none does.
        """
        with self._writing(len(pack.blobs)) as db:
            db.execute(
                "INSERT INTO pack (id, kind, size_bytes, md5, index_id) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET index_id = excluded.index_id",
                (pack.pack, pack.kind.value, pack.size_bytes, pack.md5, index_id),
            )
            (number,) = db.execute("SELECT number FROM pack WHERE id = ?", (pack.pack,)).fetchone()
            db.executemany(
                "INSERT OR IGNORE INTO blob VALUES (?, ?, ?, ?, ?)",
                ((b.blob, number, b.offset, b.frame_bytes, b.raw_bytes) for b in pack.blobs),
            )

    def expected(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, size in bytes and MD5 of every object that the storage must have.

        The MD5 is empty where the storage told none.
        """
        yield from self._all("SELECT name, size_bytes, md5 FROM object ORDER BY name")
        for (number,) in self._all("SELECT number FROM pack ORDER BY number"):
            kind, pack, size_bytes, md5 = self._all(
                "SELECT kind, id, size_bytes, md5 FROM pack WHERE number = ?", (number,)
            )[0]
            yield pack_name(BlobKind(kind), pack), size_bytes, md5

    def expected_bytes(self) -> int:
        """Return the size of everything that the storage must have."""
        (packs,), (others,) = (
            self._all(f"SELECT coalesce(sum(size_bytes), 0) FROM {table}")[0]  # noqa: S608
            for table in ("pack", "object")
        )
        return int(packs + others)

    def expect(self, info: ObjectInfo) -> None:
        """Note an object other than a pack that the storage must have from now on."""
        row = (info.name, info.size_bytes, bytes.fromhex(info.md5 or ""))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", row)

    def expect_no_more(self, name: str) -> None:
        """Note that the storage need not have an object any more."""
        with self._writing() as db:
            db.execute("DELETE FROM object WHERE name = ?", (name,))

    def unindexed_packs(self, most_blobs: int) -> list[IndexedPack]:
        """Return packs that no index object lists yet, with their blobs.

        Args:
            most_blobs: no more packs follow once there are so many blobs in them.
        """
        found: list[IndexedPack] = []
        blobs = 0
        for number, pack, kind, size_bytes, md5 in self._all(
            "SELECT number, id, kind, size_bytes, md5 FROM pack WHERE index_id IS NULL"
        ):
            found.append(IndexedPack(pack, BlobKind(kind), size_bytes, md5, self._blobs_of(number)))
            blobs += len(found[-1].blobs)
            if blobs >= most_blobs:
                break
        return found

    def unindexed_ids(self) -> list[tuple[str, bytes]]:
        """Return names and ids of all packs that no index object lists yet."""
        rows = self._all("SELECT kind, id FROM pack WHERE index_id IS NULL")
        return [(pack_name(BlobKind(kind), pack), pack) for kind, pack in rows]

    def blobs_of(self, name: str) -> list[PackedBlob]:
        """Return the blobs of a pack, in the order in which they lie; empty if it is unknown."""
        try:
            pack = bytes.fromhex(name.rpartition("/")[2].removesuffix(".gpg"))
        except ValueError:
            return []
        rows = self._all("SELECT number FROM pack WHERE id = ?", (pack,))
        return self._blobs_of(rows[0][0]) if rows else []

    def _blobs_of(self, number: int) -> list[PackedBlob]:
        rows = self._all(
            "SELECT id, offset, frame_bytes, raw_bytes FROM blob WHERE pack = ? ORDER BY offset",
            (number,),
        )
        return [PackedBlob(*row) for row in rows]

    def mark_indexed(self, packs: Iterable[IndexedPack], index_id: bytes) -> None:
        """Note that an index object lists these packs."""
        with self._writing() as db:
            db.executemany(
                "UPDATE pack SET index_id = ? WHERE id = ?",
                ((index_id, pack.pack) for pack in packs),
            )
        self.commit()

    def index_ids(self) -> set[bytes]:
        """Return the index objects whose packs are known here."""
        rows = self._all("SELECT DISTINCT index_id FROM pack WHERE index_id IS NOT NULL")
        return {row[0] for row in rows}

    def drop_index(self, index_id: bytes) -> None:
        """Note that an index object is gone: its packs are listed by none any more."""
        with self._writing() as db:
            db.execute("UPDATE pack SET index_id = NULL WHERE index_id = ?", (index_id,))
        self.commit()

    def drop_pack(self, pack: bytes) -> None:
        """Forget one pack that is gone."""
        with self._writing() as db:
            db.execute(
                "DELETE FROM blob WHERE pack = (SELECT number FROM pack WHERE id = ?)", (pack,)
            )
            db.execute("DELETE FROM pack WHERE id = ?", (pack,))
        self.commit()

    # -- held content ------------------------------------------------------------------------

    def hold(self, frames: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep the zstd frames of trees and signatures, so that they need not be fetched."""
        rows = list(frames)
        with self._writing(len(rows)) as db:
            db.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", rows)

    def held(self, blob: bytes) -> bytes | None:
        """Return the zstd frame of a blob that is kept here."""
        rows = self._all("SELECT frame FROM held WHERE id = ?", (blob,))
        return rows[0][0] if rows else None

    def held_count(self) -> int:
        """Return how many blobs are kept here."""
        return int(self._all("SELECT count(*) FROM held")[0][0])

    def keep_only(self, blobs: Iterable[bytes]) -> None:
        """Forget all held blobs but these."""
        with self._writing() as db:
            db.execute("CREATE TEMP TABLE live (id BLOB PRIMARY KEY) WITHOUT ROWID")
            db.executemany("INSERT OR IGNORE INTO live VALUES (?)", ((blob,) for blob in blobs))
            db.execute("DELETE FROM held WHERE id NOT IN (SELECT id FROM live)")
            db.execute("DROP TABLE live")
        self.commit()

    # -- kin ---------------------------------------------------------------------------------

    def add_kin(self, entry: Entry) -> None:
        """Keep an entry, so that the same file is known again under another name."""
        row = (entry.size_bytes, entry.mtime_ns, msgspec.msgpack.encode(entry))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO kin VALUES (?, ?, ?)", row)

    def kin(self, size_bytes: int, mtime_ns: int) -> Entry | None:
        """Return an entry that was kept, of a file of this very size and time."""
        rows = self._all(
            "SELECT entry FROM kin WHERE size_bytes = ? AND mtime_ns = ?", (size_bytes, mtime_ns)
        )
        return msgspec.msgpack.decode(rows[0][0], type=Entry) if rows else None

    # -- snapshots and notes -----------------------------------------------------------------

    def hold_snapshot(self, name: str, content: bytes) -> None:
        """Keep a snapshot's content under its object's name."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?)", (name, content))
        self.commit()

    def held_snapshots(self) -> set[str]:
        """Return the names of the snapshots whose contents are kept here."""
        return {name for (name,) in self._all("SELECT name FROM snapshot")}

    def held_snapshot(self, name: str) -> bytes | None:
        """Return the content of a snapshot that is kept here."""
        rows = self._all("SELECT content FROM snapshot WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def drop_snapshot(self, name: str) -> None:
        """Forget a snapshot that is gone."""
        with self._writing() as db:
            db.execute("DELETE FROM snapshot WHERE name = ?", (name,))
        self.commit()

    def note(self, key: str) -> str | None:
        """Return a note, None where there is none."""
        rows = self._all("SELECT value FROM note WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_note(self, key: str, value: str | None) -> None:
        """Keep a note; None takes it away."""
        with self._writing() as db:
            if value is None:
                db.execute("DELETE FROM note WHERE key = ?", (key,))
            else:
                db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value))
        self.commit()

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise LocalIOError(
                f"The local cache {self._path} cannot be read: {error}.",
                hint="It may be deleted, it is rebuilt.",
            ) from error
