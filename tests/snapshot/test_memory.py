from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_KIB = 256 * 1024


def write(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1_000_000))


def test_300_megabytes_pass_through_256_mebibytes(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "large", 130)
    for number in range(50):
        write(folder / f"medium {number}", 3)
    for number in range(2000):
        (folder / f"small {number}").write_bytes(os.urandom(10_000))
    places = [str(tmp_path / name) for name in ("folder", "workshop", "repository", "target")]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.snapshot.peak", *places], capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    peaks = [int(line) for line in ended.stdout.split()]
    assert len(peaks) == 3
    assert peaks[-1] < MOST_KIB, f"backup, check, restore: {peaks} KiB"
