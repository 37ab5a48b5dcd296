"""`tar | zstd -3 -T2 | gpg` into a file on this disk: what any encrypted backup has to do.

It ends when the file is on the disk, as each pack of a local repository is before it counts.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benchmarks.programs.program import Command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.programs.program import Place

_PIPE = (
    'set -o pipefail; tar c -C "$1" . | zstd -q -3 -T2 | gpg --homedir "$2" --batch --yes'
    ' --pinentry-mode loopback --passphrase-file "$3" --s2k-count 1024 --compress-algo none'
    ' --symmetric --output "$4" && sync "$4"'
)


class Tar:
    """tar, zstd and gpg in a pipe; only a first backup."""

    def __init__(self, place: Place) -> None:
        """Work in a place."""
        self._place = place
        self._home = place.folder / "gnupg"
        self._passphrase = place.folder / "passphrase"

    @staticmethod
    def version() -> Command:
        """Return what tells the version."""
        return Command(("tar", "--version"))

    @property
    def repository(self) -> Path:
        """The file."""
        return self._place.folder / "tar.gpg"

    def prepare(self) -> list[Command]:
        """Write the passphrase."""
        self._home.mkdir(mode=0o700)
        self._passphrase.write_text(secrets.token_hex(32))
        return []

    def backup(self, number: int) -> Command | None:
        """Return the pipe; there is no second backup."""
        if number:
            return None
        arguments = (self._place.site.data_dir, self._home, self._passphrase, self.repository)
        return Command(("bash", "-c", _PIPE, "bash", *arguments))

    def restore(self, target: Path) -> Command | None:
        """Return nothing: it has only the first state of the tree."""
        del target

    def restored(self, target: Path) -> Path:
        """Return the folder itself."""
        return target

    def verify(self) -> Command | None:
        """Return nothing: it has only the first state of the tree."""
