"""restic, into the S3 server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benchmarks.programs.program import Command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.programs.program import Place


class Restic:
    """restic with its defaults."""

    def __init__(self, place: Place) -> None:
        """Work in a place."""
        self._place = place
        password = place.folder / "password"
        self._environment = {
            **place.s3_environment(),
            "RESTIC_REPOSITORY": f"s3:{place.store.endpoint}/{place.bucket}/restic",
            "RESTIC_PASSWORD_FILE": str(password),
            "RESTIC_CACHE_DIR": str(place.folder / "cache"),
        }

    @staticmethod
    def version() -> Command:
        """Return what tells the version."""
        return Command(("restic", "version"))

    @property
    def repository(self) -> Path:
        """The bucket."""
        return self._place.bucket_folder

    def prepare(self) -> list[Command]:
        """Return what makes the repository."""
        (self._place.folder / "password").write_text(secrets.token_hex(32))
        return [self._command("init")]

    def backup(self, number: int) -> Command:
        """Return what makes a backup."""
        del number
        return self._command("backup", "--quiet", self._place.site.data_dir)

    def restore(self, target: Path) -> Command:
        """Return what restores the latest backup."""
        return self._command("restore", "latest", "--target", target)

    def restored(self, target: Path) -> Path:
        """Return the folder: whole paths are restored below the target."""
        return target / self._place.site.data_dir.relative_to("/")

    def verify(self) -> Command:
        """Return what reads all data."""
        return self._command("check", "--read-data")

    def _command(self, *words: str | Path) -> Command:
        return Command(("restic", *words), self._environment)
