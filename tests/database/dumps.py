"""Dumps held in memory, and two databases compared by their server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocsnap.clock import SystemClock
from ocsnap.database.database import MANIFEST, Manifest
from ocsnap.database.open import load_database, open_database
from ocsnap.monitor import SilentMonitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.database.database import Database, Dump, LoadReport
    from ocsnap.database.settings import DatabaseSettings
    from ocsnap.monitor import Monitor
    from tests.servers.database_server import DatabaseServer


class MemoryDump(dict[str, bytes]):
    """A dump as a mapping from names to bytes; also a DumpReader, with pieces of awkward size."""

    piece_bytes = 1000

    def names(self) -> list[str]:
        return list(self)

    def chunks(self, name: str) -> Iterator[bytes]:
        text = self[name]
        for start in range(0, len(text), self.piece_bytes):
            yield text[start : start + self.piece_bytes]

    @property
    def manifest(self) -> Manifest:
        return Manifest.decode(self[MANIFEST])


def opened(settings: DatabaseSettings, structure_only: frozenset[str] = frozenset()) -> Database:
    return open_database(settings, scratch_dir=Path("/nonexistent"), structure_only=structure_only)


def read(dump: Dump) -> MemoryDump:
    return MemoryDump({stream.name: b"".join(stream.chunks) for stream in dump.streams()})


def take(settings: DatabaseSettings, structure_only: frozenset[str] = frozenset()) -> MemoryDump:
    with opened(settings, structure_only).freeze() as dump:
        return read(dump)


def load(
    settings: DatabaseSettings, dump: MemoryDump, monitor: Monitor | None = None
) -> LoadReport:
    return load_database(
        settings, dump, clock=SystemClock(), monitor=SilentMonitor() if monitor is None else monitor
    )


def name(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"


def show_create(server: DatabaseServer, database: str, table: str) -> str:
    text: str = server.run(database, f"SHOW CREATE TABLE {name(table)}")[0][1]
    return text


def differing_rows(server: DatabaseServer, first: str, second: str, table: str, key: str) -> int:
    """Count the rows that are not the same, to the bit, in both databases; the server compares."""
    described = server.run(first, f"SHOW COLUMNS FROM {name(table)}")
    columns = [row[0] for row in described]
    same = " AND ".join(
        f"x.{name(c)} <=> y.{name(c)} AND HEX(x.{name(c)}) <=> HEX(y.{name(c)})"
        f" AND HEX(CAST(x.{name(c)} AS BINARY)) <=> HEX(CAST(y.{name(c)} AS BINARY))"
        for c in columns
    )
    # Two members of an ENUM may look alike.
    for row in described:
        if row[1].startswith("enum"):
            same += f" AND x.{name(row[0])} + 0 <=> y.{name(row[0])} + 0"
    tables = f"{name(first)}.{name(table)} x LEFT JOIN {name(second)}.{name(table)} y"
    (missing,) = server.run(
        None,
        f"SELECT COUNT(*) FROM {tables} ON x.{name(key)} = y.{name(key)}"
        f" WHERE y.{name(key)} IS NULL OR NOT ({same})",
    )[0]
    (surplus,) = server.run(
        None,
        f"SELECT (SELECT COUNT(*) FROM {name(second)}.{name(table)})"
        f" - (SELECT COUNT(*) FROM {name(first)}.{name(table)})",
    )[0]
    return int(missing) + abs(int(surplus))
