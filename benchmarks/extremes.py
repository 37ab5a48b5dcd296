"""What few homes have and all may have: a million names in one folder, files above 5 GiB.

S3 takes no more than 5 GiB in one request, which no object of ocsnap's comes near; the files are
here for counters and offsets. Each case is backed up, again with nothing to do, and restored
elsewhere, and compared; time and memory are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.process_tree import run
from tests.servers.ocsnap_settings import toml, usual_settings
from tests.servers.owncloud_site import make_site

if TYPE_CHECKING:
    from collections.abc import Callable

_GIB: Final = 1 << 30
_LARGE_BYTES: Final = 5 * _GIB + 12_345
_PIECE_BYTES: Final = 1 << 20


def many_names(folder: Path, entries: int) -> Callable[[Path], str]:
    """Fill one folder with empty files; return what compares a copy with it."""
    for number in range(entries):
        (folder / f"{number * 7919 % entries:07}.txt").touch()

    def compare(copy: Path) -> str:
        ours, theirs = set(os.listdir(folder)), set(os.listdir(copy))  # noqa: PTH208 - only names
        return "" if ours == theirs else f"{len(ours ^ theirs)} names differ"

    return compare


def sparse_file(folder: Path) -> Callable[[Path], str]:
    """Make a file above 5 GiB that is mostly holes; return what compares a copy with it."""
    path = folder / "sparse"
    with path.open("wb") as file:
        for place in (0, 3 * _GIB, _LARGE_BYTES - 1000):
            file.seek(place)
            file.write(os.urandom(1000))

    def compare(copy: Path) -> str:
        restored = copy / "sparse"
        if _digest(path) != _digest(restored):
            return "another content"
        held_bytes = restored.stat().st_blocks * 512
        return "" if held_bytes < 1 << 20 else f"{held_bytes} bytes on the disk: no holes"

    return compare


def dense_file(folder: Path) -> Callable[[Path], str]:
    """Make a file above 5 GiB without a hole; return what compares a copy with it."""
    path = folder / "dense"
    block = os.urandom(_PIECE_BYTES - 8)
    with path.open("wb") as file:
        for number in range(_LARGE_BYTES // _PIECE_BYTES + 1):
            file.write(number.to_bytes(8, "big") + block)

    def compare(copy: Path) -> str:
        return "" if _digest(path) == _digest(copy / "dense") else "another content"

    return compare


def main() -> None:
    """Try each case in a new ownCloud."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    cases: dict[str, Callable[[Path], Callable[[Path], str]]] = {
        f"{options.entries:,} names in one folder": lambda at: many_names(at, options.entries),
        "a file of 5 GiB, mostly holes": sparse_file,
        "a file of 5 GiB": dense_file,
    }
    for title, make in cases.items():
        work = Path(tempfile.mkdtemp(prefix="ocsnap-extremes-", dir=options.folder))
        try:
            _try(title, make, work)
        finally:
            shutil.rmtree(work)


def _try(title: str, make: Callable[[Path], Callable[[Path], str]], work: Path) -> None:
    site = make_site(
        work / "oc", users=("u0",), files_per_user=1, large_bytes=1, data_dir=work / "data"
    )
    folder = site.homes["u0"] / "files" / "extreme"
    folder.mkdir()
    compare = make(folder)
    settings = usual_settings(work, site)
    settings["scan"] = {"trust_etags": "never"}
    config = work / "ocsnap.toml"
    config.touch(mode=0o600)
    config.write_text(toml(settings))
    ocsnap = (sys.executable, "-m", "ocsnap", "-c", config)
    target = work / "target"
    for step, words in {
        "first backup": ("backup", "--no-maintenance"),
        "no change": ("backup", "--no-maintenance"),
        "restore": ("restore", "--data", "--yes", "--target", target),
    }.items():
        ran = run((*ocsnap, *words))
        print(f"{title}: {step} {ran.seconds:.1f} s, {ran.peak_bytes >> 20} MiB", flush=True)
    if difference := compare(target / "data" / "u0" / "files" / "extreme"):
        sys.exit(f"{title}: {difference}")
    print(f"{title}: came back equal", flush=True)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


if __name__ == "__main__":
    main()
