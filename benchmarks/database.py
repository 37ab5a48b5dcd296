"""Dump and load of oc_filecache beside MariaDB's own tools, and a read by its client, in turns.

What ocsnap loads it compares too, row by row, which the tools do not: its time has both. The dump
tool of MariaDB cannot dump MySQL 5.6, since it asks for a column that 5.6 does not have; there a
copy of it takes part that asks for another one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks.figures import Figures, Goal, goals_table, medians_table, save
from ocsnap.clock import SystemClock
from ocsnap.config.sections import DatabaseConfig
from ocsnap.database.open import load_database, open_database
from ocsnap.monitor import SilentMonitor
from tests.servers.mariadb import running_mariadb
from tests.servers.old_mysql import running_old_mysql
from tests.servers.owncloud_database import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer

OCSNAP: Final = "ocsnap"
ALONE: Final = "ocsnap, 1 session"
TOOL: Final = "mariadb-dump, mariadb"
CLIENT: Final = "reading by mariadb"
DUMP: Final = "dump, s"
LOAD: Final = "load, s"
SIZE: Final = "  MB"
SESSIONS: Final = DatabaseConfig().sessions
# What MariaDB 10.11's tool asks for, and what an old server has that says as little.
_GENERATED: Final = b"generation_expression"
_COMMENT: Final = b"column_comment"
_ROWS_AT_ONCE: Final = 10_000
_REST_SECONDS: Final = 3.0
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
        for start in range(1, rows + 1, _ROWS_AT_ONCE):
            server.run(self.name, _fill(start, min(start + _ROWS_AT_ONCE, rows + 1)))
        server.run(self.name, "ANALYZE TABLE oc_filecache")
        self.tool = ["mariadb-dump"]
        if server.kind != "mariadb":
            self.tool = [str(_tool_for_old_servers(folder))]

    def round(self, number: int, *, loads: bool) -> None:
        """Let each dump once, and load if wanted, in another order each time."""
        dumps = [
            lambda: self._dump(OCSNAP, SESSIONS),
            lambda: self._dump(ALONE, 1),
            self._dump_by_tool,
            self._read,
        ]
        start = number % len(dumps)
        for run in [*dumps[start:], *dumps[:start]]:
            run()
        loaders = [self._load, self._load_by_tool] if loads else []
        for run in loaders if number % 2 == 0 else reversed(loaders):
            run()

    def _dump(self, column: str, sessions: int) -> None:
        settings = self.server.settings(self.name, sessions=sessions)
        dump = self.folder / "dump"
        with self._timed(DUMP, column):
            size_bytes = 0
            with open_database(settings, scratch_dir=self.folder).freeze() as frozen:
                for stream in frozen.streams():
                    path = dump / stream.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as file:
                        for chunk in stream.chunks:
                            size_bytes += file.write(chunk)
        self.figures.add(SIZE, column, size_bytes / 1e6)

    def _dump_by_tool(self) -> None:
        file = self.folder / "dump.sql"
        with self._timed(DUMP, TOOL):
            self._run([*self.tool, "--single-transaction"], output=file)
        self.figures.add(SIZE, TOOL, file.stat().st_size / 1e6)

    def _read(self) -> None:
        with self._timed(DUMP, CLIENT):
            self._run(["mariadb", "--batch", "--quick", "-e", "SELECT * FROM oc_filecache"])

    def _load(self) -> None:
        copy = self.server.settings(f"{self.name}_copy", sessions=SESSIONS)
        with self._timed(LOAD, OCSNAP):
            dump = _Folder(self.folder / "dump")
            load_database(copy, dump, clock=SystemClock(), monitor=SilentMonitor())
        self._drop(copy.name)

    def _load_by_tool(self) -> None:
        copy = self.server.new_database()
        with self._timed(LOAD, TOOL):
            self._run(["mariadb"], database=copy, source=self.folder / "dump.sql")
        self._drop(copy)

    def _drop(self, database: str) -> None:
        self.server.run(None, f"DROP DATABASE `{database}`")
        # What the server still has to tidy up is no part of what comes next.
        time.sleep(_REST_SECONDS)

    @contextmanager
    def _timed(self, row: str, column: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.figures.add(row, column, time.monotonic() - began)
        print(f"{row:<10}{column:<24}{time.monotonic() - began:8.2f}", file=sys.stderr)

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


def _fill(start: int, end: int) -> str:
    rows = ", ".join(
        f"({n}, 1, 'files/Photos/2014/{n // 500}/IMG_{n}.jpg', MD5({n}), 5, 'IMG_{n}.jpg', 3, 2,"
        f" {n * 7 % 5_000_000}, {1_400_000_000 + n}, {1_400_000_000 + n}, MD5({-n}), 27,"
        f" CONCAT('SHA1:', SHA1({n}), ' MD5:', MD5({n}), ' ADLER32:01234567'))"
        for n in range(start, end)
    )
    return (
        "INSERT INTO oc_filecache (fileid, storage, path, path_hash, parent, name, mimetype,"
        " mimepart, size, mtime, storage_mtime, etag, permissions, checksum) VALUES " + rows
    )


def _tool_for_old_servers(folder: Path) -> Path:
    tool = Path(shutil.which("mariadb-dump") or "/usr/bin/mariadb-dump").resolve()
    copy = folder / "dump-tool"
    copy.write_bytes(tool.read_bytes().replace(_GENERATED, _COMMENT.ljust(len(_GENERATED))))
    copy.chmod(0o700)
    return copy


def main() -> None:
    """Fill both servers and run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--old-rows", type=int, default=500_000, help="on MySQL 5.6")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load-rounds", type=int, default=3, help="in how many all load, too")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"))
    options = parser.parse_args()
    console = Console(record=True, width=100)
    servers = (
        (running_mariadb, "MariaDB 10.11", options.rows, 1.0),
        (running_old_mysql, "MySQL 5.6", min(options.rows, options.old_rows), 1.5),
    )
    for start, title, rows, most in servers:
        with tempfile.TemporaryDirectory(prefix="ocsnap-bench-", dir=options.folder) as place:
            folder = Path(place)
            (folder / "server").mkdir()
            with start(folder / "server") as server:
                contest = _Contest(server, rows, folder)
                for number in range(options.rounds):
                    contest.round(number, loads=number < options.load_rounds)
        caption = f"{title}: {rows:,} rows of oc_filecache, {options.rounds} rounds: medians"
        console.print(medians_table(caption, contest.figures, (OCSNAP, ALONE, TOOL, CLIENT)))
        goals = (Goal(row, row, OCSNAP, most, TOOL) for row in (DUMP, LOAD))
        console.print(goals_table(contest.figures, goals))
    save(console, options.out, "database", title="ocsnap's dumps and loads beside others")


if __name__ == "__main__":
    main()
