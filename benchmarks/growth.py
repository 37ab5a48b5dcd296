"""How a backup with nothing to do grows with what there is: time, memory, notes on the disk.

Empty files will do: 20,000, 200,000 and 2,000,000 of them, four hundred in a folder. Prints a table
and draws the curve.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.curve import Series, drawn
from benchmarks.process_tree import run
from tests.servers.ocsnap_settings import toml, usual_settings
from tests.servers.owncloud_site import make_site

if TYPE_CHECKING:
    from benchmarks.process_tree import Run

USERS: Final = ("u0", "u1", "u2", "u3")
ROUNDS: Final = 3
_FILES_IN_FOLDER: Final = 400
_MOST_BYTES_PER_ENTRY: Final = 1024
_MOST_MIB: Final = 512


class Point(NamedTuple):
    """What one size gave.

    Attributes:
        entries: number of files.
        first: the first backup.
        again: the quickest of some with nothing to do.
        state_bytes: size of ocsnap's notes.
    """

    entries: int
    first: Run
    again: Run
    state_bytes: int

    @property
    def peak_bytes(self) -> int:
        """The most memory that one of these runs took."""
        return max(self.first.peak_bytes, self.again.peak_bytes)


def main() -> None:
    """Measure each size and show them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="*", default=[20_000, 200_000, 2_000_000])
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"))
    options = parser.parse_args()
    points = [measure(entries, options.folder) for entries in sorted(options.entries)]
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console(record=True, width=100)
    console.print(_table(points))
    for sentence in _judgement(points):
        console.print(sentence)
    console.save_text(str(options.out / "growth.txt"))
    if len(points) > 1:
        (options.out / "growth.svg").write_text(_curve(points))


def measure(entries: int, folder: Path | None) -> Point:
    """Back up a tree of so many empty files, and again with nothing to do.

    Args:
        entries: number of files.
        folder: where to work; None: a temporary folder.

    Returns:
        What it took.
    """
    work = Path(tempfile.mkdtemp(prefix="ocsnap-growth-", dir=folder))
    try:
        site = make_site(
            work / "oc", users=USERS, files_per_user=1, large_bytes=1, data_dir=work / "data"
        )
        _make_files(site.data_dir, entries)
        settings = usual_settings(work, site)
        settings["scan"] = {"trust_etags": "never"}
        config = work / "ocsnap.toml"
        config.touch(mode=0o600)
        config.write_text(toml(settings))
        command = (sys.executable, "-m", "ocsnap", "-c", config, "backup", "--no-maintenance")
        first = run(command)
        again = min((run(command) for _ in range(ROUNDS)), key=lambda ran: ran.seconds)
        print(f"{entries} entries: {first.seconds:.1f} s, then {again.seconds:.2f} s", flush=True)
        return Point(entries, first, again, _tree_bytes(work / "state"))
    finally:
        shutil.rmtree(work)


def _make_files(data_dir: Path, entries: int) -> None:
    for start in range(0, entries, _FILES_IN_FOLDER):
        number = start // _FILES_IN_FOLDER
        folder = data_dir / USERS[number % len(USERS)] / "files" / f"{number:05}"
        folder.mkdir(parents=True)
        for file in range(start, min(start + _FILES_IN_FOLDER, entries)):
            (folder / f"{file}.txt").touch()


def _tree_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _table(points: list[Point]) -> Table:
    table = Table(title="Backups of empty files", title_justify="left")
    titles = ("entries", "first, s", "no change, s", "µs per entry", "peak MiB", "notes, MB")
    for title in (*titles, "notes, bytes per entry"):
        table.add_column(title, justify="right")
    for point in points:
        table.add_row(
            f"{point.entries:,}",
            f"{point.first.seconds:.1f}",
            f"{point.again.seconds:.2f}",
            f"{point.again.seconds / point.entries * 1e6:.1f}",
            f"{point.peak_bytes / (1 << 20):.0f}",
            f"{point.state_bytes / 1e6:.1f}",
            f"{point.state_bytes / point.entries:.0f}",
        )
    return table


def _judgement(points: list[Point]) -> list[str]:
    """Say whether anything grows faster than what there is, and whether memory stays bounded."""
    smallest, largest = points[0], points[-1]
    grown = largest.entries / smallest.entries
    slower = largest.again.seconds / smallest.again.seconds
    peak_bytes = largest.peak_bytes
    per_entry = peak_bytes / largest.entries
    good = slower <= grown and per_entry < _MOST_BYTES_PER_ENTRY and peak_bytes < _MOST_MIB << 20
    return [
        f"{grown:.0f} times the entries: {slower:.1f} times the time.",
        f"Memory at {largest.entries:,}: {peak_bytes >> 20} MiB, {per_entry:.0f} bytes per entry.",
        "[green]Nothing grows faster than what there is.[/]" if good else "[red]It grows.[/]",
    ]


def _curve(points: list[Point]) -> str:
    """Draw what stands in the table."""
    return drawn(
        [point.entries for point in points],
        [
            Series("no change, s", "#1b6ac9", [point.again.seconds for point in points]),
            Series("peak, MiB", "#c9561b", [point.peak_bytes / (1 << 20) for point in points]),
            Series("notes, MB", "#2f8f4e", [point.state_bytes / 1e6 for point in points]),
        ],
        unit="entries",
    )


if __name__ == "__main__":
    main()
