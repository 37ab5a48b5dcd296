"""The dump of the database, stored stream by stream as it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocsnap.database.database import MANIFEST, Manifest
from ocsnap.snapshot.streams import Stream, StreamArchiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocsnap.commands.context import Context
    from ocsnap.database.database import Dump
    from ocsnap.repository.repository import Repository
    from ocsnap.repository.snapshot import Root
    from ocsnap.snapshot.statistics import Statistics


@dataclass(frozen=True)
class StoredDump:
    """A dump in the repository.

    Attributes:
        root: its tree.
        tables: how many tables the database has.
        rows: numbers of rows by the tables' names.
        statistics: its figures.
        seconds: how long it took.
    """

    root: Root
    tables: int
    rows: dict[str, int]
    statistics: Statistics
    seconds: float


def store_dump(
    context: Context, repository: Repository, dump: Dump, name: str, previous: Root | None
) -> StoredDump:
    """Store a dump; it is whole when its last stream, the manifest, is.

    Args:
        context: the outside world.
        repository: where it goes to.
        dump: the database in the state of one moment.
        name: the database's name.
        previous: the root of its dump in the parent snapshot.

    Returns:
        What was stored.

    Raises:
        DatabaseError: the dump is not whole.
        OcsnapError: it could not be stored.
    """
    began = context.clock.monotonic()
    context.monitor.step("Dumping the database")
    archiver = StreamArchiver(repository, clock=context.clock, monitor=context.monitor)
    manifest = bytearray()
    archived = archiver.archive(_streams(dump, manifest), name, previous)
    tables = Manifest.decode(bytes(manifest)).tables
    return StoredDump(
        archived.root,
        len(dump.info.tables),
        {table.name: table.rows for table in tables},
        archived.statistics,
        context.clock.monotonic() - began,
    )


def _streams(dump: Dump, manifest: bytearray) -> Iterator[Stream]:
    """Yield the streams of a dump, and keep the last one, its manifest."""
    for stream in dump.streams():
        chunks = stream.chunks
        if stream.name == MANIFEST:
            chunks = _kept(chunks, manifest)
        yield Stream(stream.name, stream.estimate_bytes, chunks)


def _kept(chunks: Iterator[bytes], copy: bytearray) -> Iterator[bytes]:
    for chunk in chunks:
        copy += chunk
        yield chunk
