"""A table of any size passes through in constant memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from tests.database.dumps import MemoryDump, load, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.database_server import DatabaseServer

MIB = 1024 * 1024
ROWS = 2**16


class FolderDump(MemoryDump):
    """A dump whose streams lie in files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def write(self, name: str, chunks: Iterator[bytes]) -> None:
        path = self._folder / name.replace("/", "-")
        with path.open("wb") as file:
            for chunk in chunks:
                assert 0 < len(chunk) <= MIB
                file.write(chunk)
        self[name] = str(path).encode()

    def chunks(self, name: str) -> Iterator[bytes]:
        with Path(self[name].decode()).open("rb") as file:
            while chunk := file.read(MIB):
                yield chunk


def test_sixty_megabytes_need_a_few(server: DatabaseServer, tmp_path: Path) -> None:
    source = server.new_database()
    server.run(
        source,
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(2000)) ENGINE=MyISAM",
        "INSERT INTO t (v) VALUES (REPEAT('some text, ', 86))",
        *["INSERT INTO t (v) SELECT v FROM t"] * 16,
    )
    dump = FolderDump(tmp_path)
    tracemalloc.start()
    try:
        with opened(server.settings(source)).freeze() as frozen:
            for stream in frozen.streams():
                dump.write(stream.name, stream.chunks)
        load(server.settings(f"{source}_copy"), dump)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "tables-t.sql").stat().st_size > 60_000_000
    assert peak < 10 * MIB
    assert server.run(f"{source}_copy", "SELECT COUNT(*) FROM t") == [(ROWS,)]
    server.run(None, f"DROP DATABASE {source}", f"DROP DATABASE {source}_copy")
