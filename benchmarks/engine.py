"""The engine alone beside `tar | zstd -3 -T2 | gpg`, into a local folder, in turns.

A tree of 20,000 files and 2.3 GB, half of it incompressible, with one file of 256 MiB. Prints the
median of each, and ocsnap's as a multiple of tar's: these machines are noisy, only ratios count.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = 4000
LARGE_BYTES = 256 << 20
TEXT_BYTES = 64 << 20
"""More than zstd's window looks back: no file finds itself in an earlier one."""

ARCHIVE = """
import os, random, sys, time
from pathlib import Path
from ocsnap.cli.allocator import bound_memory
from ocsnap.clock import SystemClock
from ocsnap.crypto.gpg import Gpg, private_home
from ocsnap.monitor import SilentMonitor
from ocsnap.repository.repository import create_repository, open_repository
from ocsnap.repository.snapshot import OwncloudRecord, RootKind, Snapshot
from ocsnap.snapshot.archiver import Archiver, Source
from ocsnap.snapshot.exclusion import Exclusion
from ocsnap.storage.local import LocalStorage
bound_memory()
tree, state, place, passphrase = sys.argv[1:]
began = time.time()
monitor = SilentMonitor()
storage = LocalStorage(Path(place))
home = private_home(Path(state))
cipher = Gpg(home=home, environment=os.environ, passphrase=passphrase)
create_repository(storage, cipher, repository=f"{random.getrandbits(128):032x}", now=began)
repository = open_repository(storage, cipher, state_dir=Path(state))
repository.synchronise(monitor)
before = repository.snapshots(monitor)
archiver = Archiver(repository, clock=SystemClock(), monitor=monitor)
source = Source(RootKind.DATA, "data", os.fsencode(tree), Exclusion([]))
archived = archiver.archive(source, before[-1].snapshot.roots[0] if before else None)
repository.flush()
record = OwncloudRecord(version="", root="", data_dir="", table_prefix="", database_kind="",
                        database_name="", maintenance=False)
repository.commit(Snapshot(repository=repository.id, started=began, finished=time.time(), host="",
                           program="", parent=None, owncloud=record, roots=[archived.root]))
repository.close()
"""

TAR = (
    'tar c -C "$1" . | zstd -q -3 -T2 | gpg --homedir "$2" --batch --yes --pinentry-mode loopback'
    ' --passphrase-file "$3" --s2k-count 1024 --compress-algo none -c -o "$4"'
)


def main() -> None:
    """Make the tree and run both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ocsnap-bench-", dir=options.folder))
    try:
        make_tree(folder / "tree", options.files)
        run(folder, options.rounds)
    finally:
        shutil.rmtree(folder)


def make_tree(tree: Path, files: int, seed: int = 7) -> None:
    """Write the tree: the same seed makes the same sizes and the same text."""
    rng = random.Random(seed)
    words = [f"{rng.getrandbits(24):06x}" for _ in range(WORDS)]
    text = " ".join(rng.choices(words, k=TEXT_BYTES // 7)).encode()
    for number in range(files):
        folder = tree / f"u{number % 4}" / "files" / f"{number // 400:03}"
        folder.mkdir(parents=True, exist_ok=True)
        size = int(min(rng.lognormvariate(10.6, 1.4), 4e6))
        start = rng.randrange(TEXT_BYTES - size - 7)
        content = rng.randbytes(size) if number % 2 else text[start : start + size]
        (folder / f"{number}.bin").write_bytes(content)
    with (tree / "u0" / "files" / "large.bin").open("wb") as file:
        for _ in range(8):
            file.write(rng.randbytes(LARGE_BYTES // 16))
            file.write(text[: LARGE_BYTES // 16])


def run(folder: Path, rounds: int) -> None:
    """Print the medians of both."""
    passphrase = secrets.token_hex(32)
    key = folder / "passphrase"
    key.write_text(passphrase)
    tree, home = folder / "tree", folder / "gnupg"
    home.mkdir(mode=0o700)
    seconds: dict[str, list[float]] = {"tar": [], "first": [], "no change": []}
    for _ in range(rounds):
        command = ["sh", "-c", TAR, "sh", tree, home, key, folder / "tar.gpg"]
        seconds["tar"].append(timed(command))
        state, place = folder / "state", folder / "repository"
        for step in ("first", "no change"):
            arguments = [str(tree), str(state), str(place), passphrase]
            seconds[step].append(timed([sys.executable, "-c", ARCHIVE, *arguments]))
        stored = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        shutil.rmtree(state)
        shutil.rmtree(place)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"tar | zstd | gpg       {medians['tar']:6.2f} s  {_megabytes(folder / 'tar.gpg')} MB")
    ratio = medians["first"] / medians["tar"]
    print(f"ocsnap, first backup   {medians['first']:6.2f} s  {stored / 1e6:.0f} MB  {ratio:.2f} x")
    print(f"ocsnap, no change      {medians['no change']:6.2f} s")
    print("all rounds:", {name: [round(v, 2) for v in values] for name, values in seconds.items()})


def timed(command: list[str | Path]) -> float:
    """Run a command and return its seconds; a failure ends the benchmark."""
    began = time.monotonic()
    subprocess.run(command, check=True, env=dict(os.environ))
    return time.monotonic() - began


def _megabytes(path: Path) -> int:
    return path.stat().st_size // 1_000_000


if __name__ == "__main__":
    main()
