"""ocsnap, into the S3 server or a folder, with the same work as the others have.

It freezes nothing and trusts no etags here: the others know nothing of either.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ocsnap
from benchmarks.programs.program import Command
from tests.servers.ocsnap_settings import toml, usual_settings

if TYPE_CHECKING:
    from benchmarks.programs.program import Place


class Ocsnap:
    """ocsnap with its defaults."""

    def __init__(self, place: Place) -> None:
        """Work in a place."""
        self._place = place
        self._config = place.folder / "ocsnap.toml"

    @staticmethod
    def version() -> Command:
        """Return what tells the version."""
        return Command((sys.executable, "-m", "ocsnap", "--version"))

    @property
    def repository(self) -> Path:
        """The bucket."""
        return self._place.bucket_folder

    def prepare(self) -> list[Command]:
        """Write the configuration; the first backup makes the repository.

        Returns:
            What compiles the modules, as pip does with what it installs.
        """
        place = self._place
        settings = usual_settings(place.folder, place.site)
        settings["repository"] = self._storage()
        settings["scan"] = {"trust_etags": "never"}
        self._config.touch(mode=0o600)
        self._config.write_text(toml(settings))
        return [Command((sys.executable, "-m", "compileall", "-q", Path(ocsnap.__file__).parent))]

    def _storage(self) -> dict[str, object]:
        place = self._place
        return place.store.settings(place.bucket, "ocsnap", place.folder)

    def backup(self, number: int) -> Command:
        """Return what makes a backup."""
        del number
        return self._command("backup", "--no-maintenance")

    def restore(self, target: Path) -> Command:
        """Return what restores the files of the latest backup."""
        return self._command("restore", "--data", "--yes", "--target", target)

    def restored(self, target: Path) -> Path:
        """Return the folder."""
        return target / "data"

    def verify(self) -> Command:
        """Return what reads all data."""
        return self._command("verify", "--read-data")

    def _command(self, *words: str | Path) -> Command:
        program = (sys.executable, "-m", "ocsnap", "-c", self._config)
        return Command((*program, *words), {"HOME": str(self._place.folder)})


class LocalOcsnap(Ocsnap):
    """ocsnap into a folder on this disk, as tar and borg."""

    @property
    def repository(self) -> Path:
        """The folder."""
        return self._place.folder / "repository"

    def _storage(self) -> dict[str, object]:
        return {"url": f"file://{self.repository}"}
