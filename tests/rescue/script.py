"""Runs the rescue script as it is found in a bucket, on a machine without ocsnap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "ocsnap" / "repository" / "rescue" / "ocsnap-rescue.py"


@dataclass(frozen=True)
class Told:
    """What a run left behind.

    Attributes:
        status: its exit status.
        out: what it printed.
    """

    status: int
    out: str

    def lines(self, start: str) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith(start)]


@dataclass(frozen=True)
class Machine:
    """A machine with the script, Python, gpg and zstd, and nothing else.

    Attributes:
        folder: holds the script.
        gpg_home: GnuPG's folder.
        passphrase_file: the passphrase; None where gpg has a secret key.
    """

    folder: Path
    gpg_home: Path
    passphrase_file: Path | None = None

    def run(self, command: str, *arguments: str | Path, stdin: str = "") -> Told:
        copy = self.folder / SCRIPT.name
        if not copy.exists():
            shutil.copy(SCRIPT, copy)
        options: list[str | Path] = ["--gpg-home", self.gpg_home]
        if self.passphrase_file is not None:
            options += ["--passphrase-file", self.passphrase_file]
        # -I and -S: nothing of ocsnap or of any other package can be imported.
        done = subprocess.run(
            [sys.executable, "-I", "-S", copy, command, *arguments, *options],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Told(done.returncode, done.stdout)
