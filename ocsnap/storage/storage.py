"""What every storage promises, whatever it is made of.

The promises are those that the repository's safety rests on; `tests/storage/test_contract.py`
holds every implementation and every decorator to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Buffer: TypeAlias = bytes | bytearray | memoryview
"""The bytes of an object; read only, and never kept after the call that they came with."""

Room: TypeAlias = "Callable[[int], memoryview]"
"""Gives so many bytes of memory to write to, and takes back what it gave before."""

LIST_PAGE_OBJECTS = 1000
"""Most objects that S3 tells of in one answer (S3 API Reference, ListObjectsV2, MaxKeys)."""

DELETE_BATCH_OBJECTS = 1000
"""Most objects that S3 removes in one request (S3 API Reference, DeleteObjects)."""


LONGEST_OBJECT_BYTES = 256 * MIB
"""Several times what any object of ocsnap's has: a store that sends more fills no memory here."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a storage tells of an object without sending it.

    Attributes:
        name: its name.
        size_bytes: its size; bytes.
        md5: MD5 of its bytes, lower hex; None where the storage does not tell.
        sha256: SHA-256 of its bytes, lower hex; None where the storage does not tell.
        modified: when it was put, by the storage's own clock; seconds since the epoch. `list` and
            `stat` tell it; S3 in whole seconds.
        storage_class: what kind of place it lies in, which decides on its price. Only `list` of
            S3 tells it.
    """

    name: str
    size_bytes: int
    md5: str | None
    sha256: str | None
    modified: float | None = None
    storage_class: str | None = field(default=None, compare=False)


class Storage(Protocol):
    """A flat collection of named objects of up to about 64 MiB.

    Names are plain relative keys such as `packs/ab/cd.gpg`; what is plain is decided in `name.py`,
    and a name that is not raises ValueError before anything is sent. No object's name is the
    folder of another's.

    All methods may be called from several threads at once. What one method says holds as soon as
    it returned, for every thread and every other user of the storage: an object that was put can
    be read, is listed, and outlives a power cut; one that was deleted is gone.

    Errors are `StorageError` and its subclasses, besides `NoRepositoryError` for a bucket that
    does not exist: `TransientStorageError` where trying again may help, `AccessDeniedError` where
    the key is at fault. No method tries again by itself; the decorator `Retrying` does.
    """

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object, whole or not at all.

        When it raises, the object may be there (the answer was lost) or not, but never in part.
        Putting the same bytes under the same name again is fine. Other bytes replace the object,
        which no caller ever wants: names are made from content.

        Args:
            name: the object's name.
            data: its bytes.
            sha256: SHA-256 of `data`, lower hex, which the storage checks where it can.

        Returns:
            What the storage will tell of the object from now on.

        Raises:
            TransientStorageError: among others, the bytes arrived damaged; nothing was stored.
            StorageError: it could not be stored.
        """
        ...

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object, whole or not at all, only if there is none of that name.

        Args:
            name: the object's name.
            data: its bytes; something of the caller's own in them (a random id) lets a retry see
                whether it was itself who created the object.
            sha256: SHA-256 of `data`, lower hex.

        Raises:
            ObjectExistsError: there is one; it is left as it is.
            StorageError: it could not be stored.
        """
        ...

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes, or a part of them.

        Args:
            name: the object's name.
            offset: where to begin; bytes, 0 or more.
            length: how much to read; bytes, 0 or more; None: all that follows.

        Returns:
            What the slice `[offset:offset + length]` of the object would give: fewer bytes where
            the object ends before, and none where it ends before `offset`.

        Raises:
            ObjectMissingError: there is no object of that name.
            TransientStorageError: among others, the answer was cut short.
            StorageError: it could not be read, or is longer than `LONGEST_OBJECT_BYTES`.
        """
        ...

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's, which may have served others before.

        Args:
            name: the object's name.
            room: called with the object's size in bytes as soon as that is known; again where the
                object has to be asked for again.

        Returns:
            What `room` gave the last time, with the object's bytes in it.

        Raises:
            ObjectMissingError: there is no object of that name.
            TransientStorageError: among others, the answer was cut short.
            StorageError: it could not be read, or is longer than `LONGEST_OBJECT_BYTES`.
        """
        ...

    def stat(self, name: str) -> ObjectInfo:
        """Return what the storage tells of an object without sending it.

        Args:
            name: the object's name.

        Returns:
            Its size, and the checksums that the storage knows.

        Raises:
            ObjectMissingError: there is no object of that name.
            StorageError: it could not be asked.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find all objects whose names begin with `prefix`, in no particular order.

        Objects that are put or deleted while the listing runs may show or not. What is left of
        an unfinished put never shows, nor does what lies there under a name no object can have.

        Args:
            prefix: the beginning of the names, not necessarily a whole folder.

        Yields:
            Each object once, with the checksums that the listing tells.

        Raises:
            StorageError: the storage could not be asked; raised while iterating.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove an object; that there is none is fine.

        Args:
            name: the object's name.

        Raises:
            AccessDeniedError: among others, an object lock protects it.
            StorageError: it could not be removed.
        """
        ...

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects, in as few requests as the storage can; that some are none is fine.

        One that cannot be removed keeps none of the others: all are tried before anything is
        raised. Calling again with the same names goes on where it ended.

        Args:
            names: the objects' names.

        Raises:
            AccessDeniedError: some of them may not be removed.
            StorageError: some of them could not be removed.
        """
        ...

    def protect(self, name: str) -> None:
        """Lock an object anew, from now on, where objects are locked when they are put.

        A storage that cannot lock, or is not told to, does nothing. A lock is never shortened.

        Args:
            name: the object's name.

        Raises:
            ObjectMissingError: there is no object of that name.
            AccessDeniedError: the key may not lock.
            StorageError: it could not be locked.
        """
        ...

    def check(self) -> None:
        """Prove that the storage can be reached and read, and else say what is wrong.

        Only asks, never writes: a restore may have a key that can only read.

        Raises:
            AccessDeniedError: there is no key, the key or its secret is wrong, or it may not list.
            NoRepositoryError: the bucket, or the folder that holds the storage, does not exist.
            StorageError: the region is wrong, the endpoint does not answer or cannot prove who it
                is, or this machine's clock is wrong.
        """
        ...

    def close(self) -> None:
        """Let go of connections; the storage is not used after this."""
        ...


def placed(content: bytes, room: Room) -> memoryview:
    """Copy an object's bytes to where they are wanted; see `Storage.get_into`."""
    view = room(len(content))
    view[:] = content
    return view
