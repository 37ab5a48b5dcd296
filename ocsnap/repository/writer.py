"""Writing blobs: each content once, compressed, packed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from ocsnap.repository.blob import BlobKind, blob_id
from ocsnap.repository.compression import Compressor
from ocsnap.repository.pack import META_TARGET_BYTES, TARGET_BYTES
from ocsnap.repository.packer import Packer
from ocsnap.units import GIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.crypto import Cipher
    from ocsnap.repository.blob import Buffer
    from ocsnap.repository.cache import Cache
    from ocsnap.repository.index import IndexedPack
    from ocsnap.repository.sending import Sending
    from ocsnap.repository.spool import Spool
    from ocsnap.storage.storage import Storage

CHECKPOINT_BYTES: Final = GIB
"""After so many bytes of packs an index lists them, though the run goes on: a first backup over a
slow line takes days, and a host that is lost meanwhile takes what it knew with it."""

_TARGETS: Final = {BlobKind.CONTENT: TARGET_BYTES, BlobKind.META: META_TARGET_BYTES}


class Lengths(NamedTuple):
    """How long a blob is.

    Attributes:
        frame_bytes: compressed.
        raw_bytes: by itself.
    """

    frame_bytes: int
    raw_bytes: int


def _nothing() -> None:
    """Write nothing down."""


class BlobWriter:
    """Stores blobs that the repository has not yet; may be used from several threads."""

    def __init__(
        self,
        *,
        storage: Storage,
        cipher: Cipher,
        cache: Cache,
        sending: Sending,
        checkpoint: Callable[[], None] = _nothing,
    ) -> None:
        """Prepare empty packs; nothing is stored before the first is full.

        Args:
            storage: where packs are stored.
            cipher: what locks them.
            cache: is told of each pack that is stored.
            sending: keeps a note of each pack that is on its way.
            checkpoint: writes down for others what was stored so far; called now and then from a
                thread of the writer's, never twice at once.
        """
        self._cache = cache
        self._sending = sending
        self._checkpoint = checkpoint
        self._unlisted_bytes = 0
        self._lock = threading.Lock()
        self._checkpoints = threading.Lock()
        self._on_the_way: dict[bytes, Lengths | None] = {}
        self._compressors = threading.local()
        self._packers = {
            kind: Packer(
                kind,
                storage=storage,
                cipher=cipher,
                sending=sending.begin,
                stored=self._stored,
                target_bytes=target_bytes,
            )
            for kind, target_bytes in _TARGETS.items()
        }

    def save(
        self, kind: BlobKind, data: Buffer, *, blob: bytes | None = None
    ) -> tuple[bytes, bool]:
        """Store a blob unless it is there already.

        Args:
            kind: which packs it belongs to.
            data: its content.
            blob: its id, where the caller has computed it already.

        Returns:
            Its id, and whether it was new. It is safe in the storage after `flush`.

        Raises:
            OcsnapError: an earlier pack could not be stored.
        """
        if blob is None:
            blob = blob_id(data)
        if not self._claim(blob):
            return blob, False
        frame = self._compressor().compress(data)
        with self._lock:
            self._on_the_way[blob] = Lengths(len(frame), len(data))
        if kind is BlobKind.META:
            self._cache.hold([(blob, frame)])
        self._packers[kind].add(blob, frame, len(data))
        return blob, True

    def has(self, blob: bytes) -> bool:
        """Return whether a blob is stored or on its way."""
        with self._lock:
            return blob in self._on_the_way or self._cache.has(blob)

    def lengths(self, blob: bytes) -> Lengths | None:
        """Return how long a blob is, compressed and not; None where that is not known here."""
        with self._lock:
            known = self._on_the_way.get(blob)
        if known is not None:
            return known
        place = self._cache.find(blob)
        return None if place is None else Lengths(place.frame_bytes, place.raw_bytes)

    def flush(self) -> None:
        """Store everything that was saved and wait for it.

        Raises:
            OcsnapError: a pack could not be stored.
        """
        # All packs are encrypted and sent beside each other; the index comes after them.
        for packer in self._packers.values():
            packer.begin_flush()
        for packer in self._packers.values():
            packer.flush()
        self._cache.commit()

    def hold(self, spool: Spool) -> None:
        """Keep full packs in the spool from now on, so that nobody waits for the line."""
        for packer in self._packers.values():
            packer.hold(spool)

    def release(self) -> None:
        """Send packs at once again, and those that the spool keeps."""
        for packer in self._packers.values():
            packer.release()

    def stored_bytes(self, kind: BlobKind) -> int:
        """Return the size of the packs of one kind that were stored so far."""
        return self._packers[kind].stored_bytes

    def close(self) -> None:
        """End the threads; what was not flushed is given up."""
        for packer in self._packers.values():
            packer.close()

    def _claim(self, blob: bytes) -> bool:
        with self._lock:
            if blob in self._on_the_way or self._cache.has(blob):
                return False
            self._on_the_way[blob] = None
            return True

    def _stored(self, pack: IndexedPack) -> None:
        self._cache.add_pack(pack)
        self._cache.commit()
        self._sending.end(pack)
        with self._lock:
            for packed in pack.blobs:
                self._on_the_way.pop(packed.blob, None)
            self._unlisted_bytes += pack.size_bytes
            due = self._unlisted_bytes >= CHECKPOINT_BYTES
            if due:
                self._unlisted_bytes = 0
        if due:
            with self._checkpoints:
                self._checkpoint()

    def _compressor(self) -> Compressor:
        compressor: Compressor | None = getattr(self._compressors, "own", None)
        if compressor is None:
            compressor = Compressor()
            self._compressors.own = compressor
        return compressor
