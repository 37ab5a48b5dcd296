"""Repair: the index is made to say what is there, and nothing else.

What is lost stays so until a backup stores it again from the disk: hosts are told to look closely.
Each step is announced to the monitor by its name; wherever it dies, the next repair goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ocsnap.errors import AccessDeniedError, DamagedError, NoSecretKeyError, ObjectMissingError
from ocsnap.monitor import Problem
from ocsnap.repository import index as indexes
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.index import IndexedPack, pack_id
from ocsnap.repository.index_rewrite import rewrite_index
from ocsnap.repository.marks import put_marks, read_marks
from ocsnap.repository.pack import read_trailer

if TYPE_CHECKING:
    from collections.abc import Collection

    from ocsnap.monitor import Monitor
    from ocsnap.repository.lock import Lock
    from ocsnap.repository.repository import Repository
    from ocsnap.storage.storage import ObjectInfo

UNKNOWN_PACK = "packs/unknown"
"""Stands for packs that are lost and of which nobody knows the names any more."""


class RepairReport(msgspec.Struct, kw_only=True):
    """What a repair did, or would do.

    Attributes:
        dry_run: nothing was changed.
        relisted_packs: packs that no index listed and that are listed again.
        dropped_packs: packs that are damaged or missing and are listed no more.
        removed_indexes: index objects that were replaced, or are damaged.
        described: `ocsnap.json` was damaged or missing, and was written anew.
        denied: what could not be removed, because the key or an object lock forbids it.
    """

    dry_run: bool = False
    relisted_packs: int = 0
    dropped_packs: list[str] = []
    removed_indexes: list[str] = []
    described: bool = False
    denied: list[str] = []


class Repairer:
    """Repairs the index of one repository, once."""

    def __init__(self, repository: Repository, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: synchronised; this host must have the key.
            monitor: is told of the steps, and of packs that cannot be read.

        Raises:
            NoSecretKeyError: this host cannot read packs.
        """
        if not repository.cipher.can_decrypt:
            raise NoSecretKeyError(
                "This host has not the secret key, so it cannot read what is to be repaired.",
                hint="Repair on a machine that has it.",
            )
        self._repository = repository
        self._storage = repository.storage
        self._cache = repository.cache
        self._monitor = monitor
        self._report = RepairReport()

    def look(self, damaged: Collection[str]) -> RepairReport:
        """Tell what a repair would do.

        Args:
            damaged: names of objects that are damaged or missing.
        """
        report = self._report
        report.dry_run = True
        report.described = self._repository.description_fault is not None
        report.relisted_packs = len(self._unlisted()) + len(self._cache.unindexed_ids())
        report.dropped_packs = sorted(name for name in damaged if _is_pack(name))
        report.removed_indexes = sorted(name for name in damaged if _is_index(name))
        return report

    def repair(self, damaged: Collection[str], lock: Lock) -> RepairReport:
        """Do it.

        Args:
            damaged: names of objects that are damaged or missing.
            lock: taken, for this purpose.

        Returns:
            What was done.

        Raises:
            BusyError: the lock was lost; nothing more was changed after that.
            StorageError: the storage does not answer.
        """
        lost = {name for name in damaged if _is_pack(name)}
        bad_indexes = sorted(name for name in damaged if _is_index(name))
        for name in bad_indexes:
            # What this host knows from before they were damaged is listed again, too.
            self._cache.drop_index(pack_id(name))
            self._cache.expect_no_more(name)
        lost |= self._read_unlisted()
        self._describe(lock)
        lock.demand()
        self._relist(lost)
        self._drop(lost, bad_indexes, lock)
        unreadable = read_marks(self._storage, self._repository.id).is_damaged
        if lost or self._report.removed_indexes or unreadable:
            self._tell(lost, lock)
        return self._report

    def tell_of_unknown(self, lock: Lock) -> None:
        """Let all hosts look closely although no lost pack is known by name any more."""
        marks = read_marks(self._storage, self._repository.id)
        if not marks.marks.lost:
            self._tell({UNKNOWN_PACK}, lock)

    # -- steps -------------------------------------------------------------------------------

    def _unlisted(self) -> list[ObjectInfo]:
        """Return packs of which nothing is known here."""
        marks = self._repository.take_marks(self._monitor).marks
        spoken_for = marks.doomed.keys() | marks.lost.keys()
        return [
            info
            for kind in BlobKind
            for info in self._storage.list(f"{kind.value}/")
            if info.name not in spoken_for and not self._cache.knows_pack(info.name)
        ]

    def _read_unlisted(self) -> set[str]:
        """Learn from their trailers what unlisted packs hold; return those that are damaged."""
        unlisted = self._unlisted()
        total_bytes = sum(info.size_bytes for info in unlisted)
        self._monitor.step("Reading packs that no index lists", total_bytes=total_bytes)
        bad = set()
        for info in unlisted:
            try:
                blobs = read_trailer(self._repository.reader.decrypted(info.name), name=info.name)
            except ObjectMissingError:
                continue
            except DamagedError as error:
                self._monitor.problem(Problem(info.name, error.message))
                bad.add(info.name)
                continue
            kind = BlobKind(info.name.partition("/")[0])
            md5 = bytes.fromhex(info.md5 or "")
            pack = IndexedPack(pack_id(info.name), kind, info.size_bytes, md5, blobs)
            self._cache.add_pack(pack)
            self._monitor.advance(size_bytes=info.size_bytes)
        return bad

    def _describe(self, lock: Lock) -> None:
        if self._repository.description_fault is None:
            return
        self._monitor.step("Describing the repository anew")
        stored = self._repository.snapshots(self._monitor)
        created = min((each.snapshot.started for each in stored), default=lock.now)
        lock.demand()
        try:
            self._repository.describe(created=created)
            self._report.described = True
        except AccessDeniedError as error:
            self._report.denied.append(error.message)

    def _relist(self, lost: Collection[str]) -> None:
        self._monitor.step("Listing packs again")
        for name, pack in self._cache.unindexed_ids():
            if name in lost:
                self._cache.drop_pack(pack)
        self._report.relisted_packs = len(self._cache.unindexed_ids())
        self._repository.list_packs()

    def _drop(self, lost: Collection[str], bad_indexes: list[str], lock: Lock) -> None:
        self._monitor.step("Taking out of the index what is lost")
        self._report.dropped_packs = sorted(lost)
        old = {index for name in lost for index in self._cache.indexes_of(pack_id(name))}
        lock.demand()
        try:
            if old:
                self._report.removed_indexes += rewrite_index(
                    self._repository, old=old, without=lost
                )
            self._storage.delete_all(bad_indexes)
            self._report.removed_indexes += bad_indexes
        except AccessDeniedError as error:
            self._report.denied.append(error.message)
        for name in lost:
            self._cache.drop_pack(pack_id(name))

    def _tell(self, lost: Collection[str], lock: Lock) -> None:
        """Let all hosts forget what is lost, and look closely at their next backup."""
        self._monitor.step("Telling all hosts what is lost")
        lock.demand()
        stored = read_marks(self._storage, self._repository.id)
        marks = msgspec.structs.replace(
            stored.marks,
            doomed=stored.marks.doomed | dict.fromkeys(lost),
            lost=stored.marks.lost | dict.fromkeys(lost),
            removed=stored.marks.removed | dict.fromkeys(self._report.removed_indexes),
        )
        put_marks(self._storage, marks, after=stored.number)
        if lost:
            self._repository.doubt("a repair found something lost")


def _is_pack(name: str) -> bool:
    return name.startswith(tuple(f"{kind.value}/" for kind in BlobKind))


def _is_index(name: str) -> bool:
    return name.startswith(indexes.FOLDER)
