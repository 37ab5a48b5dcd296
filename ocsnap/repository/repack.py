"""Repacking: what is still needed of packs that are mostly garbage goes into new packs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.monitor import Problem
from ocsnap.repository.blob import BlobKind
from ocsnap.repository.pack import META_TARGET_BYTES, TARGET_BYTES
from ocsnap.repository.packer import Packer
from ocsnap.repository.reader import unpack
from ocsnap.repository.repository import MOST_INDEXED_BLOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.monitor import Monitor
    from ocsnap.repository.index import IndexedPack
    from ocsnap.repository.needs import Needs, PackNeed
    from ocsnap.repository.repository import Repository


class Repacker:
    """Copies blobs from old packs into new ones, checked but not compressed again."""

    def __init__(self, repository: Repository, needs: Needs, *, monitor: Monitor) -> None:
        """Prepare.

        Args:
            repository: where the packs are.
            needs: tells what of a pack is needed.
            monitor: is told of packs that are damaged.
        """
        self._repository = repository
        self._needs = needs
        self._monitor = monitor
        self._stored: list[IndexedPack] = []

    def repack(self, packs: Sequence[PackNeed]) -> list[PackNeed]:
        """Copy what is needed of packs, and list it in the index.

        Args:
            packs: the old packs; they are left as they are.

        Returns:
            Those of which everything that is needed now lies elsewhere, too.

        Raises:
            StorageError: the storage does not answer.
        """
        done = []
        for kind in BlobKind:
            mine = [pack for pack in packs if pack.kind == kind.value]
            if mine:
                done += self._repack(kind, mine)
        self._list(0)
        return done

    def _repack(self, kind: BlobKind, packs: Sequence[PackNeed]) -> list[PackNeed]:
        packer = Packer(
            kind,
            storage=self._repository.storage,
            cipher=self._repository.cipher,
            sending=_note_nothing,
            stored=self._stored.append,
            target_bytes=TARGET_BYTES if kind is BlobKind.CONTENT else META_TARGET_BYTES,
        )
        done = []
        try:
            for pack in packs:
                if self._copy(pack, packer):
                    done.append(pack)
                self._list(MOST_INDEXED_BLOBS)
                self._monitor.advance(size_bytes=pack.size_bytes)
            packer.flush()
        finally:
            packer.close()
        return done

    def _copy(self, pack: PackNeed, packer: Packer) -> bool:
        frames = []
        try:
            plain = self._repository.reader.decrypted(pack.name)
            for blob, offset, frame_bytes, raw_bytes in self._needs.staying(pack):
                frame = bytes(plain[offset : offset + frame_bytes])
                unpack(blob, frame, raw_bytes, name=pack.name)
                frames.append((blob, frame, raw_bytes))
        except (DamagedError, ObjectMissingError) as error:
            self._monitor.problem(Problem(pack.name, error.message))
            return False
        for blob, frame, raw_bytes in frames:
            packer.add(blob, frame, raw_bytes)
        return True

    def _list(self, at_least_blobs: int) -> None:
        """List new packs in the index, once they have so many blobs."""
        stored = [*self._stored]
        if not stored or sum(len(pack.blobs) for pack in stored) < at_least_blobs:
            return
        for pack in stored:
            self._repository.cache.add_pack(pack)
        self._repository.store_index(stored)
        del self._stored[: len(stored)]


def _note_nothing(pack: IndexedPack) -> None:
    """Leave what does not arrive in the index to the next prune: it is a copy."""
