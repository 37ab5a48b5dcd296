"""BorgBackup, into a folder on this disk: it knows no S3."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benchmarks.programs.program import Command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.programs.program import Place


class Borg:
    """borg with its defaults, but for zstd in place of lz4."""

    def __init__(self, place: Place) -> None:
        """Work in a place."""
        self._place = place
        self._environment = {
            "HOME": str(place.folder),
            "BORG_BASE_DIR": str(place.folder / "base"),
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": secrets.token_hex(32),
        }

    @staticmethod
    def version() -> Command:
        """Return what tells the version."""
        return Command(("borg", "--version"))

    @property
    def repository(self) -> Path:
        """The folder."""
        return self._place.folder / "repository"

    def prepare(self) -> list[Command]:
        """Return what makes the repository."""
        return [self._command("init", "--encryption", "repokey-blake2")]

    def backup(self, number: int) -> Command:
        """Return what makes a backup."""
        data_dir = self._place.site.data_dir
        return self._command("create", "--compression", "zstd,3", f"::backup-{number}", data_dir)

    def restore(self, target: Path) -> Command:
        """Return what restores the latest backup."""
        return self._command("extract", "::backup-3", folder=target)

    def restored(self, target: Path) -> Path:
        """Return the folder: whole paths are restored below the target."""
        return target / self._place.site.data_dir.relative_to("/")

    def verify(self) -> Command:
        """Return what reads all data."""
        return self._command("check", "--verify-data")

    def _command(self, *words: str | Path, folder: Path | None = None) -> Command:
        return Command(("borg", *words), self._environment, folder)
