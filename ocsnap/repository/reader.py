"""Reading blobs back: from the local cache, else out of their packs."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

import zstandard

from ocsnap.crypto.memory_file import MemoryFile
from ocsnap.errors import DamagedError, ObjectMissingError
from ocsnap.repository.blob import NOT_SOUND, BlobKind, blob_id
from ocsnap.repository.pack import decompress, read_trailer
from ocsnap.repository.rescue import kit
from ocsnap.units import GIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocsnap.crypto import Cipher
    from ocsnap.repository.cache import Cache, Location
    from ocsnap.repository.workspace import Workspace
    from ocsnap.storage.storage import Storage

Content = TypeVar("Content", bytes, memoryview)


MOST_UNPACKED_BYTES: Final = GIB
"""Far more than any listing; memory is not taken on a word that nobody can have given."""


class BlobReader:
    """Gives blobs whose content was checked against their id; may be used from several threads.

    Attributes:
        on_missing: called when an object is gone, once for each, by whoever holds no lock: a prune
            may have put what was in it elsewhere, and after this call the cache may know where.
    """

    def __init__(self, *, storage: Storage, cipher: Cipher, cache: Cache) -> None:
        """Keep where to look; nothing is fetched yet."""
        self._storage = storage
        self._cipher = cipher
        self._cache = cache
        self.on_missing: Callable[[], None] = _nothing
        self._missed: set[str] = set()
        self._lock = threading.Lock()
        self._latest: tuple[str, memoryview] = ("", memoryview(b""))

    def load(self, blob: bytes) -> bytes:
        """Return a blob.

        Args:
            blob: its id.

        Returns:
            Its content.

        Raises:
            DamagedError: it is not in the repository, or not what its id says.
            NoSecretKeyError: it is not cached and this host cannot decrypt.
        """
        frame = self._cache.held(blob)
        if frame is not None:
            # Whatever the cache holds instead, the repository may have the right one.
            with suppress(DamagedError, zstandard.ZstdError):
                size_bytes = zstandard.frame_content_size(frame)
                return unpack(blob, frame, size_bytes, name="The local cache")
        locations = self._cache.locations(blob)
        if not locations:
            raise DamagedError(
                f"The repository has no blob {blob.hex()}.", hint="Run: ocsnap verify."
            )
        try:
            return self._load_from_any(locations, blob)
        except ObjectMissingError:
            others = [each for each in self._cache.locations(blob) if each not in locations]
            if not others:
                raise
            return self._load_from_any(others, blob)

    def _load_from_any(self, locations: Sequence[Location], blob: bytes) -> bytes:
        for location in locations[:-1]:
            # While packs are replaced by others there are two places, and one may be gone already.
            with suppress(DamagedError, ObjectMissingError):
                return self._load_from(location, blob)
        return self._load_from(locations[-1], blob)

    def _load_from(self, location: Location, blob: bytes) -> bytes:
        plain = memoryview(self._pack(location.pack))
        frame = bytes(plain[location.offset : location.offset + location.frame_bytes])
        return unpack(blob, frame, location.raw_bytes, name=location.pack)

    def load_all(self, blobs: Iterable[bytes]) -> list[bytes]:
        """Return several blobs, in order."""
        return [self.load(blob) for blob in blobs]

    def object(self, name: str) -> bytes:
        """Fetch an object and check that its bytes are those that its name promises.

        Args:
            name: an object whose name holds the SHA-256 of its bytes.

        Returns:
            Its bytes: an OpenPGP message, but for those of the rescue kit.

        Raises:
            ObjectMissingError: it is not there.
            DamagedError: it is another.
        """
        return _proven(name, lambda: self._storage.get(name))

    def decrypted(self, name: str, *, signed: bool = False) -> memoryview:
        """Fetch and decrypt an object.

        Args:
            name: as for `object`.
            signed: demand the signature of the configured signing key, if there is one.

        Returns:
            Its content.

        Raises:
            ObjectMissingError: it is not there.
            DamagedError: it is another, or is not signed as it must be.
            CryptoError: this host cannot decrypt it.
        """
        with MemoryFile() as message:
            self._fetch(name, message, proven=True)
            return self._cipher.decrypt_file(message, signed=signed)

    @contextmanager
    def opened(
        self, name: str, space: Workspace, *, signed: bool = False, proven: bool = True
    ) -> Iterator[memoryview]:
        """Fetch and decrypt an object in memory that serves again: for who reads many.

        Args:
            name: as for `object`.
            space: whose memory.
            signed: as for `decrypted`.
            proven: see that the object is what its name promises, and what was locked. Not needed
                by who compares each blob with its id, and asks again with this if one is not right:
                then it is fetched once more if it was damaged on the line.

        Yields:
            Its content, good until the end of the block.

        Raises:
            ObjectMissingError: it is not there.
            DamagedError: it is another, or is not signed as it must be.
            CryptoError: this host cannot decrypt it.
        """
        message = space.messages.take()
        try:
            self._fetch(name, message, proven=proven)
            plain = space.plain.take()
        except BaseException:
            space.messages.give_back(message)
            raise
        try:
            try:
                content = self._cipher.decrypt_file(
                    message, signed=signed, output=plain, proven=proven
                )
            finally:
                space.messages.give_back(message)  # the next one may be fetched meanwhile
            yield content
        finally:
            space.plain.give_back(plain)

    def _fetch(self, name: str, message: MemoryFile, *, proven: bool) -> None:
        def fetch() -> memoryview:
            return self._storage.get_into(name, message.room)

        try:
            if proven:
                _proven(name, fetch)
            else:
                fetch()
        except ObjectMissingError:
            with self._lock:
                is_news = name not in self._missed
                self._missed.add(name)
            if is_news:
                self.on_missing()
            raise

    def _pack(self, name: str) -> memoryview:
        """Return a pack, the latest one again without a fetch; keep what metadata it has."""
        with self._lock:
            if self._latest[0] == name:
                return self._latest[1]
        plain = self.decrypted(name)
        if name.startswith(BlobKind.META.value):
            view = memoryview(plain)
            self._cache.hold(
                (listed.blob, bytes(view[listed.offset : listed.offset + listed.frame_bytes]))
                for listed in read_trailer(plain, name=name)
            )
        with self._lock:
            self._latest = (name, plain)
        return plain


def _nothing() -> None:
    """Know no more than before."""


def _proven(name: str, fetch: Callable[[], Content]) -> Content:
    """Fetch an object, once more where it is not what its name promises, and refuse another."""
    for _ in range(2):  # it may have been damaged on the line
        message = fetch()
        if hashlib.sha256(message).hexdigest() == promised(name):
            return message
    raise DamagedError(f"{name} is damaged: its content is not what was stored.", name=name)


def promised(name: str) -> str:
    """Return the SHA-256 that an object's name promises, empty where it promises none."""
    if name.startswith(kit.FOLDER):
        return kit.digest_of(name)
    digest = name.removesuffix(".gpg")[-64:]
    return digest if len(digest) == 64 and name.endswith(".gpg") else ""


def unpack(blob: bytes, frame: bytes | memoryview, raw_bytes: int, *, name: str) -> bytes:
    """Decompress a frame and check that it is the blob.

    Args:
        blob: the id.
        frame: the zstd frame.
        raw_bytes: the size that the index promises.
        name: where the frame comes from, for messages.

    Returns:
        The blob's content.

    Raises:
        DamagedError: it is another content.
    """
    try:
        if raw_bytes > MOST_UNPACKED_BYTES:
            raise ValueError(f"{raw_bytes} bytes are no blob")
        data = decompress(frame, raw_bytes)
    except NOT_SOUND as error:
        raise DamagedError(
            f"{name}: the blob {blob.hex()} cannot be unpacked: {error}.", name=name
        ) from error
    if blob_id(data) != blob:
        raise DamagedError(f"{name}: the blob {blob.hex()} has another content.", name=name)
    return data
