"""Bringing what this host knows in step with what the storage has and what prune says of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ocsnap.errors import DamagedError, ObjectMissingError, StorageError
from ocsnap.monitor import Problem
from ocsnap.repository import index as indexes
from ocsnap.repository import marks as marking
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.index import pack_id
from ocsnap.storage.storage import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocsnap.crypto import Cipher
    from ocsnap.monitor import Monitor
    from ocsnap.repository.cache import Cache
    from ocsnap.repository.marks import Marks, StoredMarks
    from ocsnap.repository.reader import BlobReader
    from ocsnap.storage.storage import Storage

DOUBTFUL: Final = "something that was stored may be lost"
_MARKS: Final = "marks"
_FEW_PACKS: Final = 20
"""So many are asked for one by one; a listing costs a request for a thousand."""


class Synchroniser:
    """Keeps one cache in step with one storage."""

    def __init__(
        self, *, storage: Storage, cipher: Cipher, cache: Cache, reader: BlobReader, repository: str
    ) -> None:
        """Compose the parts of a repository, and its id."""
        self._storage = storage
        self._cipher = cipher
        self._cache = cache
        self._reader = reader
        self._repository = repository

    def synchronise(self, monitor: Monitor) -> None:
        """Learn what is new, and forget what is gone; see `Repository.synchronise`."""
        marks = self.take_marks(monitor).marks
        self._take_indexes(monitor)
        # Marks are not signed: what an index lists can be read on, whatever they say.
        if any(self._cache.knows_pack(name) for name in marks.lost):
            self._cache.set_note(DOUBTFUL, "packs that a repair found damaged")
        self.mark(marks)
        self._drop_lost_packs()

    # -- marks -------------------------------------------------------------------------------

    def take_marks(self, monitor: Monitor) -> StoredMarks:
        """Learn what prune and repair say; see `Repository.take_marks`."""
        known = marking.decode_known(self._cache.note(_MARKS))
        stored = marking.read_marks(self._storage, self._repository, known)
        if stored.is_damaged:
            monitor.problem(Problem(f"{marking.FOLDER}{stored.number}", "cannot be read"))
        if known is None or known.number != stored.number:
            for name in stored.marks.removed:
                self._forget(name)
            if stored.marks.lost.keys() - (known.marks.lost.keys() if known else set()):
                self._cache.set_note(DOUBTFUL, "packs that a repair found damaged")
            self.mark(stored.marks)
            self._cache.set_note(_MARKS, marking.encode_known(stored))
        return stored

    def mark(self, marks: Marks) -> None:
        """Let nothing new rely on packs that marks name; see `Repository.mark`."""
        self._cache.mark([*marks.doomed, *marks.removed, *marks.lost])

    def _forget(self, name: str) -> None:
        """Forget an object that prune or repair removed; packs once no index lists them."""
        self._cache.expect_no_more(name)
        if name.startswith(indexes.FOLDER):
            self._cache.drop_index(pack_id(name))
        elif name.startswith(snapshots.FOLDER):
            self._cache.drop_snapshot(name)

    # -- index -------------------------------------------------------------------------------

    def _take_indexes(self, monitor: Monitor) -> None:
        listed = self._listed(indexes.FOLDER)
        known = {indexes.index_name(index): index for index in self._cache.index_ids()}
        if known and not listed and not any(self._storage.list(snapshots.FOLDER)):
            raise StorageError(
                "The storage lists no index although backups were written there.",
                hint="Check that repository.url names the right place.",
            )
        tried: set[str] = set()
        vanished: set[str] = set()
        while unknown := listed - known.keys() - tried:
            gone = self._take_unknown(sorted(unknown), monitor)
            tried |= unknown
            vanished |= gone
            if not gone:
                break
            # A prune put others in their place, which are there for certain now.
            listed = self._listed(indexes.FOLDER)
        for name in sorted(vanished & listed):
            self._cache.set_note(DOUBTFUL, name)
            monitor.problem(Problem(name, "it is listed, but cannot be fetched"))
        for name in known.keys() - listed:
            monitor.note(f"{name} is gone: what this host knows of it will be listed anew.")
            self._cache.expect_no_more(name)
            self._cache.drop_index(known[name])

    def _listed(self, folder: str) -> set[str]:
        return {info.name for info in self._storage.list(folder)}

    def _take_unknown(self, names: list[str], monitor: Monitor) -> set[str]:
        """Learn from index objects; return those that are gone by now."""
        if not self._cipher.can_decrypt:
            monitor.note(
                f"{len(names)} index objects were written elsewhere and cannot be read without "
                "the secret key: what they list may be stored once more."
            )
            return set()
        gone = set()
        for name in names:
            try:
                self.take_index(name)
            except ObjectMissingError:
                gone.add(name)
            except DamagedError as error:
                self._cache.set_note(DOUBTFUL, name)
                monitor.problem(Problem(name, error.message))
        return gone

    def take_index(self, name: str) -> None:
        """Learn from an index object what lies where; see `Repository.take_index`."""
        message = self._reader.object(name)
        for pack in indexes.decode(self._cipher.decrypt(message), name=name).packs:
            self._cache.add_pack(pack, index_id=hashlib.sha256(message).digest())
        self._cache.expect(ObjectInfo(name, len(message), md5=None, sha256=None))
        self._cache.commit()

    def drop_unlisted(self, monitor: Monitor) -> None:
        """Forget packs of this run that a prune has marked or removed; see `Repository.fence`."""
        self.mark(self.take_marks(monitor).marks)
        self._drop_lost_packs()

    # -- packs -------------------------------------------------------------------------------

    def _drop_lost_packs(self) -> None:
        """Packs of an interrupted run count only if they did reach the storage.

        Those that are marked and no index lists any more are just being removed.
        """
        marked = self._cache.marked()
        unlisted = self._cache.unindexed_ids()
        is_there = self._presence([name for name, _ in unlisted if name not in marked])
        for name, pack in unlisted:
            if name in marked:
                self._cache.drop_pack(pack)
            elif not is_there(name):
                self._cache.set_note(DOUBTFUL, name)
                self._cache.drop_pack(pack)

    def _presence(self, names: Iterable[str]) -> Callable[[str], bool]:
        """Return what tells whether a pack is in the storage."""
        if len([*names]) > _FEW_PACKS:
            listed = set().union(*(self._listed(f"{kind.value}/") for kind in BlobKind))
            return listed.__contains__
        return self._exists

    def _exists(self, name: str) -> bool:
        try:
            self._storage.stat(name)
        except ObjectMissingError:
            return False
        return True
