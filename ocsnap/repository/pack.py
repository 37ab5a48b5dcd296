"""Packs: zstd frames of blobs, one after the other, then a trailer that lists them.

The trailer is a zstd skippable frame (RFC 8878, 3.1.2), so that `gpg -d PACK | zstd -d` gives the
blobs' content without knowing anything of ocsnap. Inside it: a zstd frame of a MessagePack list of
`PackedBlob`, the length of that frame (4 bytes, little-endian), and `TRAILER_MAGIC`.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Final

import msgspec
import zstandard

from ocsnap.errors import DamagedError
from ocsnap.repository.blob import NOT_SOUND, Digest, Length
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocsnap.repository.blob import Buffer

TARGET_BYTES: Final = 16 * MIB
"""Five of them pass through memory at a time, on both sides of gpg; the whole program has 256 MiB.
Larger ones would spare requests (65 GB are 4,100 of them, two cents), smaller ones gpg's starts."""

META_TARGET_BYTES: Final = 8 * MIB
TRAILER_MAGIC: Final = b"ocsnapP1"
MOST_BLOBS: Final = 65_536
"""A pack is full at this many blobs even if they are tiny, which bounds its trailer."""

_SKIPPABLE: Final = 0x184D2A50
_TAIL: Final = struct.Struct("<I8s")
_HEAD: Final = struct.Struct("<II")
_LONGEST_TRAILER_BYTES: Final = 128 * MOST_BLOBS
_decompressors = threading.local()


class PackedBlob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a blob lies in the decrypted pack.

    Attributes:
        blob: the blob's id.
        offset: where its frame begins; bytes.
        frame_bytes: the frame's length.
        raw_bytes: the blob's own length.
    """

    blob: Digest
    offset: Length
    frame_bytes: Length
    raw_bytes: Length


def trailer(blobs: Sequence[PackedBlob]) -> bytes:
    """Return the trailer that follows the frames."""
    body = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(blobs))
    content = body + _TAIL.pack(len(body), TRAILER_MAGIC)
    return _HEAD.pack(_SKIPPABLE, len(content)) + content


def read_trailer(plain: Buffer, *, name: str) -> list[PackedBlob]:
    """Read the list of blobs from a decrypted pack.

    Args:
        plain: the whole pack.
        name: the object's name, for messages.

    Returns:
        The blobs in the order in which they lie.

    Raises:
        DamagedError: there is no sound trailer.
    """
    view = memoryview(plain)
    try:
        length, magic = _TAIL.unpack(view[-_TAIL.size :])
        if magic != TRAILER_MAGIC or length > len(view) - _TAIL.size - _HEAD.size:
            raise ValueError("no trailer at its end")
        body = view[len(view) - _TAIL.size - length : len(view) - _TAIL.size]
        blobs = msgspec.msgpack.decode(
            decompress(body, _LONGEST_TRAILER_BYTES, exact=False), type=list[PackedBlob]
        )
        end = len(view) - _TAIL.size - length - _HEAD.size
        if any(b.offset + b.frame_bytes > end for b in blobs):
            raise ValueError("its trailer points outside of it")
    except (struct.error, *NOT_SOUND) as error:
        raise DamagedError(f"{name} is no sound pack: {error}.", name=name) from error
    return blobs


def decompress(frame: Buffer, size_bytes: int, *, exact: bool = True) -> bytes:
    """Decompress one zstd frame, but never to more than was promised.

    Args:
        frame: one zstd frame that states its content's size.
        size_bytes: the content's size as the index promises it, or the largest to accept.
        exact: whether `size_bytes` is the size itself.

    Returns:
        The content.

    Raises:
        ValueError: the frame promises another size.
        zstandard.ZstdError: the frame is broken.
    """
    stated = zstandard.frame_content_size(frame)
    if stated < 0 or stated > size_bytes or (exact and stated != size_bytes):
        raise ValueError(f"a frame of {stated} bytes where {size_bytes} are expected")
    return _decompressor().decompress(frame)


def _decompressor() -> zstandard.ZstdDecompressor:
    """Return this thread's own: to make one takes as long as to unpack a small file."""
    own: zstandard.ZstdDecompressor | None = getattr(_decompressors, "own", None)
    if own is None:
        own = zstandard.ZstdDecompressor()
        _decompressors.own = own
    return own
