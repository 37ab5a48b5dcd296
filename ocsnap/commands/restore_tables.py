"""`ocsnap restore --db --table`: some tables of a snapshot, loaded beside the database in use.

Never over it: an administrator looks at them there and copies what is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ocsnap.commands.browse.look import look
from ocsnap.commands.browse.stored_dump import StoredDump
from ocsnap.commands.context import state_dir
from ocsnap.commands.restore.estimate import Estimate  # noqa: TC001 - msgspec looks at it
from ocsnap.commands.site import open_site
from ocsnap.database.database import MANIFEST, Manifest, read_manifest
from ocsnap.database.open import load_database, load_tables_into_file
from ocsnap.errors import RefusedError
from ocsnap.repository.selector import LATEST
from ocsnap.snapshot.file_reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.commands.context import Context
    from ocsnap.commands.site import Site
    from ocsnap.database.database import DumpReader, LoadReport

_LONGEST_NAME: Final = 64
_STAMP_DIGITS: Final = 17  # down to milliseconds, as everywhere


@dataclass(frozen=True)
class TableOptions:
    """What to load, and where to.

    Attributes:
        tables: names of tables, with the prefix or without.
        snapshot: how the snapshot is named; see `select`.
        name: name for the scratch database, or the path of the file; None: one is made up.
        dry_run: only tell what would be done.
    """

    tables: tuple[str, ...]
    snapshot: str = LATEST
    name: str | None = None
    dry_run: bool = False


class TableOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was loaded.

    Attributes:
        snapshot: id of the snapshot.
        database: the scratch database, or the path of the file.
        tables: the tables, each with its number of rows.
        size_bytes: length of what is read of the dump.
        dry_run: whether nothing was done.
        seconds: how long it took.
        estimate: what is fetched, how long it takes and what it costs; of a dry run only.
    """

    snapshot: str
    database: str
    tables: dict[str, int]
    size_bytes: int
    dry_run: bool
    seconds: float
    estimate: Estimate | None = None


class _Part:
    """A dump that seems to have only some of its tables; see `DumpReader`."""

    def __init__(self, reader: DumpReader, manifest: Manifest) -> None:
        self._reader = reader
        self._manifest = manifest.encode()
        self._streams = {table.stream for table in manifest.tables}

    def names(self) -> list[str]:
        return [MANIFEST, *sorted(self._streams)]

    def chunks(self, name: str) -> Iterator[bytes]:
        if name == MANIFEST:
            yield self._manifest
        else:
            yield from self._reader.chunks(name)


def restore_tables(context: Context, options: TableOptions) -> TableOutcome:
    """Load some tables into a database, or for SQLite into a file, of their own.

    Args:
        context: the outside world.
        options: which tables.

    Returns:
        Where they are.

    Raises:
        RefusedError: the snapshot has no such table, or something has the name already.
        OcsnapError: nothing was loaded.
    """
    began = context.clock.monotonic()
    folder = state_dir(context)
    with look(context, locked=True) as opened:
        stored = opened.choose(options.snapshot)
        files = FileReader.of(opened.repository, scratch_dir=folder)
        dump = StoredDump(files, opened.listings, stored.snapshot)
        manifest = read_manifest(dump)
        prefix = stored.snapshot.owncloud.table_prefix
        wanted = _choose(manifest, options.tables, prefix)
        site = open_site(context, folder, demand_data=False)
        now = datetime.fromtimestamp(context.clock.now(), UTC)
        stamp = f"{now:%Y%m%d%H%M%S%f}"[:_STAMP_DIGITS]
        if manifest.info.kind == "sqlite3":
            target = Path(options.name) if options.name else folder / f"tables_{stamp}.sqlite"
            names = [table.name for table in wanted.tables]
            where = str(target.absolute())
            streams = list(manifest.others)
            if not options.dry_run:
                load_tables_into_file(dump, names, target.absolute())
        else:
            where = _free_name(site, options.name, stamp)
            streams = [table.stream for table in wanted.tables]
            if not options.dry_run:
                _load(context, site, where, _Part(dump, wanted))
        estimate = opened.estimate(dump.root, dump.entries(streams)) if options.dry_run else None
    return TableOutcome(
        snapshot=stored.id,
        database=where,
        tables={table.name: table.rows for table in wanted.tables},
        size_bytes=dump.size_bytes(streams),
        dry_run=options.dry_run,
        seconds=context.clock.monotonic() - began,
        estimate=estimate,
    )


def _choose(manifest: Manifest, names: Sequence[str], prefix: str) -> Manifest:
    tables = {table.name: table for table in manifest.tables}
    chosen = {}
    for name in names:
        full = name if name in tables else f"{prefix}{name}"
        if full not in tables:
            raise RefusedError(
                f"The snapshot's database has no table {name!r}.",
                hint="For MySQL `ocsnap ls database/tables` lists them.",
            )
        chosen[full] = tables[full]
    return msgspec.structs.replace(manifest, tables=tuple(chosen.values()), others={})


def _free_name(site: Site, wanted: str | None, stamp: str) -> str:
    if site.settings.kind != "mysql":
        raise RefusedError(
            "The snapshot's database is of MySQL, and ownCloud now has another.",
            hint="Take the SQL files: ocsnap cat latest:database/tables/NAME.sql.",
        )
    end = f"_tables_{stamp}"
    name = wanted or site.settings.name[: _LONGEST_NAME - len(end)] + end
    found = site.database.query(
        "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", (name,)
    )
    if found:
        raise RefusedError(
            f"There is a database {name!r} already.",
            hint="Give another --database-name, or none.",
        )
    return name


def _load(context: Context, site: Site, name: str, part: DumpReader) -> LoadReport:
    settings = replace(site.settings, name=name)
    return load_database(settings, part, clock=context.clock, monitor=context.monitor)
