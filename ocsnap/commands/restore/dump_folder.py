"""A dump that was restored into a folder, as the loaders want it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocsnap.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES: Final = MIB


class DumpFolder:
    """Reads the streams of a dump from files of their names."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all streams.

        A link is none: no dump has any, and one that somebody else wrote could lead to any file.
        """
        names = []
        for folder, _, files in os.walk(self._folder):
            for name in files:
                path = Path(folder, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    names.append(path.relative_to(self._folder).as_posix())
        return sorted(names)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return the bytes of a stream."""
        with (self._folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
