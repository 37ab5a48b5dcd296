"""The local cache: index, trees and signatures, in one SQLite file.

It is a cache in every sense: lost, it is rebuilt from the bucket where this host has the key, and
where it has not, the next backup still works and stores everything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.repository.blob import BlobKind
from ocsnap.repository.cache_connection import CacheConnection
from ocsnap.repository.index import IndexedPack, pack_id, pack_name
from ocsnap.repository.pack import PackedBlob
from ocsnap.repository.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocsnap.storage.storage import ObjectInfo

_ASKED_AT_ONCE: Final = 500
"""SQLite before 3.32 takes at most 999 values with a query (SQLITE_MAX_VARIABLE_NUMBER)."""

_UNLISTED: Final = "NOT EXISTS (SELECT 1 FROM listing WHERE listing.pack = pack.number)"


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


class Cache(CacheConnection):
    """The cache of one repository on this host; may be used from several threads."""

    # -- index -------------------------------------------------------------------------------

    def find(self, blob: bytes) -> Location | None:
        """Return where a blob lies, None where it is not in the repository.

        Of several packs that have it, one that stays is taken before one that is marked.
        """
        return next(iter(self.locations(blob)), None)

    def locations(self, blob: bytes) -> list[Location]:
        """Return all places where a blob lies; those in packs that are marked come last."""
        rows = self._all(
            "SELECT pack.kind, pack.id, offset, frame_bytes, raw_bytes FROM blob"
            " JOIN pack ON pack.number = blob.pack WHERE blob.id = ?"
            " ORDER BY pack.marked, pack.id",
            (blob,),
        )
        return [Location(pack_name(BlobKind(kind), pack), *place) for kind, pack, *place in rows]

    def packs_of(self, blobs: Iterable[bytes]) -> dict[bytes, list[str]]:
        """Return the names of the packs that have blobs; those that are marked come last.

        Args:
            blobs: ids, of which many are asked for at once: that takes a quarter of the time.
        """
        found: dict[bytes, list[str]] = {}
        names: dict[bytes, str] = {}
        rest = iter(blobs)
        while some := [*islice(rest, _ASKED_AT_ONCE)]:
            rows = self._all(
                "SELECT blob.id, pack.kind, pack.id FROM blob"  # noqa: S608 - question marks
                " JOIN pack ON pack.number = blob.pack"
                f" WHERE blob.id IN ({','.join('?' * len(some))}) ORDER BY pack.marked, pack.id",
                some,
            )
            for blob, kind, pack in rows:
                name = names.get(pack)
                if name is None:
                    name = names[pack] = pack_name(BlobKind(kind), pack)
                found.setdefault(blob, []).append(name)
        return found

    def has(self, blob: bytes) -> bool:
        """Return whether a blob is in the repository, in a pack that is not marked."""
        return bool(
            self._all(
                "SELECT 1 FROM blob JOIN pack ON pack.number = blob.pack"
                " WHERE blob.id = ? AND NOT pack.marked LIMIT 1",
                (blob,),
            )
        )

    def add_pack(self, pack: IndexedPack, *, index_id: bytes | None = None) -> None:
        """Note a pack and its blobs.

        Args:
            pack: the pack.
            index_id: the index object that lists it; None as long as none does.
        """
        with self._writing(len(pack.blobs)) as db:
            db.execute(
                "INSERT OR IGNORE INTO pack (id, kind, size_bytes, md5) VALUES (?, ?, ?, ?)",
                (pack.pack, pack.kind.value, pack.size_bytes, pack.md5),
            )
            (number,) = db.execute("SELECT number FROM pack WHERE id = ?", (pack.pack,)).fetchone()
            db.executemany(
                "INSERT OR IGNORE INTO blob VALUES (?, ?, ?, ?, ?)",
                ((b.blob, number, b.offset, b.frame_bytes, b.raw_bytes) for b in pack.blobs),
            )
            if index_id is not None:
                db.execute("INSERT OR IGNORE INTO listing VALUES (?, ?)", (index_id, number))

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

    def content_bytes(self) -> int:
        """Return the length of all blobs that the repository has, each once and uncompressed."""
        return int(self._all("SELECT coalesce(sum(raw_bytes), 0) FROM blob")[0][0])

    def expect(self, info: ObjectInfo) -> None:
        """Note an object other than a pack that the storage must have from now on."""
        row = (info.name, info.size_bytes, bytes.fromhex(info.md5 or ""))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", row)

    def expect_no_more(self, name: str) -> None:
        """Note that the storage need not have an object any more.

        Durable with the next change that is. So it comes before `drop_snapshot` and `drop_index`:
        a process that dies in between would leave the object expected for ever.
        """
        with self._writing() as db:
            db.execute("DELETE FROM object WHERE name = ?", (name,))

    def unindexed_packs(self, most_blobs: int) -> list[IndexedPack]:
        """Return packs that no index object lists yet, with their blobs.

        Args:
            most_blobs: no more packs follow once there are so many blobs in them.
        """
        found: list[IndexedPack] = []
        blobs = 0
        for (number,) in self._all(f"SELECT number FROM pack WHERE {_UNLISTED}"):  # noqa: S608
            found.append(self._pack(number))
            blobs += len(found[-1].blobs)
            if blobs >= most_blobs:
                break
        return found

    def unindexed_ids(self) -> list[tuple[str, bytes]]:
        """Return names and ids of all packs that no index object lists yet."""
        return self._names(f"SELECT kind, id FROM pack WHERE {_UNLISTED}")  # noqa: S608

    def listed_only_by(self, index_ids: Iterable[bytes]) -> Iterator[IndexedPack]:
        """Yield the packs that no other index object lists than these, with their blobs."""
        given = [*index_ids]
        numbers = {
            number
            for index_id in given
            for (number,) in self._all("SELECT pack FROM listing WHERE index_id = ?", (index_id,))
        }
        for number in sorted(numbers):
            listing = self._all("SELECT index_id FROM listing WHERE pack = ?", (number,))
            if {index_id for (index_id,) in listing} <= set(given):
                yield self._pack(number)

    def indexes_of(self, pack: bytes) -> set[bytes]:
        """Return the index objects that list a pack."""
        query = (
            "SELECT index_id FROM listing JOIN pack ON pack.number = listing.pack WHERE pack.id = ?"
        )
        return {index_id for (index_id,) in self._all(query, (pack,))}

    def small_indexes(self, most_blobs: int) -> set[bytes]:
        """Return the index objects that list fewer blobs than so many."""
        rows = self._all(
            "SELECT index_id FROM listing JOIN blob ON blob.pack = listing.pack"
            " GROUP BY index_id HAVING count(*) < ?",
            (most_blobs,),
        )
        return {index_id for (index_id,) in rows}

    def _pack(self, number: int) -> IndexedPack:
        kind, pack, size_bytes, md5 = self._all(
            "SELECT kind, id, size_bytes, md5 FROM pack WHERE number = ?", (number,)
        )[0]
        return IndexedPack(pack, BlobKind(kind), size_bytes, md5, self._blobs_of(number))

    def _names(self, query: str) -> list[tuple[str, bytes]]:
        return [(pack_name(BlobKind(kind), pack), pack) for kind, pack in self._all(query)]

    # -- packs that are marked ---------------------------------------------------------------

    def mark(self, names: Iterable[str]) -> None:
        """Let these packs, and no others, be marked: nothing new may rely on them."""
        with self._writing() as db:
            db.execute("UPDATE pack SET marked = 0 WHERE marked")
            db.executemany(
                "UPDATE pack SET marked = 1 WHERE id = ?", ((pack_id(name),) for name in names)
            )
        self.commit()

    def marked(self) -> set[str]:
        """Return the names of the packs known here that are marked."""
        return {name for name, _ in self._names("SELECT kind, id FROM pack WHERE marked")}

    # -- what is in packs --------------------------------------------------------------------

    def blobs_of(self, name: str) -> list[PackedBlob]:
        """Return the blobs of a pack, in the order in which they lie; empty if it is unknown."""
        rows = self._all("SELECT number FROM pack WHERE id = ?", (pack_id(name),))
        return self._blobs_of(rows[0][0]) if rows else []

    def knows_pack(self, name: str) -> bool:
        """Return whether a pack is known here."""
        return bool(self._all("SELECT 1 FROM pack WHERE id = ?", (pack_id(name),)))

    def pack_sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the sizes of packs, in bytes; those that are unknown are left out.

        Args:
            names: names of the packs' objects.
        """
        wanted = {*names}
        rows = self._all("SELECT kind, id, size_bytes FROM pack")
        sizes = ((pack_name(BlobKind(kind), pack), size) for kind, pack, size in rows)
        return {name: size for name, size in sizes if name in wanted}

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
                "INSERT OR IGNORE INTO listing SELECT ?, number FROM pack WHERE id = ?",
                ((index_id, pack.pack) for pack in packs),
            )
        self.commit()

    def index_ids(self) -> set[bytes]:
        """Return the index objects whose packs are known here."""
        return {row[0] for row in self._all("SELECT DISTINCT index_id FROM listing")}

    def drop_index(self, index_id: bytes) -> None:
        """Note that an index object is gone."""
        with self._writing() as db:
            db.execute("DELETE FROM listing WHERE index_id = ?", (index_id,))
        self.commit()

    def drop_pack(self, pack: bytes) -> None:
        """Forget one pack that is gone, or is not what it was."""
        with self._writing() as db:
            for (number,) in db.execute("SELECT number FROM pack WHERE id = ?", (pack,)).fetchall():
                db.execute("DELETE FROM blob WHERE pack = ?", (number,))
                db.execute("DELETE FROM listing WHERE pack = ?", (number,))
                db.execute("DELETE FROM pack WHERE number = ?", (number,))
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
        """Forget all held blobs but these, and summaries of listings that begin with others."""
        with self._writing() as db:
            db.execute("CREATE TEMP TABLE live (id BLOB PRIMARY KEY) WITHOUT ROWID")
            db.executemany("INSERT OR IGNORE INTO live VALUES (?)", ((blob,) for blob in blobs))
            for table in ("held", "summary"):
                db.execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM live)")  # noqa: S608
            db.execute("DROP TABLE live")
        self.commit()

    # -- summaries ---------------------------------------------------------------------------

    def keep_summary(self, blob: bytes, content: bytes) -> None:
        """Keep what lets a listing be recognised without being read.

        Args:
            blob: the first blob of the listing; of two that begin alike the later one counts.
            content: the summary; nobody but who made it understands it.
        """
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO summary VALUES (?, ?)", (blob, content))

    def summary(self, blob: bytes) -> bytes | None:
        """Return the summary of a listing that begins with a blob, None where there is none."""
        rows = self._all("SELECT content FROM summary WHERE id = ?", (blob,))
        return rows[0][0] if rows else None

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
