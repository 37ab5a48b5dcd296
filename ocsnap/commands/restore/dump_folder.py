"""A dump that was restored into a folder, as the loaders want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES: Final = MIB


class DumpFolder:
    """Reads the streams of a dump from files of their names."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all streams."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._folder).as_posix() for path in files)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return the bytes of a stream."""
        with (self._folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
