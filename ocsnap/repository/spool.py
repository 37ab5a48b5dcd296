"""The spool: encrypted packs that wait on the local disk until there is time to send them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

from ocsnap.config import make_private
from ocsnap.errors import LocalIOError
from ocsnap.units import MIB, size

if TYPE_CHECKING:
    from pathlib import Path

    from ocsnap.repository.blob import Buffer

KEPT_FREE_BYTES: Final = 256 * MIB
"""A disk that runs full would harm more than this backup: config.php itself may be cut short."""


_SPOOLED: Final = re.compile(r"[0-9a-f]{64}\.gpg")


def _is_spooled(name: str) -> bool:
    return _SPOOLED.fullmatch(name) is not None


class SpoolFullError(LocalIOError):
    """What changed does not fit into the spool."""


class Spool:
    """A folder of messages; may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        """Use a folder; what an earlier run left there is removed.

        Args:
            folder: made where it is not there.

        Raises:
            LocalIOError: it cannot be used, or is not ocsnap's own.
            ConfigError: another user could put something else in its place.
        """
        self._folder = folder
        make_private(folder, key="backup.spool_dir", is_ours=_is_spooled)
        try:
            for path in [*folder.iterdir()]:
                # Nothing else: somebody's own messages may end in .gpg as well.
                if _is_spooled(path.name):
                    path.unlink()
        except OSError as error:
            raise LocalIOError(
                f"backup.spool_dir: {folder} cannot be used: {error.strerror}.",
                hint="Name a folder that ocsnap can write.",
            ) from error

    def room_bytes(self) -> int:
        """Return how much fits: what is free, less what must stay free."""
        return max(shutil.disk_usage(self._folder).free - KEPT_FREE_BYTES, 0)

    def write(self, digest: str, message: Buffer) -> Path:
        """Keep a message.

        Args:
            digest: its SHA-256, in hexadecimal.
            message: the message.

        Returns:
            The file that holds it.

        Raises:
            SpoolFullError: it does not fit.
        """
        if self.room_bytes() < len(message):
            raise self._full("its disk is full")
        path = self._folder / f"{digest}.gpg"
        try:
            with path.open("xb") as file:
                file.write(message)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise self._full(error.strerror or str(error)) from error
        return path

    def _full(self, reason: str) -> SpoolFullError:
        room = size(self.room_bytes())
        return SpoolFullError(
            f"{self._folder} cannot take what changed ({room} of room): {reason}.",
            hint="Make room there, or set backup.spool_dir to a larger disk.",
        )
