"""ocsnap beside tar, restic, duplicity and borg: the same tree, the same S3 server, in turns.

A tree of 20,000 files and 2.4 GB, half of it incompressible, one file of 256 MiB. Each round gives
every program a new repository; then the tree changes step by step, and after each step all of them
run, in another order each round. Prints medians and goals, and writes them as text and as a
picture. `--small` for a quick look, `--cold` to drop the page cache before each run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks import page_cache
from benchmarks.figures import Figures, Goal, goals_table, medians_table, save
from benchmarks.process_tree import run
from benchmarks.programs.borg import Borg
from benchmarks.programs.duplicity import Duplicity
from benchmarks.programs.ocsnap import LocalOcsnap, Ocsnap
from benchmarks.programs.program import Command, Place
from benchmarks.programs.restic import Restic
from benchmarks.programs.tar import Tar
from benchmarks.tree import USERS, Tree
from tests.servers.owncloud_site import make_site
from tests.servers.s3 import running_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.process_tree import Run
    from benchmarks.programs.program import Program
    from tests.servers.owncloud_site import Site
    from tests.servers.s3 import S3Server

PROGRAMS: Final[dict[str, Callable[[Place], Program]]] = {
    "tar|zstd|gpg": Tar,
    "ocsnap": Ocsnap,
    "ocsnap, local": LocalOcsnap,
    "restic": Restic,
    "borg": Borg,
    "duplicity": Duplicity,
}
FIRST: Final = "first backup, s"
NONE: Final = "no change, s"
FILES: Final = "1 % of files changed, s"
FILES_MB: Final = "  added, MB"
LARGE_FILE: Final = "20 edits in 256 MiB, s"
LARGE_FILE_MB: Final = "  of them added, MB"
RESTORE: Final = "restore all, s"
VERIFY: Final = "verify, all data read, s"
STORED: Final = "stored after the first, MB"
MEMORY: Final = "peak memory, MiB"

GOALS: Final = (
    Goal("first backup, local", FIRST, "ocsnap, local", 1.3, "tar|zstd|gpg"),
    Goal("first backup", FIRST, "ocsnap", 1.2, "tar|zstd|gpg"),
    Goal("first backup", FIRST, "ocsnap", 0.5, "restic"),
    Goal("no change", NONE, "ocsnap", 0.4, "restic"),
    Goal("1 % of files changed", FILES, "ocsnap", 0.6, "restic"),
    Goal("  added, MB", FILES_MB, "ocsnap", 4.0),
    Goal("20 edits in 256 MiB", LARGE_FILE, "ocsnap", 1.0, "restic"),
    Goal("  added, MB", LARGE_FILE_MB, "ocsnap", 0.5),
    Goal("restore all", RESTORE, "ocsnap", 0.7, "restic"),
    Goal("verify, all data read", VERIFY, "ocsnap", 1.0, "restic"),
    Goal("stored after the first", STORED, "ocsnap", 1.0, "restic"),
    Goal("peak memory, MiB", MEMORY, "ocsnap", 256.0),
)
_NO_CHANGE_TURNS: Final = 5
"""A second more or less of a disk that others use would decide over runs that take less."""

# What ownCloud makes again by itself is in no backup of ocsnap's.
_LEFT_OUT: Final = ("/owncloud.log", "/owncloud.db", "/*/cache", "/*/uploads", "*.part")


@dataclass
class _Contest:
    """All programs on one tree.

    Attributes:
        folder: where everything lies.
        site: the ownCloud.
        tree: its data directory.
        store: the S3 server.
        names: who takes part.
        cold: drop the page cache before each run.
        figures: what came of it.
    """

    folder: Path
    site: Site
    tree: Tree
    store: S3Server
    names: Sequence[str]
    cold: bool
    figures: Figures = field(default_factory=Figures)
    say: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def round(self, number: int) -> None:
        """Let every program do everything once, with new repositories."""
        start = number % len(self.names)
        order = [*self.names[start:], *self.names[:start]]
        programs = {name: self._program(name, number) for name in order}
        self._backups(programs, 0, FIRST)
        for name, program in programs.items():
            self.figures.add(STORED, name, _stored_bytes(program) / 1e6)
        for _ in range(_NO_CHANGE_TURNS):
            self._backups(programs, 1, NONE)
        self.say.print(self.tree.change_files(number))
        self._backups(programs, 2, FILES, added=FILES_MB)
        self.say.print(self.tree.edit_large(number))
        self._backups(programs, 3, LARGE_FILE, added=LARGE_FILE_MB)
        for name, program in programs.items():
            self._restore(name, program, check=number == 0)
        for name, program in programs.items():
            self._measure(VERIFY, name, program.verify())
        for name in programs:
            shutil.rmtree(self._place_folder(name, number))
        shutil.rmtree(self.store.data, ignore_errors=True)
        self.store.data.mkdir(exist_ok=True)

    def _place_folder(self, name: str, number: int) -> Path:
        return self.folder / f"{re.sub('[^a-z]+', '-', name)}-{number}"

    def _program(self, name: str, number: int) -> Program:
        folder = self._place_folder(name, number)
        folder.mkdir()
        place = Place(self.site, self.store, self.store.new_bucket(), folder)
        program = PROGRAMS[name](place)
        for command in program.prepare():
            _run(command)
        return program

    def _backups(
        self, programs: dict[str, Program], number: int, row: str, *, added: str = ""
    ) -> None:
        for name, program in programs.items():
            before = _stored_bytes(program)
            if self._measure(row, name, program.backup(number)) and added:
                self.figures.add(added, name, (_stored_bytes(program) - before) / 1e6)

    def _restore(self, name: str, program: Program, *, check: bool) -> None:
        target = self.folder / "restored"
        target.mkdir()
        if self._measure(RESTORE, name, program.restore(target)) and check:
            _refuse_differences(name, self.site.data_dir, program.restored(target))
        shutil.rmtree(target)

    def _measure(self, row: str, name: str, command: Command | None) -> bool:
        if command is None:
            return False
        os.sync()
        if self.cold:
            page_cache.drop(self.folder)
        ran = _run(command)
        self.figures.add(row, name, ran.seconds)
        highest = self.figures.values.setdefault(MEMORY, {}).setdefault(name, [0.0])
        highest[0] = max(highest[0], ran.peak_bytes / (1 << 20))
        self.say.print(f"{row:<28}{name:<14}{ran.seconds:7.2f} s  {ran.peak_bytes >> 20} MiB")
        return True


def main() -> None:
    """Parse the size, run, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--large-mib", type=int, default=256)
    parser.add_argument("--times", type=int, default=1, help="every other file so often larger")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", nargs="*", default=list(PROGRAMS), choices=list(PROGRAMS))
    parser.add_argument("--cold", action="store_true", help="drop the page cache before each run")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"))
    options = parser.parse_args()
    names = [name for name in options.programs if _is_installed(name)]
    folder = Path(tempfile.mkdtemp(prefix="ocsnap-bench-", dir=options.folder))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        (folder / "s3").mkdir()
        store = stack.enter_context(running_s3(folder / "s3"))
        site = make_site(
            folder / "oc", users=USERS, files_per_user=1, large_bytes=1, data_dir=folder / "data"
        )
        tree = Tree(
            site.data_dir,
            files=options.files,
            times=options.times,
            large_bytes=options.large_mib << 20,
        )
        tree.make()
        contest = _Contest(folder, site, tree, store, names, options.cold)
        for number in range(options.rounds):
            contest.round(number)
        size = f"{options.files} files, {_tree_bytes(site.data_dir) / 1e9:.2f} GB"
    _show(contest.figures, f"{size}, {options.rounds} rounds: medians", options.out)


