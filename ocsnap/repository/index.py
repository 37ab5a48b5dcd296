"""Index objects: which blob lies in which pack. They can be rebuilt from the packs' trailers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import zstandard

from ocsnap.errors import DamagedError
from ocsnap.repository.blob import NOT_SOUND, BlobKind, Digest, Length
from ocsnap.repository.pack import PackedBlob, decompress
from ocsnap.units import GIB

if TYPE_CHECKING:
    from ocsnap.repository.blob import Buffer

FOLDER: Final = "index/"
FORMAT: Final = 1
_LONGEST_BYTES: Final = GIB


class IndexedPack(msgspec.Struct, frozen=True, array_like=True):
    """A pack and the blobs in it.

    Attributes:
        pack: SHA-256 of the object's bytes.
        kind: which folder it lies in.
        size_bytes: size of the object.
        md5: MD5 of the object if the storage tells it without a download, else empty.
        blobs: what it holds.
    """

    pack: Digest
    kind: BlobKind
    size_bytes: Length
    md5: bytes
    blobs: list[PackedBlob]

    @property
    def name(self) -> str:
        """The object's name."""
        return pack_name(self.kind, self.pack)


class Index(msgspec.Struct, frozen=True, array_like=True):
    """The content of one index object: MessagePack, in one zstd frame."""

    format: int
    packs: list[IndexedPack]


def pack_name(kind: BlobKind, pack: bytes) -> str:
    """Return the name of the object that holds a pack."""
    digest = pack.hex()
    return f"{kind.value}/{digest[:2]}/{digest}.gpg"


def pack_id(name: str) -> bytes:
    """Return the SHA-256 that stands in the name of a pack, nothing if none does."""
    try:
        return bytes.fromhex(name.rpartition("/")[2].removesuffix(".gpg"))
    except ValueError:
        return b""


def index_name(index: bytes) -> str:
    """Return the name of an index object, given the SHA-256 of its bytes."""
    return f"{FOLDER}{index.hex()}.gpg"


INDEX_OF_NONE: Final = index_name(bytes(32))
"""The name of an index object that nobody will ever find."""


def encode(index: Index) -> bytes:
    """Return an index as bytes."""
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(index))


def decode(data: Buffer, *, name: str) -> Index:
    """Read an index.

    Args:
        data: the decrypted object.
        name: the object's name, for messages.

    Returns:
        The index.

    Raises:
        DamagedError: it cannot be read, or is of a later format.
    """
    try:
        index = msgspec.msgpack.decode(decompress(data, _LONGEST_BYTES, exact=False), type=Index)
    except NOT_SOUND as error:
        raise DamagedError(f"{name} is no sound index: {error}.", name=name) from error
    if index.format != FORMAT:
        raise DamagedError(
            f"{name} has format {index.format}, which this ocsnap does not know.",
            name=name,
            hint="Use a newer ocsnap.",
        )
    return index
