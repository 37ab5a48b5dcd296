"""Blobs: pieces of content, named by what they hold."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import zstandard

from ocsnap.units import MIB

LONGEST_BLOB_BYTES: Final = 4 * MIB
"""Longer content is cut, so that memory stays bounded; zstd's window at level 3 is 2 MiB, so a
longer blob would hardly be any smaller."""

NOT_SOUND: Final = (msgspec.MsgspecError, zstandard.ZstdError, ValueError, RecursionError)
"""What msgspec and zstandard raise for bytes that are not what they should be; ValueError is also
that of UTF-8."""

Buffer = bytes | bytearray | memoryview

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A SHA-256 in a record; anything else would give names that no storage takes."""

Length = Annotated[int, msgspec.Meta(ge=0, lt=2**48)]
"""A number of bytes in a record: as much as SQLite can add up a thousand times over."""


class BlobKind(StrEnum):
    """Which packs a blob goes into; the value is the folder of those packs."""

    CONTENT = "packs"
    META = "meta"


def blob_id(data: Buffer) -> bytes:
    """Return the id of content: its SHA-256, 32 bytes (FIPS 180-4)."""
    return hashlib.sha256(data).digest()
