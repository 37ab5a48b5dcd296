"""Dump and load of oc_filecache beside MariaDB's own tools, and a read by its client, in turns.

MariaDB's mysqldump cannot dump MySQL 5.6, so that there only its client's plain reading of all rows
is left to compare with: it formats nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks.figures import Figures, medians_table
from ocsnap.clock import SystemClock
from ocsnap.database.open import load_database, open_database
from ocsnap.monitor import SilentMonitor
from tests.servers.mariadb import running_mariadb
from tests.servers.old_mysql import running_old_mysql
from tests.servers.owncloud_database import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer

OCSNAP: Final = "ocsnap"
TOOL: Final = "mariadb-dump, mariadb"
CLIENT: Final = "reading by mariadb"
_ROWS_AT_ONCE: Final = 20_000
_PIECE_BYTES: Final = 1 << 20


class _Folder:
    """A dump in a folder, as `load_database` reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of the streams."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return [str(path.relative_to(self._folder)) for path in files]

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a stream in pieces."""
        with (self._folder / name).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


class _Contest:
    def __init__(self, server: DatabaseServer, rows: int, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.name = server.new_database()
        self.figures = Figures()
        with connected(server.login(self.name)) as database:
            database.create_tables()
            for start in range(0, rows, _ROWS_AT_ONCE):
                end = min(start + _ROWS_AT_ONCE, rows)
                database.run_many(
                    "INSERT INTO oc_filecache (storage, path, path_hash, parent, name, mimetype,"
                    " mimepart, size, mtime, storage_mtime, etag, permissions, checksum) VALUES"
                    " (1, ?, MD5(?), 5, ?, 3, 2, ?, ?, ?, MD5(?), 27,"
                    " CONCAT('SHA1:', SHA1(?), ' MD5:', MD5(?), ' ADLER32:01234567'))",
                    [
                        (
                            *(f"files/Photos/2014/{n // 500}/IMG_{n}.jpg", n, f"IMG_{n}.jpg"),
                            *(n * 7 % 5_000_000, 1_400_000_000 + n, 1_400_000_000 + n, n, n, n),
                        )
                        for n in range(start, end)
                    ],
                )

    def round(self) -> None:
        """Let each dump and load once."""
        settings = self.server.settings(self.name)
        dump = self.folder / "dump"
        with self._timed("dump, s", OCSNAP):
            size_bytes = 0
            with open_database(settings, scratch_dir=self.folder).freeze() as frozen:
                for stream in frozen.streams():
                    path = dump / stream.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as file:
                        for chunk in stream.chunks:
                            size_bytes += file.write(chunk)
        self.figures.add("  MB", OCSNAP, size_bytes / 1e6)
        copy = self.server.settings(f"{self.name}_copy")
        with self._timed("load, s", OCSNAP):
            load_database(copy, _Folder(dump), clock=SystemClock(), monitor=SilentMonitor())
        self.server.run(None, f"DROP DATABASE `{copy.name}`")
        with self._timed("read, s", CLIENT):
            self._run(["mariadb", "--batch", "--quick", "-e", "SELECT * FROM oc_filecache"])
        if self.server.kind == "mariadb":
            self._tools_round()

    def _tools_round(self) -> None:
        file = self.folder / "dump.sql"
        with self._timed("dump, s", TOOL):
            self._run(["mariadb-dump", "--single-transaction"], output=file)
        self.figures.add("  MB", TOOL, file.stat().st_size / 1e6)
        copy = self.server.new_database()
        with self._timed("load, s", TOOL):
            self._run(["mariadb"], database=copy, source=file)
        self.server.run(None, f"DROP DATABASE `{copy}`")

    @contextmanager
    def _timed(self, row: str, column: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.figures.add(row, column, time.monotonic() - began)

    def _run(
        self,
        command: list[str],
        *,
        database: str | None = None,
        source: Path = Path("/dev/null"),
        output: Path = Path("/dev/null"),
    ) -> None:
        options = self.folder / "client.cnf"
        options.touch(mode=0o600)
        options.write_text(
            f'[client]\nuser="{self.server.user}"\npassword="{self.server.password}"\n'
            f'socket="{self.server.socket}"\n'
        )
        words = [command[0], f"--defaults-file={options}", *command[1:], database or self.name]
        with source.open("rb") as taken, output.open("wb") as written:
            ended = subprocess.run(words, stdin=taken, stdout=written, check=False)
        if ended.returncode:
            sys.exit(f"{command[0]} failed")


def main() -> None:
    """Fill both servers and run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"))
    options = parser.parse_args()
    console = Console(record=True, width=100)
    for start, title in ((running_mariadb, "MariaDB"), (running_old_mysql, "MySQL 5.6")):
        with tempfile.TemporaryDirectory(prefix="ocsnap-bench-", dir=options.folder) as place:
            folder = Path(place)
            (folder / "server").mkdir()
            with start(folder / "server") as server:
                contest = _Contest(server, options.rows, folder)
                for _ in range(options.rounds):
                    contest.round()
        caption = f"{title}: {options.rows:,} rows of oc_filecache, {options.rounds} rounds"
        console.print(medians_table(caption, contest.figures, (OCSNAP, TOOL, CLIENT)))
        for row in ("dump, s", "load, s"):
            ratio = contest.figures.ratio(row, OCSNAP, TOOL)
            if ratio is not None:
                console.print(f"{row.partition(',')[0]}: {ratio:.2f} times the tool's time")
    options.out.mkdir(parents=True, exist_ok=True)
    console.save_text(str(options.out / "database.txt"))


if __name__ == "__main__":
    main()
