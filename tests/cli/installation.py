"""An ownCloud with an ocsnap beside it, driven as an admin drives it: by its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.ocsnap_settings import toml, usual_settings
from tests.servers.owncloud_site import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.ocsnap_settings import Settings
    from tests.servers.owncloud_site import Site

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_SECONDS = 90


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        status: its exit status.
        out: its standard output.
        err: its standard error.
    """

    status: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 # whatever the document holds
        """Return standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


@dataclass
class Installation:
    """One ownCloud, one configuration of ocsnap.

    Attributes:
        folder: all that belongs to it.
        site: the ownCloud.
        settings: the configuration file's tables.
        environment: the environment that ocsnap gets.
    """

    folder: Path
    site: Site
    settings: Settings
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "ocsnap.toml"

    @property
    def state_dir(self) -> Path:
        return Path(str(self.settings["backup"]["state_dir"]))

    @property
    def repository(self) -> Path:
        return Path(str(self.settings["repository"]["url"]).removeprefix("file://"))

    def set(self, section: str, **values: object) -> None:
        """Change settings; None takes one away."""
        table = self.settings.setdefault(section, {})
        table.update(values)
        self.settings[section] = {key: value for key, value in table.items() if value is not None}

    def command(self, *arguments: str | Path) -> list[str]:
        """Write the configuration; return the command line that uses it."""
        self.config.touch(mode=0o600)
        self.config.write_text(toml(self.settings))
        return [sys.executable, "-m", "ocsnap", "-c", str(self.config), *map(str, arguments)]

    def run(self, *arguments: str | Path, stdin: str = "") -> Result:
        """Run ocsnap to its end, without a terminal."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 # whatever the document holds
        """Run ocsnap with --json; it must succeed."""
        result = self.run("--json", *arguments)
        assert result.status == 0, result
        return result.json()

    @contextmanager
    def started(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Start ocsnap; it is ended, if it still runs, at the end of the block."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()


def install(folder: Path, **site: Any) -> Installation:  # noqa: ANN401 # make_site knows them
    """Make a small ownCloud with SQLite, its data directory elsewhere, and a folder for backups."""
    folder.mkdir(exist_ok=True)
    usual = {"files_per_user": 12, "large_bytes": 1_500_000, "data_dir": folder / "disk" / "data"}
    made = make_site(folder / "oc", **(usual | site))
    # No web server is asked, so there is no opcode cache to wait for.
    settings = {**usual_settings(folder, made), "maintenance": {"settle_seconds": 0}}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return Installation(folder, made, settings, environment)
