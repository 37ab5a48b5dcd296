"""Packs on their way: noted before they are sent, so that what arrived is known after a crash.

Between the moment at which the storage has a pack and the one at which the cache knows it the
process may die. Without a note nobody would find that pack, and its content would be sent again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ocsnap.errors import LocalIOError, ObjectMissingError
from ocsnap.repository.index import IndexedPack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocsnap.storage.storage import Storage


class Sending:
    """A folder with a note for each pack on its way; may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        """Use a folder.

        Args:
            folder: made when the first note is written.
        """
        self._folder = folder

    def begin(self, pack: IndexedPack) -> None:
        """Note a pack that will be sent now.

        Raises:
            LocalIOError: the note cannot be written.
        """
        path = self._path(pack)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(msgspec.msgpack.encode(pack))
        except OSError as error:
            raise LocalIOError(
                f"{path}: cannot be written: {error.strerror}.",
                hint="Make room there, or move backup.state_dir.",
            ) from error

    def end(self, pack: IndexedPack) -> None:
        """Take the note away: the cache knows the pack by now."""
        self._path(pack).unlink(missing_ok=True)

    def arrived(self, storage: Storage) -> Iterator[IndexedPack]:
        """Find the packs of a process that died which did reach the storage.

        Args:
            storage: where they were sent to.

        Yields:
            Each pack; its note is gone when the next one is asked for.

        Raises:
            StorageError: the storage cannot be asked.
            LocalIOError: a note cannot be read.
        """
        try:
            notes = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            for path in notes:
                pack = _read(path.read_bytes())
                if pack is not None:
                    with suppress(ObjectMissingError):
                        info = storage.stat(pack.name)
                        if info.size_bytes == pack.size_bytes:
                            md5 = bytes.fromhex(info.md5 or "")
                            yield msgspec.structs.replace(pack, md5=md5)
                path.unlink(missing_ok=True)
        except OSError as error:
            raise LocalIOError(f"{self._folder}: cannot be read: {error.strerror}.") from error

    def _path(self, pack: IndexedPack) -> Path:
        return self._folder / pack.pack.hex()


def _read(note: bytes) -> IndexedPack | None:
    """Return what a note says; None where the process died while it wrote it."""
    try:
        return msgspec.msgpack.decode(note, type=IndexedPack)
    except msgspec.DecodeError:
        return None
