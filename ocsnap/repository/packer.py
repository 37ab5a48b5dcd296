"""The packer: gathers blobs into packs, encrypts and stores full packs beside the work."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from ocsnap.repository.index import IndexedPack
from ocsnap.repository.pack import TARGET_BYTES
from ocsnap.repository.pack_file import PackFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from ocsnap.crypto import Cipher
    from ocsnap.repository.blob import BlobKind, Buffer
    from ocsnap.repository.pack import PackedBlob
    from ocsnap.repository.spool import Spool
    from ocsnap.storage.storage import Storage

_Work = TypeVar("_Work")

PACKS_IN_FLIGHT: Final = 2
"""Full packs that are being encrypted or sent at once: one gpg for each core."""


class _Sealed(NamedTuple):
    """An encrypted pack that waits in the spool."""

    digest: bytes
    blobs: list[PackedBlob]
    path: Path


class Packer:
    """Gathers the blobs of one kind; may be used from several threads.

    Attributes:
        stored_bytes: size of the packs stored so far.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own, given once
        self,
        kind: BlobKind,
        *,
        storage: Storage,
        cipher: Cipher,
        sending: Callable[[IndexedPack], None],
        stored: Callable[[IndexedPack], None],
        target_bytes: int = TARGET_BYTES,
    ) -> None:
        """Prepare an empty pack.

        Args:
            kind: which folder the packs go to.
            storage: where they are stored.
            cipher: what locks them.
            sending: called for each pack before it is sent, from another thread.
            stored: called for each pack once it is stored, from another thread.
            target_bytes: a pack is full at this size.
        """
        self._kind = kind
        self._storage = storage
        self._cipher = cipher
        self._sending = sending
        self._stored = stored
        self._target_bytes = target_bytes
        self._lock = threading.Lock()
        self._gathered = PackFile()
        self._room = threading.BoundedSemaphore(PACKS_IN_FLIGHT)
        self._senders = ThreadPoolExecutor(PACKS_IN_FLIGHT, f"ocsnap-{kind.value}")
        self._failure: BaseException | None = None
        self._under_way: set[Future[None]] = set()
        self._spool: Spool | None = None
        self._spooled: list[_Sealed] = []
        self.stored_bytes = 0

    def add(self, blob: bytes, frame: Buffer, raw_bytes: int) -> None:
        """Put a blob into the present pack; waits when too many full packs are on their way.

        Args:
            blob: its id.
            frame: its zstd frame.
            raw_bytes: its own length.

        Raises:
            OcsnapError: an earlier pack could not be encrypted or stored.
        """
        full: PackFile | None = None
        with self._lock:
            self._raise_failure()
            self._gathered.append(blob, frame, raw_bytes)
            if self._gathered.is_full(self._target_bytes):
                full, self._gathered = self._gathered, PackFile()
        if full:
            self._submit(self._seal, full)

    def hold(self, spool: Spool) -> None:
        """Keep full packs in the spool from now on, instead of sending them."""
        self._spool = spool

    def release(self) -> None:
        """Send packs at once again, those that are kept first of all, beside the work."""
        with self._lock:
            self._spool = None
            kept, self._spooled = self._spooled, []
        for sealed in kept:
            self._start(self._send_spooled, sealed)

    def begin_flush(self) -> None:
        """Begin to store what is gathered and what is kept."""
        self.release()
        with self._lock:
            rest, self._gathered = self._gathered, PackFile()
        if rest.blobs:
            self._submit(self._seal, rest)

    def flush(self) -> None:
        """Store what is gathered and what is kept, and wait until every pack is stored.

        Raises:
            OcsnapError: a pack could not be encrypted or stored.
        """
        self.begin_flush()
        with self._lock:
            under_way = [*self._under_way]
        wait(under_way)
        for future in under_way:
            self._done(future)  # its own call of this may come only after `wait` has returned
        with self._lock:
            self._raise_failure()

    def close(self) -> None:
        """End the threads; what was not flushed is given up."""
        self._senders.shutdown(wait=True, cancel_futures=True)
        self._gathered.file.close()

    def _submit(self, work: Callable[[_Work], None], argument: _Work) -> None:
        """Start work that holds a pack in memory, once there is room for it."""
        self._room.acquire()
        try:
            future = self._start(work, argument)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())

    def _start(self, work: Callable[[_Work], None], argument: _Work) -> Future[None]:
        with self._lock:
            future = self._senders.submit(work, argument)
            self._under_way.add(future)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[None]) -> None:
        failure = None if future.cancelled() else future.exception()
        with self._lock:
            self._under_way.discard(future)
            self._failure = self._failure or failure

    def _seal(self, gathered: PackFile) -> None:
        blobs = gathered.blobs
        with gathered.file as content:
            gathered.finish()
            message = self._cipher.encrypt_file(content)
        digest = hashlib.sha256(message).digest()
        spool = self._spool
        if spool is None:
            self._store(digest, blobs, message)
            return
        sealed = _Sealed(digest, blobs, spool.write(digest.hex(), message))
        with self._lock:
            kept = self._spool is spool
            if kept:
                self._spooled.append(sealed)
        if not kept:  # released meanwhile: nobody would send it
            self._send_spooled(sealed)

    def _send_spooled(self, sealed: _Sealed) -> None:
        self._store(sealed.digest, sealed.blobs, sealed.path.read_bytes())
        sealed.path.unlink()

    def _store(self, digest: bytes, blobs: list[PackedBlob], message: Buffer) -> None:
        pack = IndexedPack(digest, self._kind, len(message), b"", blobs)
        self._sending(pack)
        info = self._storage.put(pack.name, message, sha256=digest.hex())
        with self._lock:
            self.stored_bytes += len(message)
        self._stored(msgspec.structs.replace(pack, md5=bytes.fromhex(info.md5 or "")))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
