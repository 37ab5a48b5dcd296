"""What a database offers to the rest of ocsnap, and what a dump tells of itself.

A dump is a series of named byte streams, the last of which is the manifest: who reads it to its end
has a dump that was checked. The manifest is all that a load needs to know in advance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from ocsnap.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

MANIFEST = "manifest.json"
FORMAT = 1


class TableInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it was found.

    Attributes:
        name: its name.
        engine: its storage engine.
        transactional: whether a consistent snapshot covers it.
        collation: its default collation; empty where the server tells none.
        estimate_rows: about how many rows it has, as the server guesses.
        estimate_bytes: about how large its rows are, as the server guesses.
    """

    name: str
    engine: str
    transactional: bool
    collation: str = ""
    estimate_rows: int = 0
    estimate_bytes: int = 0


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A server and a database on it: what is needed to rebuild both years later.

    Attributes:
        kind: the kind of server.
        version: its version, as it says itself.
        version_comment: its edition or packager, as it says itself.
        database: name of the database; for sqlite3 the file's path.
        charset: default character set of the database.
        collation: default collation of the database.
        server_charset: default character set of the server.
        server_collation: default collation of the server.
        sql_mode: the server's global sql_mode.
        time_zone: the server's global time zone, followed by what SYSTEM means there.
        lower_case_table_names: how the server treats the case of table names.
        max_allowed_packet_bytes: the longest statement and row that it takes.
        tables: its base tables, by name.
        notes: sentences on what a reader of the dump should know (foreign definers, objects that
            the account may not see, views that are broken).
    """

    kind: Literal["mysql", "sqlite3"]
    version: str
    version_comment: str = ""
    database: str
    charset: str
    collation: str
    server_charset: str = ""
    server_collation: str = ""
    sql_mode: str = ""
    time_zone: str = ""
    lower_case_table_names: int = 0
    max_allowed_packet_bytes: int = 0
    tables: tuple[TableInfo, ...] = ()
    notes: tuple[str, ...] = ()


class TableRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it was written.

    Attributes:
        name: its name.
        stream: the stream that holds it.
        rows: how many rows were written.
        checksum: the sum of the CRC-32 of every row's text, modulo 2**64: independent of the order
            of the rows, and computed again when the table was loaded; None where none is made.
        size_bytes: length of the stream; 0 where tables have no stream of their own.
        largest_row_bytes: length of the longest row with what an INSERT needs around it.
    """

    name: str
    stream: str
    rows: int
    checksum: int | None = None
    size_bytes: int = 0
    largest_row_bytes: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a dump consists of; its last stream, as JSON.

    Attributes:
        format: version of the dump's format.
        info: the server and the database it was made of.
        tables: every table that was written.
        others: every further stream with the names of what it creates ("views.sql": ["v"]).
    """

    format: int = FORMAT
    info: ServerInfo
    tables: tuple[TableRecord, ...]
    others: dict[str, tuple[str, ...]] = {}

    def encode(self) -> bytes:
        """Return the manifest as JSON, one field a line so that deltas stay small."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """Read a manifest.

        Args:
            text: what `encode` returned.

        Raises:
            DatabaseError: it is not a manifest, or of a newer format than this ocsnap knows.
        """
        try:
            version = msgspec.json.decode(text, type=_Version).format
            if version > FORMAT:
                raise DatabaseError(
                    f"The database dump has format {version}; this ocsnap knows {FORMAT}.",
                    hint="Use a newer ocsnap.",
                )
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DatabaseError(f"The manifest of the database dump is damaged: {error}.") from None


class _Version(msgspec.Struct, frozen=True):
    format: int


@dataclass(frozen=True)
class DumpStream:
    """One stream of a dump.

    Attributes:
        name: its name, with `/` between folders; always a valid file name.
        estimate_bytes: about how long it is; 0 where nobody knows.
        chunks: its bytes, in pieces of at most 1 MiB; to be read once, and to the end before the
            next stream is asked for.
    """

    name: str
    estimate_bytes: int
    chunks: Iterator[bytes]


class Dump(Protocol):
    """A database in the state of one moment.

    Attributes:
        info: the server and the database.
        transactional: whether the snapshot outlives the maintenance window; False: all streams
            must be read inside the window.
    """

    info: ServerInfo
    transactional: bool

    def streams(self) -> Iterator[DumpStream]:
        """Return the streams, one after the other; the last one is `manifest.json`.

        The manifest comes only when the list of tables and the number of rows of every table agree
        with what was written.

        Raises:
            DatabaseError: the server fails, a stream was not read to its end, or the tables
                changed meanwhile: the dump is not whole and must not be kept.
        """
        ...


class Database(Protocol):
    """A database that can be asked and dumped."""

    def check(self) -> ServerInfo:
        """Prove that the database can be reached and read.

        Returns:
            The server, the database and its tables.

        Raises:
            DatabaseError: it cannot, or holds something that ocsnap cannot dump.
        """
        ...

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one statement.

        Args:
            sql: the statement, with `?` for each parameter and nowhere else.
            parameters: the values.

        Returns:
            The rows; text as str.

        Raises:
            DatabaseError: the server refuses it or cannot be reached.
        """
        ...

    def held_bytes(self) -> int:
        """Return about how much local room reading a dump inside the window takes.

        Returns:
            Bytes; 0 where `freeze` opens a snapshot that outlives the window.

        Raises:
            DatabaseError: the database cannot be read.
            LocalIOError: a copy that freezing makes has no room.
        """
        ...

    def update(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement that changes rows, once for each set of values, in one transaction.

        Args:
            sql: the statement, with `?` for each parameter and nowhere else.
            rows: the values of each time.

        Raises:
            DatabaseError: the server refuses it; nothing was changed.
        """
        ...

    def freeze(self) -> AbstractContextManager[Dump]:
        """Open a consistent snapshot of the database and hold it while the context lasts.

        Raises:
            DatabaseError: no consistent snapshot can be had.
        """
        ...


class DumpReader(Protocol):
    """How a stored dump comes back."""

    def names(self) -> list[str]:
        """Return the names of all streams."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return the bytes of a stream, in pieces of any size."""
        ...


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Attributes:
        database: the database that now holds the dump; for sqlite3 the file's path.
        kept: where what stood there before is kept; None when nothing stood there.
        tables: tables loaded.
        rows: rows loaded.
        size_bytes: bytes of the dump that were read.
        notes: sentences for the reader of the report.
    """

    database: str
    kept: str | None
    tables: int
    rows: int
    size_bytes: int
    notes: tuple[str, ...] = ()


def read_manifest(reader: DumpReader) -> Manifest:
    """Read the manifest of a stored dump and see that every stream it names is there.

    Args:
        reader: the stored dump.

    Returns:
        The manifest.

    Raises:
        DatabaseError: there is none, it is damaged, or a stream is missing.
    """
    names = set(reader.names())
    if MANIFEST not in names:
        raise DatabaseError(
            "The database dump has no manifest: it was never completed.",
            hint="Restore another snapshot.",
        )
    manifest = Manifest.decode(b"".join(reader.chunks(MANIFEST)))
    wanted = {table.stream for table in manifest.tables} | set(manifest.others)
    missing = sorted(wanted - names)
    if missing:
        raise DatabaseError(f"The database dump lacks {', '.join(missing)}.")
    return manifest
