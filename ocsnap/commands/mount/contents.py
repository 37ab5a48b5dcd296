"""Any part of any file, for several readers at once, in bounded memory."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ocsnap.errors import DamagedError, ObjectMissingError, OcsnapError
from ocsnap.repository.reader import unpack
from ocsnap.units import MIB

if TYPE_CHECKING:
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.tree import Entry

MOST_PACKS: Final = 4
MOST_BLOB_BYTES: Final = 48 * MIB
"""Decrypted packs of about 16 MiB, and blobs of up to 4 MiB: together they stay below 150 MiB."""


class OpenFile:
    """A file that is open: where its pieces begin."""

    def __init__(self, entry: Entry) -> None:
        """Take a regular file."""
        self.pieces = entry.pieces()
        self.starts = []
        at = 0
        for piece in self.pieces:
            self.starts.append(at)
            at += piece.length
        self.size_bytes = at


class Contents:
    """Reads parts of files; may be used from several threads."""

    def __init__(self, repository: Repository) -> None:
        """Read from `repository`, whose index is known."""
        self._repository = repository
        self._lock = threading.Lock()
        self._packs: OrderedDict[str, memoryview] = OrderedDict()
        self._blobs: OrderedDict[bytes, bytes] = OrderedDict()
        self._blob_bytes = 0
        self._loading: dict[str, threading.Lock] = {}

    def read(self, file: OpenFile, offset: int, length: int) -> bytes:
        """Return a part of a file.

        Args:
            file: the file.
            offset: where the part begins; bytes.
            length: how long it is; less comes where the file ends before.

        Raises:
            DamagedError: it is damaged.
            OcsnapError: the storage or the key fails.
        """
        end = min(offset + length, file.size_bytes)
        parts = []
        number = bisect_right(file.starts, offset) - 1
        while offset < end:
            piece = file.pieces[number]
            inside = offset - file.starts[number]
            take = min(piece.length - inside, end - offset)
            if take > 0:
                begin = piece.offset + inside
                part = self._blob(piece.blob)[begin : begin + take]
                if len(part) != take:
                    raise DamagedError("A part of a file does not fit into its blob.")
                parts.append(part)
            offset += max(take, 0)
            number += 1
        return b"".join(parts)

    def _blob(self, blob: bytes) -> bytes:
        with self._lock:
            if blob in self._blobs:
                self._blobs.move_to_end(blob)
                return self._blobs[blob]
        data = self._fetched(blob)
        with self._lock:
            if blob not in self._blobs:
                self._blobs[blob] = data
                self._blob_bytes += len(data)
            while self._blob_bytes > MOST_BLOB_BYTES and len(self._blobs) > 1:
                self._blob_bytes -= len(self._blobs.popitem(last=False)[1])
        return data

    def _fetched(self, blob: bytes) -> bytes:
        """Take a blob out of its pack, or another that has it, as when packs are replaced."""
        failure: OcsnapError = DamagedError(f"The repository has no blob {blob.hex()}.")
        for place in self._repository.cache.locations(blob):
            try:
                frame = self._pack(place.pack)[place.offset : place.offset + place.frame_bytes]
                return unpack(blob, frame, place.raw_bytes, name=place.pack)
            except (DamagedError, ObjectMissingError) as error:  # noqa: PERF203 - two at most
                failure = error
        raise failure

    def _pack(self, name: str) -> memoryview:
        """Return a pack; whoever asks for one that is being fetched waits for it."""
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            with self._lock:
                if name in self._packs:
                    self._packs.move_to_end(name)
                    return self._packs[name]
            plain = memoryview(self._repository.reader.decrypted(name))
            with self._lock:
                self._packs[name] = plain
                while len(self._packs) > MOST_PACKS:
                    gone, _ = self._packs.popitem(last=False)
                    self._loading.pop(gone, None)
        return plain