def _show(figures: Figures, title: str, out: Path) -> None:
    console = Console(record=True, width=100)
    for table in (medians_table(title, figures, PROGRAMS), goals_table(figures, GOALS)):
        console.print(table)
    console.print("; ".join(_versions(figures)))
    save(console, out, "compare", title="ocsnap beside others")


def _versions(figures: Figures) -> list[str]:
    taken = [name for name in PROGRAMS if any(name in row for row in figures.values.values())]
    return [_run(PROGRAMS[name].version()).output.splitlines()[0] for name in taken]  # type: ignore[attr-defined]


def _is_installed(name: str) -> bool:
    program = "tar" if name.startswith("tar") else name
    found = name.startswith("ocsnap") or shutil.which(program) is not None
    if not found:
        print(f"{name} is not installed: it takes no part.", file=sys.stderr)
    return found


def _run(command: Command) -> Run:
    return run(command.words, environment=command.environment, folder=command.folder)


def _stored_bytes(program: Program) -> int:
    place = program.repository
    return place.stat().st_size if place.is_file() else _tree_bytes(place)


def _tree_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _refuse_differences(name: str, original: Path, copy: Path) -> None:
    command = ["rsync", "-rlnc", "--itemize-changes", f"{original}/", f"{copy}/"]
    command[3:3] = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    if different := [line for line in ended.stdout.splitlines() if line.startswith(">f")]:
        sys.exit(f"{name} restored something else:\n" + "\n".join(different[:20]))


if __name__ == "__main__":
    main()
