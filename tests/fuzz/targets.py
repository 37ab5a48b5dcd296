"""Everything that reads bytes which somebody else may have written, each as one function.

A target takes any bytes and returns; what it may raise besides is caught here, and anything else
is a fault. `make fuzz` feeds them with what a coverage-guided fuzzer thinks of; the test beside it
with what the fuzzer once found worth keeping.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from ocsnap.config import parse
from ocsnap.crypto.statuses import Statuses
from ocsnap.database.database import Manifest
from ocsnap.database.mysql.script import ScriptReader
from ocsnap.database.mysql.trigger_text import trigger_body
from ocsnap.database.sqlite.dump import open_quiet, row_count, table_names
from ocsnap.database.sqlite.failures import explained
from ocsnap.errors import OcsnapError
from ocsnap.librsync import Delta
from ocsnap.librsync.delta import DELTA_MAGIC, _Parser
from ocsnap.owncloud.php_literal import parse_assignments
from ocsnap.owncloud.php_serialized import unserialize
from ocsnap.repository import description as descriptions
from ocsnap.repository import index as indexes
from ocsnap.repository import pack as packs
from ocsnap.repository import snapshot as snapshots
from ocsnap.repository import tree
from ocsnap.repository.reader import unpack
from ocsnap.storage.name import is_name

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = bytes(range(256)) * 20


def description(data: bytes) -> None:
    with suppress(OcsnapError):
        descriptions.decode(data)


def index(data: bytes) -> None:
    """Whoever can write a frame can write any; so the fuzzer need not find out how zstd works."""
    for content in (data, zstandard.compress(data)):
        with suppress(OcsnapError):
            for each in indexes.decode(content, name="index/x").packs:
                assert is_name(each.name)


def pack(data: bytes) -> None:
    body = zstandard.compress(data)
    tail = body + len(body).to_bytes(4, "little") + packs.TRAILER_MAGIC
    for content in (data, data + packs.TRAILER_MAGIC, tail, CONTENT + b"\0" * 8 + tail):
        with suppress(OcsnapError):
            for each in packs.read_trailer(content, name="packs/x"):
                frame = content[each.offset : each.offset + each.frame_bytes]
                with suppress(OcsnapError):
                    unpack(each.blob, frame, each.raw_bytes, name="packs/x")


def listing(data: bytes) -> None:
    with suppress(OcsnapError):
        for entry in tree.decode([data]):
            entry.pieces()
            assert b"/" not in entry.name
            assert entry.name not in {b"", b".", b".."}


def snapshot(data: bytes) -> None:
    with suppress(OcsnapError):
        decoded = snapshots.decode(data, name="snapshots/x")
        snapshots.snapshot_name(decoded.started, "0" * 64)
        for root in decoded.roots:
            below = os.path.normpath(b"/target" + root.path)
            assert root.kind is snapshots.RootKind.DATABASE or below.startswith(b"/target/")


def signature(data: bytes) -> None:
    with suppress(OcsnapError):
        delta = Delta(data)
        for _ in delta.update(CONTENT, last=True):
            pass


def delta(data: bytes) -> None:
    with suppress(OcsnapError):
        parser = _Parser()
        for _ in parser.feed(DELTA_MAGIC + data[:5]):
            pass
        for _ in parser.feed(data[5:]):
            pass


def script(data: bytes) -> None:
    with suppress(OcsnapError):
        for _ in ScriptReader([data[:7], data[7:]], "x.sql").statements():
            pass


def manifest(data: bytes) -> None:
    with suppress(OcsnapError):
        Manifest.decode(data)


def trigger(data: bytes) -> None:
    with suppress(OcsnapError):
        trigger_body(data)


def sqlite(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(OcsnapError):
            _read_database(Path(file.name))


def _read_database(path: Path) -> None:
    with explained("reading", path), closing(open_quiet(path)) as connection:
        connection.execute("PRAGMA integrity_check(1)").fetchone()
        for name in table_names(connection):
            row_count(connection, name)


def php_literal(data: bytes) -> None:
    with suppress(OcsnapError):
        parse_assignments(data, Path("config.php"))


def php_serialized(data: bytes) -> None:
    with suppress(OcsnapError, ValueError):
        unserialize(data)


def gpg_statuses(data: bytes) -> None:
    statuses = Statuses(data.decode("latin-1"))
    statuses.signers()
    assert isinstance(statuses.failure("reason"), OcsnapError)


def configuration(data: bytes) -> None:
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return
    with suppress(OcsnapError):
        parse(document, source="config.toml")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        description,
        index,
        pack,
        listing,
        snapshot,
        signature,
        delta,
        script,
        manifest,
        trigger,
        sqlite,
        php_literal,
        php_serialized,
        gpg_statuses,
        configuration,
    )
}
