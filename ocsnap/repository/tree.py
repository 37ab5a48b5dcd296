"""Trees: directory listings, one blob for each directory, several for very long ones."""

from __future__ import annotations

import stat
from operator import lt
from typing import TYPE_CHECKING, Annotated, Final
from zlib import crc32

import msgspec

from ocsnap.errors import DamagedError
from ocsnap.repository.blob import NOT_SOUND
from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocsnap.repository.blob import Buffer

FORMAT: Final = 1
MOST_ENTRIES: Final = 4096
LONGEST_PART_BYTES: Final = 4 * MIB
"""A longer listing is cut, so that memory stays bounded."""

_FEWEST_MEAN_ENTRIES: Final = 32
"""It is also cut after names that chance picks: wherever a new name comes in, the cuts after it are
the same as before, so that one new name costs one part, and the list of the parts. The two together
cost least when a part has about the square root of all entries."""

_ENTRY_BYTES: Final = 128
_EXTENT_BYTES: Final = 48

_ILLEGAL_NAMES: Final = frozenset({b"", b".", b".."})


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
_Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Extent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A range of a blob; a file's content is its extents, one after the other.

    Attributes:
        blob: the blob's id.
        offset: where in the blob the range begins; bytes.
        length: how long it is; bytes.
    """

    blob: bytes
    offset: _Count
    length: _Count


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name in a directory.

    Attributes:
        name: the name's bytes, as the file system has them.
        mode: type and permissions (`st_mode`).
        uid: owner.
        gid: group.
        mtime_ns: time of the last change of content; nanoseconds since the epoch.
        ctime_ns: time of the last change of anything; 0 if it was too young to be relied on.
        inode: inode number.
        size_bytes: `st_size` of a regular file; for a directory the sum of those below it.
        links: number of hard links.
        xattrs: extended attributes, ACLs among them.
        content: SHA-256 of a regular file's content; None for others and for an empty file.
        extents: where the content lies; empty: in the one blob that is named `content`.
        signature: blobs that make up the rsync signature, one after the other.
        target: where a symbolic link points.
        subtree: blobs that make up a directory's listing.
        entries: number of entries below a directory, at any depth.
        device: major and minor number of a device, as `st_rdev`.
        sparse: whether the file had holes.
        unsteady: whether the file changed while it was read.
        signed: the content that the signature describes, where that is an earlier one.
    """

    name: bytes
    mode: Annotated[int, msgspec.Meta(ge=0, lt=2**16)]
    uid: _Number
    gid: _Number
    mtime_ns: _Time
    ctime_ns: _Time
    inode: int
    size_bytes: _Count = 0
    links: int = 1
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes | None = None
    extents: tuple[Extent, ...] = ()
    signature: tuple[bytes, ...] = ()
    target: bytes = b""
    subtree: tuple[bytes, ...] = ()
    entries: _Count = 0
    device: _Count = 0
    sparse: bool = False
    unsteady: bool = False
    signed: tuple[Extent, ...] = ()

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file."""
        return stat.S_ISREG(self.mode)

    def pieces(self) -> tuple[Extent, ...]:
        """Return the extents, also where they are left implicit."""
        if self.extents or self.content is None:
            return self.extents
        return (Extent(self.content, 0, self.size_bytes),)

    def signed_pieces(self) -> tuple[Extent, ...]:
        """Return the extents of what the signature describes."""
        return self.signed or self.pieces()


class _Part(msgspec.Struct, frozen=True, array_like=True):
    format: int
    entries: list[Entry]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Part)


def encode(entries: Sequence[Entry], *, among: int = 0) -> Iterator[bytes]:
    """Return a directory's listing as bytes.

    Args:
        entries: the directory's entries, sorted by name.
        among: of how many entries they are a piece that ends where it may be cut (see `ends_part`);
            0: they are all.

    Yields:
        The parts, at least one.
    """
    yield from map(encode_part, cut(entries, among=among))


def encode_part(entries: Sequence[Entry]) -> bytes:
    """Return one part of a listing as bytes."""
    return _encoder.encode(_Part(FORMAT, list(entries)))


def cut(entries: Sequence[Entry], *, among: int = 0) -> Iterator[Sequence[Entry]]:
    """Cut a directory's listing into parts.

    Args:
        entries: as for `encode`.
        among: as for `encode`.

    Yields:
        The entries of each part, at least of one.
    """
    mean = mean_entries(among or len(entries))
    start = part_bytes = 0
    for end, entry in enumerate(entries, 1):
        part_bytes += _ENTRY_BYTES + _EXTENT_BYTES * len(entry.extents)
        part_bytes += sum(len(value) for _, value in entry.xattrs)
        if (
            _is_cut(entry.name, mean)
            or end - start == MOST_ENTRIES
            or part_bytes >= LONGEST_PART_BYTES
        ):
            yield entries[start:end]
            start, part_bytes = end, 0
    if start < len(entries) or not entries:
        yield entries[start:]


def ends_part(name: bytes, *, among: int) -> bool:
    """Return whether a listing is always cut after a name.

    Args:
        name: the name.
        among: how many entries the listing has.
    """
    return _is_cut(name, mean_entries(among))


def mean_entries(entries: int) -> int:
    """Return how many entries a part has on average.

    Args:
        entries: how many the listing has. Two listings for which this is the same are cut after the
            same names.
    """
    return max(_FEWEST_MEAN_ENTRIES, 1 << entries.bit_length() // 2)


def _is_cut(name: bytes, mean: int) -> bool:
    return crc32(name) % mean == 0


def decode(parts: Iterable[Buffer]) -> list[Entry]:
    """Read a directory's listing.

    Args:
        parts: the bytes of its parts, in order.

    Returns:
        The entries, sorted by name.

    Raises:
        DamagedError: a part cannot be read, is of a later format, has a name that could lead out of
            its directory, or the same name twice.
    """
    entries: list[Entry] = []
    for data in parts:
        entries += decode_part(data, after=entries[-1].name if entries else b"")
    return entries


def read(subtree: Iterable[bytes], load: Callable[[bytes], Buffer]) -> Iterator[Entry]:
    """Read a directory's listing of which no more than one part is in memory.

    Args:
        subtree: the blobs of its parts, in order.
        load: returns a blob.

    Yields:
        The entries, sorted by name.

    Raises:
        DamagedError: as for `decode`.
    """
    after = b""
    for blob in subtree:
        part = decode_part(load(blob), after=after)
        if part:
            after = part[-1].name
        yield from part


def decode_part(data: Buffer, *, after: bytes) -> list[Entry]:
    """Read one part of a directory's listing.

    Args:
        data: its bytes.
        after: the last name of the part before; empty for the first one.

    Returns:
        The entries, sorted by name.

    Raises:
        DamagedError: as for `decode`.
    """
    try:
        part = _decoder.decode(data)
    except NOT_SOUND as error:
        raise DamagedError(f"A directory listing cannot be read: {error}.") from error
    if part.format != FORMAT:
        raise DamagedError(
            f"A directory listing has format {part.format}, which this ocsnap does not know.",
            hint="Use a newer ocsnap.",
        )
    names = [entry.name for entry in part.entries]
    together = b"".join(names)
    if b"/" in together or b"\0" in together or not _ILLEGAL_NAMES.isdisjoint(names):
        illegal = next(name for name in names if _is_illegal(name))
        raise DamagedError(f"A directory listing has the illegal name {illegal!r}.")
    earlier = [after, *names]
    if not all(map(lt, earlier, names)):
        late = next(name for before, name in zip(earlier, names, strict=False) if before >= name)
        raise DamagedError(f"A directory listing has {late!r} in the wrong place.")
    return part.entries


def _is_illegal(name: bytes) -> bool:
    return name in _ILLEGAL_NAMES or b"/" in name or b"\0" in name
