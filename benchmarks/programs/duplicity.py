"""duplicity, into the S3 server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benchmarks.programs.program import Command

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.programs.program import Place


class Duplicity:
    """duplicity with its defaults."""

    def __init__(self, place: Place) -> None:
        """Work in a place."""
        self._place = place
        self._url = f"boto3+s3://{place.bucket}/duplicity"
        self._environment = {
            **place.s3_environment(),
            "PASSPHRASE": secrets.token_hex(32),
            "GNUPGHOME": str(place.folder / "gnupg"),
        }
        self._options: tuple[str | Path, ...] = (
            "--s3-endpoint-url",
            place.store.endpoint,
            "--s3-region-name",
            place.store.region,
            "--archive-dir",
            place.folder / "archive",
            "--tempdir",
            place.folder,
        )

    @staticmethod
    def version() -> Command:
        """Return what tells the version."""
        return Command(("duplicity", "--version"))

    @property
    def repository(self) -> Path:
        """The bucket."""
        return self._place.bucket_folder

    def prepare(self) -> list[Command]:
        """Make the folder of the keys."""
        (self._place.folder / "gnupg").mkdir(mode=0o700)
        return []

    def backup(self, number: int) -> Command:
        """Return what makes a backup."""
        kind = "incr" if number else "full"
        return self._command(kind, self._place.site.data_dir, self._url)

    def restore(self, target: Path) -> Command:
        """Return what restores the latest backup."""
        return self._command("restore", self._url, self.restored(target))

    def restored(self, target: Path) -> Path:
        """Return the folder, which must not be there before."""
        return target / "data"

    def verify(self) -> Command:
        """Return what reads all data, and the files, and compares them."""
        return self._command("verify", "--compare-data", self._url, self._place.site.data_dir)

    def _command(self, action: str, *words: str | Path) -> Command:
        return Command(("duplicity", action, *self._options, *words), self._environment)
